"""Start the chat application beside an installation that runs on this machine.

It does what the operator may do alone: registers the service `chat`, makes a project under it and
a key that lives as long as the application, then serves. The policy it cannot publish: that takes
a privacy officer and two others (README.md). Until then nothing governs the service, so that
Bailee refuses every call, and the page says so.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import openai

sys.path.insert(0, str(Path(__file__).parent))
from server import Chat, open_server  # the file beside this one

SERVICE: Final = "chat"
MODEL: Final = "smollm2-135m-instruct"


def main() -> None:
    """Serve until interrupted."""
    asked, options = _arguments()
    services = {one["id"]: one for one in _bailee("services", "list", *options)}
    if SERVICE not in services:
        titles = ("--english", "Chat", "--korean", "채팅")
        _bailee("services", "register", SERVICE, *titles, *options)
    if not services.get(SERVICE, {}).get("policy"):
        print("No policy of `chat` is in force: Bailee refuses its calls. See README.md.")
    project = _project(asked.organisation, options)
    placed = ("--organisation", project["organisation"])
    _bailee("services", "put", project["id"], SERVICE, *placed, *options)
    os.environ |= _bailee("env", *options)  # where Bailee is, and which certificates to trust
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _key(project["id"], options) as key, suppress(KeyboardInterrupt):
        client = openai.OpenAI(api_key=key, max_retries=0)
        with open_server(Chat(client, asked.model), asked.port) as server:
            print(f"http://127.0.0.1:{server.server_port}/", flush=True)
            server.serve_forever()


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="consumer_chat", description=__doc__, epilog="Other options are those of `bailee`."
    )
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--organisation", default="Chat", help="made if there is none")
    return parser.parse_known_args()


def _project(organisation: str, options: list[str]) -> Any:
    for one in _bailee("projects", "list", *options):
        if (one["organisation_name"], one["name"]) == (organisation, SERVICE):
            return one
    return _bailee(
        "projects", "create", "--organisation", organisation, "--name", SERVICE, *options
    )


@contextmanager
def _key(project: str, options: list[str]) -> Iterator[str]:
    made = _bailee("keys", "create", "--project", project, "--name", SERVICE, *options)
    try:
        yield made["key"]
    finally:
        _bailee("keys", "revoke", made["id"], *options)


def _bailee(*arguments: str) -> Any:
    """What a command of the operator's prints. Ends the application if it fails."""
    command = Path(sys.executable).with_name("bailee")
    done = subprocess.run(
        [command if command.exists() else "bailee", *arguments, "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()

"""An installation on one machine: its data folder, its processes, and what an operator is told.

The order: data folder, certificates, database and migrations (`wiring.prepare`), then the keeper,
then clerk, model runner and gateways together, then the worker, for which no caller waits. Stopping
begins with the gateways, which finish what is in flight; then clerk, worker and model runner, the
keeper, the database.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from bailee.cli.administration import wiring
from bailee.cli.certificates import certificates
from bailee.cli.env import base_address
from bailee.cli.handover import Handover
from bailee.cli.listening import free_ports
from bailee.cli.output import console
from bailee.cli.progress import Progress
from bailee.cli.status_files import announce, announce_address, announced
from bailee.cli.supervisor import ChildProcess, Supervisor
from bailee.drivers.system import SystemClock, process_id
from bailee.kernel.errors import Conflict, InvalidInput
from bailee.settings import Settings

_KEEPER, _SERVING, _BACKGROUND = 1, 2, 3
_GATEWAYS_STOP, _INSIDE_STOP, _KEEPER_STOP = 3, 2, 1
FOLDERS = ("keyring", "secrets", "tls", "journals", "objects", "run", "logs")
LONGEST_SOCKET = str(Path("run", "adapters.sock"))
SOCKET_NAME_MAX_BYTES = 107
"""unix(7): `sun_path`, less the byte that ends it."""


@contextlib.contextmanager
def owned_data_folder(folder: Path) -> Iterator[None]:
    """Make the data folder's parts and hold it for this process alone.

    Raises:
        InvalidInput: if sockets in it would have longer names than the system has room for.
        Conflict: if another process serves from it.
    """
    length, most = len(os.fsencode(folder)), SOCKET_NAME_MAX_BYTES - len(f"/{LONGEST_SOCKET}")
    if length > most:
        raise InvalidInput(
            f"the path of the data folder {folder} has {length} bytes, and sockets in it have names"
            f" only while it has at most {most}; choose a shorter one with --data"
        )
    for part in ("", *FOLDERS):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "run" / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another `bailee serve` runs from {folder}; stop it, or use another --data folder"
            ) from None
        yield


def run(settings: Settings, arguments: tuple[str, ...], *, alone: bool = True) -> None:
    """Serve until told to stop. Not `alone`: one of several regions, for whom another one speaks.

    Raises:
        BaileeError: if the installation cannot be started; everything has been stopped again.
    """
    clock = SystemClock()
    progress = Progress(console(), settings.data_folder / "logs", clock)
    asyncio.run(free_ports(settings, clock, progress.say))
    files = certificates(settings, clock.now())
    for made in files.made:
        progress.say(f"made {made}")
    prepared = wiring().prepare(settings, progress.say)
    try:
        supervisor = Supervisor(
            (),
            clock=clock,
            log_folder=settings.data_folder / "logs",
            tell=progress.tell,
        )
        supervisor.add(*children(settings, arguments, prepared.secrets, supervisor.process_id))
        asyncio.run(supervisor.run(lambda: _welcome(settings, alone=alone)))
    finally:
        prepared.close()


async def _welcome(settings: Settings, *, alone: bool) -> None:
    key = await wiring().first_start(settings)
    # Only now: whoever waits for the address may use the demo key that the first start makes.
    announce_address(settings.data_folder / "run", base_address(settings))
    announce(settings.data_folder / "run", "serve", process_id())
    if alone:
        _teach(settings, key)


def _teach(settings: Settings, key: str | None) -> None:
    out = console()
    out.print(f"\n[bold]{base_address(settings)}[/bold] serves the OpenAI API.")
    if key is not None:
        out.print(f"Demo API key, shown this once: [bold]{key}[/bold]")
        kept = settings.data_folder / "secrets" / "demo-api-key"
        out.print(f"`bailee env` can give it on this machine: it is kept in {kept} (0600).")
    model = settings.model.name if settings.model.enabled else "MODEL"
    out.print(
        "\nA first request, in another shell:\n"
        f'  eval "$({_command(settings)})"\n'
        '  curl "$OPENAI_BASE_URL/chat/completions" \\\n'
        '    -H "authorization: Bearer $OPENAI_API_KEY" -H "content-type: application/json" \\\n'
        f'    -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'',
        markup=False,
    )
    out.print("\nCtrl-C stops; a second Ctrl-C stops at once.\n")


def _command(settings: Settings) -> str:
    default = Path.cwd() / "data"
    where = "" if settings.data_folder == default else f" --data {settings.data_folder}"
    program = "bailee" if shutil.which("bailee") else sys.argv[0]
    return f"{program} env{where}"


def children(
    settings: Settings,
    arguments: tuple[str, ...],
    secrets: Mapping[str, Mapping[str, bytes]],
    process_of: Callable[[str], int | None],
) -> list[ChildProcess]:
    """The processes of an installation, each with the stages in which it starts and stops."""

    def child(
        name: str, stage: int, stop_stage: int, *command: str, awaited: bool = True
    ) -> ChildProcess:
        return ChildProcess(
            name=name,
            argv=(sys.executable, "-m", "bailee", *command, "--supervised", *arguments),
            ready=said_ready(settings.data_folder / "run", name, process_of),
            stage=stage,
            stop_stage=stop_stage,
            awaited=awaited,
            stop_timeout_s=settings.server.drain_timeout_s + 5
            if stop_stage == _GATEWAYS_STOP
            else 10.0,
            handover=lambda: Handover(secrets=dict(secrets.get(command[0], {}))),
        )

    found = [
        child("keeper", _KEEPER, _KEEPER_STOP, "keeper"),
        child("clerk", _SERVING, _INSIDE_STOP, "clerk"),
        child("worker", _BACKGROUND, _INSIDE_STOP, "worker", awaited=False),
    ]
    if settings.model.enabled or settings.embeddings.enabled or settings.moderation.enabled:
        found.append(child("model-runner", _SERVING, _INSIDE_STOP, "model-runner", awaited=False))
    return found + [
        child(f"gateway-{index}", _SERVING, _GATEWAYS_STOP, "gateway", "--index", str(index))
        for index in range(settings.server.workers)
    ]


def said_ready(
    run_folder: Path,
    name: str,
    process_of: Callable[[str], int | None],
    child: str | None = None,
) -> Callable[[], Awaitable[str | None]]:
    """Whether the present process of `child` has said in this folder that it serves as `name`."""

    async def ready() -> str | None:
        said = announced(run_folder, name, process_of(child or name))
        return None if said else "it has not said that it serves"

    return ready

"""What an operator types, with `--json`, on an installation that runs; settings that are refused.

A backend that wants a credential gets it from the keyring, and from nowhere else.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.fixtures.clients import (
    Mirror,
    ask_command,
    backend,
    bare_environment,
    client_environment,
    run_command,
)
from tests.fixtures.installation import CHAT, Installation, chat_body, installation
from tests.fixtures.leftovers import contents_below
from tests.fixtures.waiting import until

from bailee.drivers.system import SystemClock
from bailee.kernel.errors import NotFound

pytestmark = pytest.mark.journey

CREDENTIAL: Final = "upstream-secret-7c1d2e"
SECRET_URL: Final = "postgresql://bailee:passw0rd-9f3@127.0.0.1/db"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Mirror]:
    with Mirror(CREDENTIAL).running() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, guarded: Mirror) -> Iterator[Installation]:
    settings = backend(
        "guarded", guarded.url, {"guarded": "guarded"}, more='credential = "guarded-key"'
    )
    with installation(tmp_path_factory.mktemp("commands"), settings=settings) as made:
        yield made


# Credentials of backends.


def test_a_backend_gets_its_credential_from_the_keyring(
    place: Installation, guarded: Mirror
) -> None:
    body = json.dumps({"model": "guarded", "messages": [{"role": "user", "content": "hi"}]})

    def ask() -> int:
        return client.post(CHAT, content=body, headers=place.demo.headers).status_code

    with place.client() as client:
        assert ask() == 502, "there is none yet, and nothing is sent without"
        assert guarded.calls() == []
        (echo, before) = ask_command(place, "backends", "check", status=1)
        assert (echo["ok"], before["ok"]) == (True, False)
        assert "set-credential" in before["problem"]
        stored = run_command(
            place, "backends", "set-credential", "guarded-key", *place.arguments, given=CREDENTIAL
        )
        assert "used by guarded" in stored.stdout
        assert CREDENTIAL not in stored.stdout + stored.stderr
        until(lambda: ask() == 200, "the credential is used")
    assert guarded.calls()[-1].headers["authorization"] == f"Bearer {CREDENTIAL}"
    assert [row["ok"] for row in ask_command(place, "backends", "check")] == [True, True]
    refused = run_command(
        place, "backends", "set-credential", "x", *place.arguments, given="two words", status=2
    )
    assert "two words" not in refused.stderr


def test_backends_are_listed_without_secrets(place: Installation, guarded: Mirror) -> None:
    listed = {row["name"]: row for row in ask_command(place, "backends", "list")}
    assert set(listed) == {"echo", "guarded"}
    assert listed["guarded"]["base_url"] == guarded.url
    assert listed["guarded"]["terms"]["zero_retention"] is True
    assert CREDENTIAL not in json.dumps(listed)


def test_a_credential_lies_in_no_file_in_the_clear(place: Installation) -> None:
    files = dict(contents_below(place.data))
    assert len(files) > 100
    assert [file for file, content in files.items() if CREDENTIAL.encode() in content] == []


# Settings.


def test_config_shows_origins_and_hides_secrets(place: Installation) -> None:
    environment = bare_environment(place) | {
        "BAILEE_DATABASE__URL": SECRET_URL,
        "BAILEE_JOURNAL__CLOSE_AFTER_S": "7",
    }
    options = (*place.arguments, "--json", "--set", "server.workers=3")
    done = run_command(place, "config", *options, environment=environment)
    assert "passw0rd" not in done.stdout
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    assert rows["server.workers"]["value"] == 3
    assert rows["server.workers"]["origin"].startswith("--set")
    assert rows["server.port"]["value"] == place.port
    assert rows["server.port"]["origin"].endswith("bailee.toml:3")
    assert rows["journal.close_after_s"]["value"] == 7, "the environment is stronger than the file"
    assert rows["journal.close_after_s"]["origin"] == "BAILEE_JOURNAL__CLOSE_AFTER_S"
    assert rows["limits.body_size_bytes"]["origin"] == "default"


def test_wrong_settings_are_refused_with_their_place(place: Installation, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        """[server]
port = 99999
prot = 1
[[backends]]
name = "far"
base_url = "http://198.51.100.7/v1"
"""
    )
    refused = run_command(
        place, "serve", "--config", str(file), "--data", str(tmp_path / "d"), status=2
    )
    for place_of_problem, said in ((":2: server.port", "65,535"), (":3: server.prot", "")):
        (line,) = [line for line in refused.stderr.split("\n") if place_of_problem in line]
        assert said in line
    file.write_text('[[backends]]\nname = "far"\nbase_url = "http://198.51.100.7/v1"\n')
    plain = run_command(
        place, "serve", "--config", str(file), "--data", str(tmp_path / "d"), status=2
    )
    assert "wrong.toml:3: backends[0].base_url" in plain.stderr
    assert "https" in plain.stderr
    assert not (tmp_path / "d").exists(), "nothing was begun"
    unknown = run_command(place, "config", "--set", "nothing.here=1", status=2)
    assert "--set nothing.here" in unknown.stderr


def test_a_second_start_on_the_same_folder_is_refused(place: Installation) -> None:
    refused = run_command(place, "serve", *place.arguments, status=1)
    assert refused.stderr.startswith("bailee: ")


# Looking.


def test_doctor_examines_the_installation(place: Installation) -> None:
    findings = {row["check"]: row for row in ask_command(place, "doctor")}
    assert {"port", "disk", "permissions", "certificate", "clock", "G2", "swap", "database",
            "model", "links"} <= set(findings)  # fmt: skip
    assert findings["G2"]["state"] == "ok"
    assert "PostgreSQL" in findings["database"]["what"]
    assert all(row["to_do"] for row in findings.values() if row["state"] != "ok")


def test_the_keyring_and_epochs_are_shown_by_name(place: Installation) -> None:
    with place.client() as client:
        sent = client.post(CHAT, content=chat_body("hi"), headers=place.demo.headers)
        assert sent.status_code == 200
    keyring = ask_command(place, "inspect", "keyring")
    assert keyring["live_epochs"] >= 1
    assert keyring["clock"] == "trusted"
    due = keyring["next_deadline"]
    until(lambda: asyncio.run(_is_known(place, _thirty_days_before(due))), "the epoch is known")
    begun = ask_command(place, "inspect", "epoch", _thirty_days_before(due))
    assert {row["state"] for row in begun} == {"open"}
    assert {row["deadline"] for row in begun} == {due}
    unknown = ("inspect", "record", "rec_" + "0" * 32, *place.arguments)
    assert run_command(place, *unknown, status=1).stderr.startswith("bailee: ")


def test_what_is_kept_is_shown_without_its_content(place: Installation) -> None:
    name = "what-nobody-reads.txt"
    owner = place.tenant("keepers")
    headers = {"authorization": f"Bearer {owner.key}"}
    with place.client() as client:
        made = client.post(
            "/v1/files",
            files={"file": (name, b"abc")},
            data={"purpose": "user_data"},
            headers=headers,
        ).json()["id"]
        held = ask_command(place, "inspect", "kept", made)
        assert (held["kind"], held["state"], held["size_bytes"]) == ("file", "kept", 3)
        assert (held["project"], held["until"]) == (owner.project, None)
        purposes = {row["purpose"]: row["until"] for row in held["held_for"]}
        assert purposes["application_state"] is None
        assert purposes["abuse_monitoring"] is not None
        (_, blob) = held["lies_in"]
        assert (place.data / "objects" / blob).is_file()
        assert name not in run_command(place, "inspect", "kept", made, *place.arguments).stdout
        assert client.delete(f"/v1/files/{made}", headers=headers).status_code == 200
        gone = ask_command(place, "inspect", "kept", made)
        assert (gone["state"], gone["held_for"], gone["lies_in"]) == ("destroyed", [], [])
        receipt = until(lambda: _answered(client, gone["receipt"]), "the deletion's receipt")
    assert receipt["entry"]["type"] == "destroyed"
    assert not (place.data / "objects" / blob).exists()
    unknown = ("inspect", "kept", "file-" + "0" * 32, *place.arguments)
    assert run_command(place, *unknown, status=1).stderr.startswith("bailee: ")


def _stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _answered(client: httpx.Client, path: str) -> Any:
    got = client.get("/" + path)
    return got.json() if got.status_code == 200 else None


def test_health_tells_of_the_worker(place: Installation) -> None:
    def worker() -> Any:
        with place.client() as client:
            parts = {part["name"]: part for part in client.get("/health").json()["parts"]}
        return parts["worker"] if parts["worker"]["ready"] else None

    assert until(worker, "the worker's sign of life")["detail"] == "ready"
    old_s = SystemClock().now() / 1000 - 3600
    pid = place.signal("worker", signal.SIGSTOP)
    try:
        until(lambda: _stands_still(pid), "the worker stands still")
        os.utime(place.places.worker_sign, (old_s, old_s))
        with place.client() as client:
            health = client.get("/health")
    finally:
        os.kill(pid, signal.SIGCONT)
    (part,) = [part for part in health.json()["parts"] if part["name"] == "worker"]
    assert not part["ready"]
    assert "wait" in part["detail"]
    assert health.status_code == 200, "calls are answered without it"


async def _is_known(place: Installation, epoch: str) -> bool:
    async with place.administration() as opened:
        try:
            await opened.inspect_epoch(epoch)
        except NotFound:
            return False
        return True


def _thirty_days_before(instant: str) -> str:
    from bailee.kernel.instants import DAY_MS, Instant, from_rfc3339, to_rfc3339

    return to_rfc3339(Instant(from_rfc3339(instant) - 30 * DAY_MS))


def test_env_is_what_clients_read(place: Installation) -> None:
    values = ask_command(place, "env")
    assert values == {name: client_environment(place)[name] for name in values}
    assert values["OPENAI_BASE_URL"] == f"https://localhost:{place.port}/v1"
    bundle = Path(values["SSL_CERT_FILE"]).read_text()
    assert place.authority.read_text().strip() in bundle
    assert bundle.count("BEGIN CERTIFICATE") > 1, "the system's roots are there too"
    elsewhere = run_command(place, "env", "--data", str(place.root / "nothing"), status=1)
    assert "bailee serve" in elsewhere.stderr


# The policy.


def test_the_policy_explains_shows_and_checks_itself(place: Installation, tmp_path: Path) -> None:
    asked = ("policy", "explain", "/v1/chat/completions", "--json")
    held = json.loads(run_command(place, *asked).stdout)
    assert held["allowed"]
    assert [handling["purpose"] for handling in held["handlings"]] == ["abuse_monitoring"]
    zero = json.loads(run_command(place, *asked, "--retention", "zero_data_retention").stdout)
    assert (zero["allowed"], zero["handlings"]) == (True, [])
    assert all(reason["clause"] and reason["version"] for reason in zero["reasons"])
    shown = json.loads(run_command(place, "policy", "show", "2023-03-01", "--json").stdout)
    assert shown["id"] == "2023-03-01"
    assert all(clause["text"]["korean"] for clause in shown["clauses"])
    clean = json.loads(run_command(place, "policy", "lint", "--json").stdout)
    assert clean["clean"]
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "odd.toml").write_text("id = 3\n")
    odd = run_command(place, "policy", "lint", str(tmp_path), "--json", status=1)
    assert json.loads(odd.stdout)["problems"]


def test_another_installation_on_a_port_that_is_taken_is_refused(
    place: Installation, tmp_path: Path
) -> None:
    """Neither would know which of the two answers."""
    port = str(place.port)
    refused = run_command(
        place, "serve", "--data", str(tmp_path / "other"), "--port", port, status=1
    )
    assert f"port {port} cannot be used" in refused.stderr
    assert "--set server.port=" in refused.stderr
    assert not (tmp_path / "other" / "postgres").exists()

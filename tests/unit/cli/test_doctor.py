"""Doctor's checks, each shown a sick machine or installation and a sound one."""

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bailee.cli import checks_installation as installation
from bailee.cli import checks_machine as machine
from bailee.cli.installation import owned_data_folder
from bailee.cli.main import app
from bailee.cli.status_files import announce_address
from bailee.drivers.certificates import ensure_certificates
from bailee.drivers.system import SystemClock
from bailee.kernel.instants import DAY_MS, HOUR_MS, Instant
from bailee.settings import Settings, load

NOW = SystemClock().now()


def settings(folder: Path, **flags: str) -> Settings:
    return load(folder=folder, flags=flags).settings


def test_disk() -> None:
    here = Path("/")
    assert machine.disk(here, 100 << 30).state == "ok"
    assert machine.disk(here, 3 << 30).state == "warning"
    assert machine.disk(here, 1 << 20).state == "problem"


def test_a_hardware_clock_that_disagrees(tmp_path: Path) -> None:
    rtc = tmp_path / "since_epoch"
    assert machine.clock_source(NOW, rtc).state == "warning"
    rtc.write_text(f"{NOW // 1000}\n")
    assert machine.clock_source(NOW, rtc).state == "ok"
    assert machine.clock_source(Instant(NOW + HOUR_MS), rtc).state == "problem"


def test_a_clock_that_went_back_behind_the_data(tmp_path: Path) -> None:
    assert machine.clock_mark(tmp_path, NOW).state == "ok"
    (tmp_path / "journals").mkdir()
    journal = tmp_path / "journals" / "x"
    journal.touch()
    assert machine.clock_mark(tmp_path, NOW).state == "ok"
    ahead = (NOW + DAY_MS) / 1000
    os.utime(journal, (ahead, ahead))
    assert machine.clock_mark(tmp_path, NOW).state == "problem"


class SteppingClock(SystemClock):
    """A wall clock that jumps ahead each time it is read."""

    def __init__(self) -> None:
        self._jumps = 0

    def now(self) -> Instant:
        self._jumps += 1
        return Instant(super().now() + 1000 * self._jumps)


async def test_a_wall_clock_that_steps() -> None:
    assert (await machine.clock_steadiness(SystemClock())).state == "ok"
    assert (await machine.clock_steadiness(SteppingClock())).state == "problem"


def test_swap_and_separation() -> None:
    assert machine.swap(()).state == "ok"
    assert machine.swap(("/dev/zram0",)).state == "ok"
    assert machine.swap(("/swapfile",)).state == "warning"
    assert machine.separation(4).state == "ok"
    assert "not enforced" in machine.separation(0).what
    assert machine.separation(0, enforcement="separate_user").state == "ok"
    assert machine.separation(4, enforcement="none").state == "problem"


def test_root_and_what_is_not_set_up(tmp_path: Path) -> None:
    assert machine.user(0).state == "warning"
    assert machine.user(1000).state == "ok"
    assert machine.fine_tuning(installed=False).state == "warning"
    assert machine.fine_tuning(installed=True).state == "ok"
    names = {"operator_name": "Example Hosting", "operator_address": "1 Road, Town"}
    named = settings(tmp_path, **{f"agreements.{key}": value for key, value in names.items()})
    assert installation.operator(settings(tmp_path)).state == "warning"
    assert "agreements.signatory_name" in installation.operator(named).what
    names |= {"signatory_name": "A. Signatory", "signatory_title": "Director"}
    named = settings(tmp_path, **{f"agreements.{key}": value for key, value in names.items()})
    assert installation.operator(named).state == "ok"


def test_a_port_that_another_holds(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = str(other.getsockname()[1])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        number = str(holder.getsockname()[1])
        held = settings(tmp_path, **{"server.port": number})
        assert installation.port(held).state == "problem"
        ports = {"server.port": free, "server.client_certificate_port": number}
        second = settings(tmp_path, **ports)
        assert "server.client_certificate_port" in installation.port(second).to_do
        with owned_data_folder(held.data_folder):
            assert installation.port(held).state == "warning", "it has not said where it serves"
            announce_address(held.data_folder / "run", f"https://127.0.0.1:{number}")
            assert installation.port(held).state == "ok", "this installation serves there"
    assert installation.port(held).state == "ok"
    with owned_data_folder(held.data_folder):
        assert installation.port(held).state == "problem", "it says so, and nothing listens"


@pytest.mark.parametrize("path", ["keyring", "secrets/token", "tls/server-key.pem"])
def test_what_others_can_read(tmp_path: Path, path: str) -> None:
    with owned_data_folder(tmp_path):
        pass
    (tmp_path / "secrets" / "token").touch(mode=0o600)
    (tmp_path / "tls" / "server-key.pem").touch(mode=0o600)
    assert installation.permissions(tmp_path).state == "ok"
    (tmp_path / path).chmod(0o755)
    found = installation.permissions(tmp_path)
    assert found.state == "problem"
    assert path in found.what


def test_certificates(tmp_path: Path) -> None:
    here = settings(tmp_path, data_folder=str(tmp_path))
    assert installation.certificate(here, (), NOW).state == "ok"
    ensure_certificates(tmp_path / "tls", (), NOW, None)
    assert installation.certificate(here, (), NOW).state == "ok"
    assert installation.certificate(here, ("new.example",), NOW).state == "warning"
    assert installation.certificate(here, (), Instant(NOW + 380 * DAY_MS)).state == "warning"
    assert installation.certificate(here, (), Instant(NOW + 400 * DAY_MS)).state == "problem"


def test_a_model_that_is_missing_or_another(tmp_path: Path) -> None:
    weights = tmp_path / "weights.gguf"
    here = settings(tmp_path, **{"model.file": str(weights)})
    assert installation.model(here).state == "problem"
    weights.write_bytes(b"something else")
    assert "SHA-256" in installation.model(here).what
    assert installation.model(settings(tmp_path, **{"model.enabled": "false"})).state == "ok"


def test_links_that_are_unset(tmp_path: Path) -> None:
    names = settings(tmp_path).links.__struct_fields__
    flags = {
        f"links.{name}.{language}": "https://a.example"
        for name in names
        for language in ("english", "korean")
    }
    assert installation.links(settings(tmp_path, **flags)).state == "ok"
    flags["links.sales.korean"] = ""
    found = installation.links(settings(tmp_path, **flags))
    assert (found.state, found.what) == ("warning", "links.sales.korean unset")


def test_doctor_ends_with_1_when_something_must_be_done(tmp_path: Path) -> None:
    arguments = ["doctor", "--json", "--data", str(tmp_path), "--set"]
    broken = CliRunner().invoke(app, [*arguments, f"model.file={tmp_path}/absent"])
    assert broken.exit_code == 1
    found = {finding["check"]: finding for finding in json.loads(broken.output)}
    assert found["model"]["state"] == "problem"
    assert all(f["to_do"] for f in found.values() if f["state"] != "ok")
    assert found["installation"]["state"] == "warning", "nothing was begun there"
    assert len(found) == 17

"""Without a network: nothing is downloaded, nothing phones home, nothing lies outside the folder.

The installation runs in a network namespace in which loopback alone is up. Whatever looked beyond
this machine would fail, and the kernel counts each attempt; the count is shown to count.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from tests.fixtures import offline
from tests.fixtures.clients import REAL
from tests.fixtures.model import model_file

from bailee.cli.ports import free_port

pytestmark = pytest.mark.journey

NOT_FILES: Final = ("/dev/", "/memfd:", "/proc/")


def namespace() -> list[str]:
    """The command that gives a program a network of its own."""
    unshare = shutil.which("unshare") or "unshare"
    options = ["--net"] if os.geteuid() == 0 else ["--map-root-user", "--net"]
    if subprocess.run([unshare, *options, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a network namespace; run as root")
    return [unshare, *options]


def test_an_installation_needs_no_network_and_keeps_to_its_folder(tmp_path: Path) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "bailee.toml").write_text(
        f"[server]\nport = {free_port()}\n[model]\nfile = '{model_file()}'\n"
    )
    program = [*namespace(), sys.executable, str(offline.__file__), str(tmp_path), REAL]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, (done.stderr, (tmp_path / "serve.out").read_text())
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["answer"], (seen["error"], (tmp_path / "serve.out").read_text())
    answer = json.loads(seen["answer"])
    assert answer["choices"][0]["message"]["content"], seen["error"]
    assert seen["status"] == 0
    before, own_attempt, after = seen["attempts"]
    assert own_attempt > before, "an attempt to leave is counted"
    assert after == own_attempt, "and the installation made none"
    inside = (str(tmp_path / "data"), str(tmp_path / "serve.out"))
    written = [file for file in seen["written"] if not file.startswith(NOT_FILES)]
    assert len(written) > 3
    assert [file for file in written if not file.startswith(inside)] == []
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"bailee.toml", "data", "home", "serve.out", "tmp"}

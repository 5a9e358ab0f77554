"""A confined process has lost the keyring and the keeper's memory; a free one has not."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bailee.drivers.confinement import all_but, landlock_abi

needs_landlock = pytest.mark.skipif(landlock_abi() == 0, reason="this kernel offers no Landlock")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="tracing another process needs root")

ATTEMPTS = """
import ctypes, json, os, sys
from pathlib import Path
from bailee.drivers.confinement import all_but, confine, enforcement_of
folder, keeper, confined = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "confined"
report = confine([], all_but(folder)) if confined else None
def tried(act):
    try:
        act()
        return "allowed"
    except PermissionError:
        return "refused"
def attach():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, keeper, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(keeper, 0)
    libc.ptrace(17, keeper, 0, 0)
print(json.dumps({
    "read": tried(lambda: (folder / "keyring").read_bytes()),
    "list": tried(lambda: os.listdir(folder)),
    "write": tried(lambda: (folder / "keyring").write_bytes(b"x")),
    "replace": tried(lambda: os.rename(folder / "keyring", folder / "keyring")),
    "beside": tried(lambda: (folder.parent / "journals" / "one").write_bytes(b"x")),
    "memory": tried(lambda: open(f"/proc/{keeper}/mem", "rb").close()),
    "attach": tried(attach),
    "child": "refused" if os.system(f"cat {folder}/keyring >/dev/null 2>&1") else "allowed",
    "enforcement": enforcement_of(folder, report) if report else None,
}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keyring = tmp_path / "data" / "keyring"
    keyring.mkdir(parents=True)
    (keyring / "keyring").write_bytes(b"secret")
    (tmp_path / "data" / "journals").mkdir()
    return keyring


def _attempts(folder: Path, how: str) -> dict[str, str]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as keeper:
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(ATTEMPTS), str(folder), str(keeper.pid), how],
            capture_output=True,
            text=True,
            check=False,
        )
        assert keeper.stdin is not None
        keeper.communicate(b"\n")
    assert result.returncode == 0, result.stderr
    attempts: dict[str, str] = json.loads(result.stdout)
    return attempts


@needs_landlock
@needs_root
def test_a_confined_process_reaches_neither_keyring_nor_keeper(folder: Path) -> None:
    attempts = _attempts(folder, "confined")
    assert attempts == {
        "read": "refused",
        "list": "refused",
        "write": "refused",
        "replace": "refused",
        "beside": "allowed",
        "memory": "refused",
        "attach": "refused",
        "child": "refused",
        "enforcement": "landlock",
    }


@needs_root
def test_the_same_attempts_succeed_without_confinement(folder: Path) -> None:
    attempts = _attempts(folder, "free")
    assert {attempts[name] for name in attempts if name != "enforcement"} == {"allowed"}


@needs_landlock
def test_confinement_that_would_miss_threads_is_refused(folder: Path) -> None:
    script = """
    import threading
    from pathlib import Path
    from bailee.drivers.confinement import confine, enforcement_of
    held = threading.Event()
    thread = threading.Thread(target=held.wait)
    thread.start()
    report = confine([Path("/usr")], [])
    held.set()
    thread.join()
    assert report.enforcement == "none" and "threads" in report.reason, report
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_all_but_leaves_out_the_folder_and_those_above(folder: Path) -> None:
    (folder.parent / "shortcut").symlink_to(folder.parent)
    allowed = all_but(folder)
    assert folder.parent / "journals" in allowed
    reached = {path.resolve() for path in allowed}
    assert not reached & {folder, *folder.parents}


def test_the_keeper_is_not_dumpable_and_leaves_no_core_file() -> None:
    script = """
    import json, resource
    from bailee.drivers.confinement import protect_keeper
    before = resource.getrlimit(resource.RLIMIT_CORE)
    report = protect_keeper()
    print(json.dumps([report._asdict(), resource.getrlimit(resource.RLIMIT_CORE)]))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    report, limit = json.loads(result.stdout)
    assert report["not_dumpable"]
    assert report["no_new_privileges"]
    assert limit == [0, 0]
    if os.geteuid() == 0:
        assert report["memory_locked"]

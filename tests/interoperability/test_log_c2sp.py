"""The log is accepted by implementations of the C2SP formats that are not Bailee's.

`aics-tlog` is a Python one (its metadata wants Python 3.12; what is used of it runs on 3.11).
golang.org/x/mod/sumdb is the one from which the formats come; it is run under `make soak` where Go
and Debian's golang-golang-x-mod-dev are installed.
"""

import asyncio
import importlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bailee.drivers.memory.clock import ManualClock
from bailee.drivers.memory.database import Database, MemoryLeases, MemoryOutbox
from bailee.drivers.memory.ledger import MemoryLedger
from bailee.drivers.memory.offload import InlineOffload
from bailee.drivers.objects import FolderObjects
from bailee.kernel.instants import Instant
from bailee.lifecycle.log_reader import LogReader
from bailee.lifecycle.sequencer import Sequencer
from bailee.transparency import entry
from bailee.transparency.note import Signer

SIGNER = Signer("log.example/interoperability", bytes(range(32)))
GO_SOURCES = Path("/usr/share/gocode")


async def write_log(root: Path, counts: list[int]) -> FolderObjects:
    """A log in a folder, grown in steps."""
    database, clock = Database(), ManualClock(Instant(1_790_000_000_000))
    objects = FolderObjects(root, InlineOffload())
    sequencer = Sequencer(
        MemoryOutbox(database),
        MemoryLeases(database, clock),
        objects,
        clock,
        SIGNER,
        holder="one",
    )
    generation = 0
    for count in counts:
        async with MemoryLedger(database).transaction() as transaction:
            for _ in range(count):
                generation += 1
                await transaction.append_entry(entry.key_root_rolled(clock.now(), generation))
        assert await sequencer.step() == count
    return objects


@pytest.mark.parametrize("counts", [[1], [3, 252, 1], [256, 1, 512], [700, 36]])
async def test_a_python_implementation_accepts_the_log(tmp_path: Path, counts: list[int]) -> None:
    other: Any = importlib.import_module("aics_tlog")
    objects = await write_log(tmp_path, counts)
    size = sum(counts)

    tiles = other.FileSystemTileReader(tmp_path / "log")
    note = other.parse_note((tmp_path / "log/checkpoint").read_bytes())
    key = other.parse_vkey(SIGNER.verifier.text)
    found = other.verify_checkpoint(note, key)
    assert found.ok
    checkpoint = other.parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("log.example/interoperability", size)
    other.audit_tiles(tiles, size, checkpoint.root)

    mine = LogReader(objects, SIGNER.verifier)
    for index in {0, size // 2, size - 1}:
        path = await mine.inclusion(index, size)
        assert path == other.inclusion_proof_from_tiles(tiles, index, size)
        leaf = await mine.entry(index)
        assert other.verify_leaf_inclusion(leaf, index, size, path, checkpoint.root)
    for old in {1, size // 2, size - 1, size} - {0}:
        proof = await mine.consistency(old, size)
        old_root = other.tree_root_from_tiles(tiles, old, size)
        assert other.verify_consistency(old, size, old_root, checkpoint.root, proof)


@pytest.mark.soak
@pytest.mark.parametrize("counts", [[1], [3, 252, 1], [256, 1, 512], [700, 36]])
async def test_go_s_checksum_database_accepts_the_log(tmp_path: Path, counts: list[int]) -> None:
    go = shutil.which("go")
    if go is None or not (GO_SOURCES / "src/golang.org/x/mod/sumdb").is_dir():
        pytest.skip("needs Debian's golang-go and golang-golang-x-mod-dev")
    await write_log(tmp_path / "objects", counts)
    checker = tmp_path / "checklog"
    source = Path(__file__).parent / "checklog/main.go"
    assert (await run(tmp_path, go, "build", "-o", str(checker), str(source))).returncode == 0

    arguments = (str(tmp_path / "objects/log"), SIGNER.verifier.text)
    done = await run(tmp_path, str(checker), *arguments)
    assert (done.returncode, done.stdout) == (0, f"{sum(counts)}\n"), done.stderr

    for changed in (tmp_path / "objects/log/tile/entries").rglob("*"):
        if changed.is_file():
            changed.write_bytes(changed.read_bytes().replace(b"generation", b"Generation"))
    assert (await run(tmp_path, str(checker), *arguments)).returncode == 1


async def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with Go's settings, offline."""
    settings = {
        "GOPATH": str(GO_SOURCES),
        "GO111MODULE": "off",
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
    }
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )

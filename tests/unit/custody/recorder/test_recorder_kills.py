"""A worker that is killed (SIGKILL) at random while it records loses nothing acknowledged."""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.fixtures.custody_world import US, PublicKeeper

from bailee.custody.journal.reader import scan
from bailee.custody.journal.recovery import Recovery
from bailee.custody.reading import Reading
from bailee.custody.segment.packing import Packer
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.memory import Database, MemoryLedger, MemoryObjects
from bailee.drivers.system import SystemClock, ThreadOffload
from bailee.kernel.ids import RecordId

CHILD = "tests.fixtures.journalling_child"


def kill_one(folder: Path, lines: int) -> dict[RecordId, int]:
    """Start a worker, kill it after so many acknowledgements; gives what it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-m", CHILD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    rest = child.stdout.read()
    child.wait()
    child.stdout.close()
    acknowledged: dict[RecordId, int] = {}
    for line in [*said, *rest.splitlines(keepends=True)]:
        if line.endswith("\n"):
            record, parts = line.split()
            acknowledged[RecordId.unpack(bytes.fromhex(record))] = int(parts)
    return acknowledged


async def lost(folder: Path, acknowledged: dict[RecordId, int]) -> int:
    """How many acknowledged parts are not in recovered journals, or (a sample) in segments."""
    files, offload, clock = LocalFiles(folder), ThreadOffload(), SystemClock()
    database, objects = Database(), MemoryObjects()
    ledger = MemoryLedger(database)
    identity = PublicKeeper(clock).identity.public_key
    await Recovery(files, offload, ledger, clock, node="node", identity=identity).run()
    held: Counter[bytes] = Counter()
    for path in files.list("journals"):
        found = scan(files, path)
        assert found is not None
        assert found.closed
        held.update(part.record for part in found.parts)
    missing = sum(max(parts - held[record.packed()], 0) for record, parts in acknowledged.items())
    packer = Packer(files, offload, objects, ledger, clock, node="node", segment_bytes=500_000)
    await packer.run()
    reading = Reading(files, offload, objects, ledger, node="node", regions=(US,))
    chance = random.Random(len(acknowledged))
    for record, parts in chance.sample(sorted(acknowledged.items()), 100):
        stored = await reading.find_record(record)
        missing += max(parts - len(stored.parts), 0)
    offload.close()
    return missing


def kill_often(folder: Path, kills: int) -> None:
    chance = random.Random(kills)
    acknowledged: dict[RecordId, int] = {}
    for _ in range(kills):
        acknowledged |= kill_one(folder, chance.randrange(1, 60))
    assert len(acknowledged) > 100
    assert asyncio.run(lost(folder, acknowledged)) == 0


def test_kills_in_a_row_lose_nothing(tmp_path: Path) -> None:
    kill_often(tmp_path, 50)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_kills_lose_nothing(tmp_path: Path) -> None:
    kill_often(tmp_path, 1000)

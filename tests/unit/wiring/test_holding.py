"""Leases of a process that was killed, and of one that lives."""

import asyncio
import sys
from pathlib import Path

import pytest

from bailee.drivers.memory import Database, ManualClock, MemoryLeases
from bailee.drivers.system import SystemRandomness
from bailee.kernel.instants import Instant
from bailee.ports.leases import Leases
from bailee.wiring.holding import become_holder
from bailee.wiring.places import Places

PREDECESSOR = """
import sys
from pathlib import Path
from bailee.wiring.holding import _alone
print(_alone(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
LONG_MS = 60_000


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "run").mkdir()
    return Places(tmp_path)


@pytest.fixture
def leases() -> MemoryLeases:
    return MemoryLeases(Database(), ManualClock(Instant(0)))


async def become(places: Places, leases: Leases, part: str = "clerk") -> str:
    return await become_holder(places, "node", part, leases, SystemRandomness())


async def test_what_a_killed_predecessor_held_is_free(places: Places, leases: MemoryLeases) -> None:
    predecessor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PREDECESSOR, str(places.lock_of("clerk"))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert predecessor.stdout is not None
    assert await predecessor.stdout.readline() == b"True\n"
    first = await leases.acquire("log", "node/clerk/dead", LONG_MS)
    second = await become(places, leases)
    assert await leases.acquire("log", second, LONG_MS) is None, "the predecessor lives"
    predecessor.kill()
    await predecessor.wait()
    third = await become(places, leases)
    token = await leases.acquire("log", third, LONG_MS)
    assert first is not None
    assert token is not None
    assert token > first, "what the predecessor began comes too late"


async def test_other_parts_and_other_machines_keep_theirs(
    places: Places, leases: MemoryLeases
) -> None:
    await leases.acquire("jobs", "node/worker/1", LONG_MS)
    await leases.acquire("elsewhere", "node2/clerk/1", LONG_MS)
    holder = await become(places, leases)
    assert await leases.acquire("jobs", holder, LONG_MS) is None
    assert await leases.acquire("elsewhere", holder, LONG_MS) is None


async def test_every_process_has_a_name_of_its_own(places: Places, leases: MemoryLeases) -> None:
    assert await become(places, leases) != await become(places, leases)

"""Leases of a process that was killed, and of one that lives."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bailee.drivers.memory import Database, ManualClock, MemoryLeases
from bailee.drivers.system import SystemRandomness
from bailee.kernel.instants import Instant
from bailee.ports.leases import Leases
from bailee.wiring.holding import become_holder
from bailee.wiring.places import Places

LIVING = """
import asyncio, sys
from pathlib import Path
from bailee.drivers.memory import Database, ManualClock, MemoryLeases
from bailee.drivers.system import SystemRandomness
from bailee.kernel.instants import Instant
from bailee.wiring.holding import become_holder
from bailee.wiring.places import Places
leases = MemoryLeases(Database(), ManualClock(Instant(0)))
becoming = become_holder(Places(Path(sys.argv[1])), "node", "clerk", leases, SystemRandomness())
print(asyncio.run(becoming), flush=True)
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


@asynccontextmanager
async def another(places: Places) -> AsyncIterator[str]:
    """Another process of the same part, which lives within and is killed at the end; its name."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LIVING, str(places.data)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.communicate()


async def test_what_the_killed_held_is_free_and_what_the_living_hold_is_not(
    places: Places, leases: MemoryLeases
) -> None:
    async with another(places) as first:
        async with another(places) as second:
            tokens = [await leases.acquire(one, one, LONG_MS) for one in (first, second)]
            ours = await become(places, leases)
            assert await leases.acquire(first, ours, LONG_MS) is None
            assert await leases.acquire(second, ours, LONG_MS) is None
        ours = await become(places, leases)
        assert await leases.acquire(first, ours, LONG_MS) is None, "the first lives"
        token = await leases.acquire(second, ours, LONG_MS)
        assert token is not None
        assert token > (tokens[1] or token), "what the killed one began comes too late"
    assert await leases.acquire(first, await become(places, leases), LONG_MS) is not None


async def test_other_parts_and_other_machines_keep_theirs(
    places: Places, leases: MemoryLeases
) -> None:
    await leases.acquire("jobs", "node/worker/0/1", LONG_MS)
    await leases.acquire("elsewhere", "node2/clerk/0/1", LONG_MS)
    holder = await become(places, leases)
    assert await leases.acquire("jobs", holder, LONG_MS) is None
    assert await leases.acquire("elsewhere", holder, LONG_MS) is None


async def test_every_process_has_a_name_of_its_own(places: Places, leases: MemoryLeases) -> None:
    assert await become(places, leases) != await become(places, leases)

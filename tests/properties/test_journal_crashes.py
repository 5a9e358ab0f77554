"""Whatever a crash leaves of a disk, what was acknowledged is there and nothing is made up.

The workload runs on the disk that loses, tears and reorders what was not synced. It is ended at a
call drawn by Hypothesis; then the power goes, or only the process; recovery runs, itself ended at
a drawn call; it runs again to its end, and every acknowledged record must be found and whole.
"""

import asyncio
import errno
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.custody_world import ALICE, BOB, CHAT, US, World

from bailee.custody.reading import Reading
from bailee.custody.seal.part import KIND_PROMPT
from bailee.custody.segment.packing import Packer
from bailee.drivers.memory import Faults, InlineOffload, SimulatedCrash
from bailee.kernel.errors import NotFound, NotYet, Unavailable
from bailee.kernel.ids import RecordId
from bailee.ports.ledger import JournalState
from bailee.transparency import tree

Acknowledged = dict[RecordId, int]
"""How many parts of each record were acknowledged."""


async def client(world: World, number: int, acknowledged: Acknowledged) -> None:
    for turn in range(3):
        with suppress(Unavailable):
            recording = await world.recorder.open(BOB if number % 2 else ALICE, 0, CHAT)
            recording.prompt(b"prompt %d of %d " % (turn, number) * (1 + 40 * number))
            await recording.durable()
            acknowledged[recording.record] = 1
            for part in range(2):
                recording.answer(b"answer %d" % part, 200, final=part == 1)
                await recording.durable()
                acknowledged[recording.record] = part + 2


async def work(world: World, acknowledged: Acknowledged) -> None:
    """Clients and the background work of one worker and a packer, journals of three ages."""
    recorder = world.recorder
    await recorder.tick()
    for _ in range(2):
        await asyncio.gather(*(client(world, number, acknowledged) for number in range(4)))
        await recorder.tick()
        world.clock.advance(31_000)
        await recorder.tick()
    await packer(world).run()
    await asyncio.gather(*(client(world, number, acknowledged) for number in range(2)))


def packer(world: World) -> Packer:
    return Packer(
        world.files,
        InlineOffload(),
        world.objects,
        world.ledger,
        world.clock,
        node="node",
        segment_bytes=1,
    )


async def until_crash(world: World, work: Coroutine[None, None, object]) -> None:
    """Run until the end or the crash, and leave no task of the dead process behind."""
    with suppress(SimulatedCrash):
        await work
    world.faults.crashed = True
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def settle(world: World) -> None:
    """What a machine does when it starts."""
    await world.recovery().run()
    await packer(world).run()


async def check(world: World, acknowledged: Acknowledged) -> None:
    reading = Reading(
        world.files, InlineOffload(), world.objects, world.ledger, node="node", regions=(US,)
    )
    for record, parts in acknowledged.items():
        stored = await reading.find_record(record)
        assert len(stored.parts) >= parts
        assert stored.complete is (len(stored.parts) == 3)
        assert stored.parts[0].header.kind == KIND_PROMPT
        for part in stored.parts:
            row = part.journal
            assert tree.verify_inclusion(part.leaf, part.position, row.parts, part.path, row.root)
    rows = world.database.tables.journals.values()
    assert all(row.state is not JournalState.OPEN for row in rows)
    listed = world.files.list("journals")
    assert not [path for path in listed if not path.endswith(".journal")]
    logged = len(world.database.tables.entries)
    with_roots = sum(1 for row in rows if row.leaf_hash)
    assert logged == with_roots + len(world.database.tables.segments)


async def crash_and_recover(
    seed: int, crash_at: int | None, *, after: bool, power: bool, second: int
) -> int:
    world = World(seed)
    world.start(faults := Faults(crash_at, after=after))
    acknowledged: Acknowledged = {}
    await until_crash(world, work(world, acknowledged))
    for faults_of_recovery in (Faults(second, after=after), Faults()):
        if power:
            world.disk.crash()
        world.files.die()
        world.start(faults_of_recovery)
        await until_crash(world, settle(world))
    world.files.die()
    world.start()
    await settle(world)
    await check(world, acknowledged)
    assert acknowledged or crash_at is not None
    return faults.calls


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    crash_at=st.integers(0, 220),
    after=st.booleans(),
    power=st.booleans(),
    second=st.integers(0, 60),
)
def test_what_was_acknowledged_survives_any_crash(
    seed: int, crash_at: int, after: bool, power: bool, second: int
) -> None:
    asyncio.run(crash_and_recover(seed, crash_at, after=after, power=power, second=second))


def test_the_workload_reaches_beyond_the_drawn_crashes() -> None:
    calls = asyncio.run(crash_and_recover(1, None, after=False, power=True, second=10_000))
    assert calls > 100


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_crash_at_every_call() -> None:
    calls = asyncio.run(crash_and_recover(1, None, after=False, power=True, second=10_000))
    for crash_at in range(calls):
        for after in (False, True):
            for power in (False, True):
                run = partial(crash_and_recover, crash_at, crash_at, after=after, power=power)
                asyncio.run(run(second=crash_at % 40))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    failing=st.lists(
        st.tuples(
            st.sampled_from(["files.sync", "files.append", "files.append_to", "files.sync_folder"]),
            st.sampled_from([errno.EIO, errno.ENOSPC]),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_a_failing_disk_loses_nothing_that_was_acknowledged(
    seed: int, failing: list[tuple[str, int]]
) -> None:
    async def run() -> None:
        world = World(seed)
        acknowledged: Acknowledged = {}
        await world.recorder.tick()
        for name, number in failing:
            world.faults.fail(name, OSError(number, "the disk"))
            await asyncio.gather(*(client(world, number, acknowledged) for number in range(3)))
            world.clock.advance(2_000)
            await world.recorder.tick()
        world.faults.repair()
        world.clock.advance(31_000)
        await world.recorder.tick()
        await world.recorder.tick()
        await until_crash(world, asyncio.sleep(0))
        world.disk.crash()
        world.start()
        await settle(world)
        await check(world, acknowledged)

    asyncio.run(run())


@settings(max_examples=40, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_closed_journal_is_noticed(position: float, bit: int) -> None:
    async def run() -> None:
        world = World()
        acknowledged: Acknowledged = {}
        await world.recorder.tick()
        await client(world, 1, acknowledged)
        world.clock.advance(31_000)
        await world.recorder.tick()
        (path,) = world.files.list("journals")
        data = bytearray(world.files.read(path))
        data[int(position * len(data))] ^= 1 << bit
        world.files.write(path, bytes(data))
        reading = Reading(
            world.files, InlineOffload(), world.objects, world.ledger, node="node", regions=(US,)
        )
        with pytest.raises(Exception, match=r"closed journal|changed") as caught:
            await reading.find_record(next(iter(acknowledged)))
        assert not isinstance(caught.value, NotFound | NotYet)

    asyncio.run(run())

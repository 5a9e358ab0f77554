"""The sequencer: each entry once, whatever dies where, and whoever else believes to be the writer.

The log is judged as an outsider would: by its checkpoint, its tiles and proofs, against the
checkpoints seen before.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bailee.drivers.memory.clock import ManualClock
from bailee.drivers.memory.database import Database, MemoryLeases, MemoryOutbox
from bailee.drivers.memory.faults import Faults, SimulatedCrash
from bailee.drivers.memory.ledger import MemoryLedger
from bailee.drivers.memory.objects import Bucket, MemoryObjects
from bailee.kernel.errors import Conflict, InvalidInput, NotFound, TamperedContent, Unavailable
from bailee.kernel.instants import Instant
from bailee.lifecycle.log_reader import CHECKPOINT_KEY, LogReader
from bailee.lifecycle.sequencer import INTENT_KEY, LEASE_DURATION_MS, Sequencer
from bailee.transparency import tree
from bailee.transparency.checkpoint import Checkpoint, sign_checkpoint
from bailee.transparency.note import Signer

SIGNER = Signer("log.example/test", bytes(32))


class World:
    """What outlives processes."""

    def __init__(self) -> None:
        self.database = Database()
        self.bucket = Bucket()
        self.clock = ManualClock(Instant(1_790_000_000_000))
        self.committed: list[bytes] = []
        self.seen: list[Checkpoint] = []

    def process(
        self, holder: str = "one", faults: Faults | None = None, batch_entries: int = 200
    ) -> Sequencer:
        """A sequencer in a process of its own."""
        return Sequencer(
            MemoryOutbox(self.database, faults),
            MemoryLeases(self.database, self.clock, faults),
            MemoryObjects(self.bucket, faults),
            self.clock,
            SIGNER,
            holder=holder,
            batch_entries=batch_entries,
        )

    async def commit(self, count: int) -> None:
        """Commit entries, no two alike."""
        async with MemoryLedger(self.database).transaction() as transaction:
            for _ in range(count):
                leaf = f"entry {len(self.committed)}".encode()
                self.committed.append(leaf)
                await transaction.append_entry(leaf)

    def reader(self) -> LogReader:
        """A reader with an empty cache."""
        return LogReader(MemoryObjects(self.bucket), SIGNER.verifier)

    async def check(self) -> Checkpoint:
        """The checkpoint, after checking everything under it and that it extends the last seen."""
        reader = self.reader()
        checkpoint = (await reader.checkpoint()).checkpoint
        entries = await reader.entries(0, checkpoint.size)
        hashes = [tree.leaf_hash(entry) for entry in entries]
        assert tree.root_of(hashes) == checkpoint.root
        assert len(set(entries)) == len(entries)
        assert set(entries) <= set(self.committed)
        for index in {0, checkpoint.size // 2, checkpoint.size - 1} if entries else ():
            path = await reader.inclusion(index, checkpoint.size)
            assert tree.verify_inclusion(
                hashes[index], index, checkpoint.size, path, checkpoint.root
            )
        for old in self.seen[-1:]:
            proof = await reader.consistency(old.size, checkpoint.size)
            assert tree.verify_consistency(
                old.size, old.root, checkpoint.size, checkpoint.root, proof
            )
        self.seen.append(checkpoint)
        return checkpoint

    async def check_complete(self) -> None:
        """Every entry is in the log, and the outbox knows where."""
        assert (await self.check()).size == len(self.committed)
        outbox, entries = (
            MemoryOutbox(self.database),
            await self.reader().entries(0, len(self.committed)),
        )
        assert await outbox.pending(1) == []
        for leaf in self.committed:
            index = await outbox.index_of(tree.leaf_hash(leaf))
            assert index is not None
            assert entries[index] == leaf


async def drain(sequencer: Sequencer) -> None:
    while await sequencer.step():
        pass


async def test_an_empty_log_has_a_checkpoint() -> None:
    world = World()
    assert await world.process().step() == 0
    assert await world.check() == ("log.example/test", 0, tree.EMPTY_ROOT)


@pytest.mark.parametrize("counts", [[1], [255, 1, 1], [256], [3, 700, 5], [513, 256, 256]])
async def test_every_entry_enters_in_the_order_of_commits(counts: list[int]) -> None:
    world = World()
    sequencer = world.process()
    for count in counts:
        await world.commit(count)
        await drain(sequencer)
        await world.check_complete()
    assert await world.reader().entries(0, sum(counts)) == world.committed


async def test_a_step_says_how_many_entered() -> None:
    world = World()
    await world.commit(250)
    sequencer = world.process()
    assert [await sequencer.step() for _ in range(3)] == [200, 50, 0]


async def test_partial_tiles_go_when_the_full_ones_are_there() -> None:
    world = World()
    sequencer = world.process()
    for _ in range(30):
        await world.commit(10)
        await drain(sequencer)
    partial = {key.rpartition("/")[0] for key in world.bucket.objects if ".p/" in key}
    assert partial == {"log/tile/0/001.p", "log/tile/entries/001.p", "log/tile/1/000.p"}
    await world.check_complete()


async def crash_everywhere(
    prepare: Callable[[World], Coroutine[Any, Any, None]], after: bool
) -> int:
    """Let a process die at each of its calls in turn; another finds the log and finishes."""
    crashes = 0
    while True:
        world = World()
        await prepare(world)
        await world.check()
        faults = Faults(crashes, after=after)
        dying = world.process("dying", faults)
        try:
            await drain(dying)
        except SimulatedCrash:
            crashes += 1
        if not faults.crashed:
            return crashes
        await world.check()
        # More was committed meanwhile; the dead one's lease has to run out first.
        await world.commit(3)
        world.clock.advance(LEASE_DURATION_MS)
        await drain(world.process("next", batch_entries=150))
        await world.check_complete()


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_at_any_call_leaves_a_valid_checkpoint_and_loses_nothing(after: bool) -> None:
    async def prepare(world: World) -> None:
        await world.commit(250)
        await drain(world.process("first"))
        await world.commit(270)
        world.clock.advance(LEASE_DURATION_MS)

    assert await crash_everywhere(prepare, after) > 25


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_at_any_call_of_a_recovery_is_recovered_from(after: bool) -> None:
    async def prepare(world: World) -> None:
        await world.commit(300)
        sequencer = world.process("first", Faults(8), batch_entries=300)
        with pytest.raises(SimulatedCrash):
            await drain(sequencer)
        world.clock.advance(LEASE_DURATION_MS)

    async def prepare_checked(world: World) -> None:
        await prepare(world)
        assert INTENT_KEY in world.bucket.objects
        assert (await world.check()).size == 0

    assert await crash_everywhere(prepare_checked, after) > 10


async def test_an_entry_committed_late_with_an_earlier_position_does_not_change_a_batch() -> None:
    world = World()
    await world.commit(5)
    early = {position: world.database.tables.pending.pop(position) for position in (1, 3)}
    # Dies right after the intent.
    probe = Faults()
    clean = World()
    await clean.commit(5)
    await clean.process(faults=probe).step()
    intent_call = [at for at, name in enumerate(probe.names) if name == "objects.put_if_matches"][1]
    with pytest.raises(SimulatedCrash):
        await world.process("dying", Faults(intent_call, after=True)).step()
    world.database.tables.pending.update(early)
    world.clock.advance(LEASE_DURATION_MS)
    await drain(world.process("next"))
    await world.check_complete()
    first = await world.reader().entries(0, 3)
    assert first == [world.committed[at] for at in (1, 3, 4)]


class Gate:
    """Stops a process before one of its calls."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._calls = 0
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def passing(self) -> None:
        self._calls += 1
        if self._calls > self._at and not self.reached.is_set():
            self.reached.set()
            await self.open.wait()


class Gated:
    """A driver behind a gate."""

    def __init__(self, driver: object, gate: Gate) -> None:
        self._driver = driver
        self._gate = gate

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._driver, name)

        async def gated(*arguments: object) -> object:
            await self._gate.passing()
            return await method(*arguments)

        return gated


def gated_process(world: World, gate: Gate) -> Sequencer:
    outbox: Any = Gated(MemoryOutbox(world.database), gate)
    leases: Any = Gated(MemoryLeases(world.database, world.clock), gate)
    objects: Any = Gated(MemoryObjects(world.bucket), gate)
    return Sequencer(
        outbox, leases, objects, world.clock, SIGNER, holder="stale", batch_entries=200
    )


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_stale_writer_neither_forks_nor_repeats(fresh: bool) -> None:
    """A writer pauses before each of its calls, while another takes over and goes on."""
    calls = 0
    while True:
        world = World()
        await world.commit(100)
        gate = Gate(calls)
        if fresh:
            await drain(world.process("zero"))
            world.clock.advance(LEASE_DURATION_MS)
        stale = gated_process(world, gate)
        await world.commit(200)
        task = asyncio.create_task(stepped(stale))
        reached = asyncio.create_task(gate.reached.wait())
        await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
        if not gate.reached.is_set():
            reached.cancel()
            break
        world.clock.advance(LEASE_DURATION_MS)
        other = world.process("other", batch_entries=120)
        await other.step()
        await other.step()
        await world.commit(7)
        gate.open.set()
        await task
        await world.check()
        await drain(other)
        await world.check_complete()
        calls += 1
    assert calls >= 10


async def stepped(sequencer: Sequencer) -> None:
    try:
        await sequencer.step()
    except Conflict:
        # Another was first: what a stale writer is to be told.
        assert await sequencer.step() == 0


async def test_two_that_hold_no_lease_do_nothing() -> None:
    world = World()
    await world.commit(1)
    assert await world.process("one").step() == 1
    await world.commit(1)
    assert await world.process("two").step() == 0


@pytest.mark.parametrize("key", [INTENT_KEY, CHECKPOINT_KEY, "log/tile/0/000.p/10"])
async def test_what_is_gone_or_changed_stops_the_log(key: str) -> None:
    for damage in ("gone", "changed"):
        world = World()
        await world.commit(10)
        await drain(world.process())
        del world.bucket.objects[key]
        if damage == "changed":
            other = sign_checkpoint(10, bytes(32), SIGNER) if key == CHECKPOINT_KEY else bytes(320)
            world.bucket.store(key, other)
        await world.commit(1)
        with pytest.raises(TamperedContent):
            await drain(world.process())


async def test_a_file_that_says_otherwise_stops_the_log_before_it_is_published() -> None:
    world = World()
    await world.commit(10)
    sequencer = world.process()
    await drain(sequencer)
    before = await world.check()
    world.bucket.store("log/tile/0/000.p/11", bytes(11 * 32))
    await world.commit(1)
    with pytest.raises(TamperedContent):
        await sequencer.step()
    assert await world.check() == before


async def test_another_key_s_checkpoint_is_not_extended() -> None:
    world = World()
    world.bucket.store(CHECKPOINT_KEY, sign_checkpoint(0, tree.EMPTY_ROOT, Signer("x", b"x" * 32)))
    with pytest.raises(InvalidInput):
        await world.process().step()


async def test_a_store_that_was_away_costs_nothing_but_time() -> None:
    world = World()
    faults = Faults()
    sequencer = world.process(faults=faults)
    for name in ("objects.put_if_absent", "objects.put_if_matches", "outbox.pending"):
        await world.commit(20)
        faults.fail(name, Unavailable("away"))
        with pytest.raises(Unavailable):
            await sequencer.step()
        await drain(sequencer)
        await world.check_complete()


async def test_run_publishes_within_a_second_and_gives_up_its_lease() -> None:
    world = World()
    running = asyncio.create_task(world.process("running").run())
    await turns()
    for _ in range(3):
        await world.commit(4)
        for _ in range(10):
            world.clock.advance(100)
            await turns()
        await world.check_complete()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await world.commit(1)
    assert await world.process("next").step() == 1


async def test_run_outlasts_a_store_that_is_away() -> None:
    world = World()
    faults = Faults()
    faults.fail("leases.acquire", Unavailable("away"))
    faults.fail("objects.put_if_absent", Conflict("somebody else"))
    await world.commit(4)
    running = asyncio.create_task(world.process(faults=faults).run())
    for _ in range(20):
        world.clock.advance(100)
        await turns()
    await world.check_complete()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_reader_proves_earlier_sizes_and_refuses_later_ones() -> None:
    world = World()
    await world.commit(300)
    await drain(world.process(batch_entries=300))
    reader = world.reader()
    hashes = [tree.leaf_hash(leaf) for leaf in world.committed]
    for size in (1, 100, 255, 256, 300):
        path = await reader.inclusion(size - 1, size)
        root = tree.root_of(hashes[:size])
        assert tree.verify_inclusion(hashes[size - 1], size - 1, size, path, root)
        proof = await reader.consistency(size, 300)
        assert tree.verify_consistency(size, root, 300, tree.root_of(hashes), proof)
    assert await reader.consistency(0, 300) == []
    with pytest.raises(InvalidInput):
        await reader.inclusion(300, 301)
    assert await reader.entry(299) == world.committed[299]
    with pytest.raises(NotFound):
        await reader.entry(300)
    with pytest.raises(NotFound):
        await reader.entries(5, 301)

"""Group commit: who is told what, and when."""

import asyncio
import errno
from collections.abc import Callable
from typing import TypeVar

import pytest
from tests.fixtures.custody_world import US

from bailee.custody.journal import frames
from bailee.custody.journal.frames import JournalHeader
from bailee.custody.journal.reader import read_frames
from bailee.custody.journal.root import BootKey
from bailee.custody.journal.writer import JournalWriter
from bailee.drivers.memory import Disk, Faults, MemoryFiles, SeededRandomness
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import JournalId
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.keeper import BootCertificate

Result = TypeVar("Result")


class HeldOffload:
    """An offload whose calls wait until they are let go."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.calls = 0

    async def run(self, call: Callable[[], Result]) -> Result:
        self.calls += 1
        await self.gate.acquire()
        return call()


class Bench:
    """A writer on a disk whose commits are let go one by one."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.faults = Faults()
        self.files = MemoryFiles(self.disk, self.faults)
        self.offload = HeldOffload()
        key = BootKey(SeededRandomness(1))
        certificate = BootCertificate("w", US, key.public_key, Instant(0), Instant(1), b"")
        header = JournalHeader(JournalId(7), Epoch(5), US, certificate)
        self.writer = JournalWriter(self.files, self.offload, key, header)

    def add(self) -> int:
        """Add a part; gives how many there are."""
        self.writer.add_part((b"part",), b"l" * 32)
        return self.writer.parts

    def waiter(self) -> "asyncio.Task[None]":
        """Somebody who waits for everything added so far."""
        return asyncio.create_task(self.writer.durable(self.writer.parts))

    async def turn(self) -> None:
        """Let everything run that can."""
        for _ in range(10):
            await asyncio.sleep(0)

    def kinds(self) -> list[int]:
        """The types of the frames in the file."""
        return [frame.kind for frame in read_frames(self.files, self.writer.path)]


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_all_who_wait_share_one_commit(bench: Bench) -> None:
    waiters = []
    for _ in range(5):
        bench.add()
        waiters.append(bench.waiter())
    await bench.turn()
    assert bench.offload.calls == 1
    assert not any(waiter.done() for waiter in waiters)
    bench.offload.gate.release()
    await asyncio.gather(*waiters)
    assert bench.kinds() == [frames.HEADER, *[frames.PART] * 5, frames.ROOT]


async def test_what_gathers_during_a_commit_goes_into_the_next_at_once(bench: Bench) -> None:
    bench.add()
    first = bench.waiter()
    await bench.turn()
    bench.add()
    second, third = bench.waiter(), bench.waiter()
    bench.offload.gate.release()
    await bench.turn()
    assert first.done()
    assert not second.done()
    assert bench.offload.calls == 2
    bench.offload.gate.release()
    await asyncio.gather(second, third)
    assert bench.writer.durable_parts == 2
    assert bench.writer.waiting_bytes == 0


async def test_nothing_is_acknowledged_before_the_sync(bench: Bench) -> None:
    bench.faults.fail("files.sync", OSError(errno.EIO, "the disk"))
    bench.add()
    waiter = bench.waiter()
    bench.offload.gate.release()
    with pytest.raises(Unavailable, match="could not be written"):
        await waiter


async def test_a_failed_journal_is_abandoned_for_good(bench: Bench) -> None:
    bench.add()
    bench.offload.gate.release()
    await bench.writer.durable(1)
    bench.faults.fail("files.sync", OSError(errno.EIO, "the disk"))
    bench.add()
    waiting = bench.waiter()
    await bench.turn()
    bench.add()
    late = bench.waiter()
    bench.offload.gate.release()
    for waiter in (waiting, late):
        with pytest.raises(Unavailable):
            await waiter
    with pytest.raises(Unavailable):
        await bench.writer.durable(3)
    with pytest.raises(Unavailable):
        await bench.writer.close()
    await bench.writer.durable(1)
    assert bench.offload.calls == 2


async def test_a_full_disk_says_so(bench: Bench) -> None:
    bench.faults.fail("files.append", OSError(errno.ENOSPC, "No space left on device"))
    bench.add()
    bench.offload.gate.release()
    with pytest.raises(Unavailable, match="No space left"):
        await bench.writer.durable(1)


async def test_a_waiter_that_is_cancelled_takes_no_other_with_it(bench: Bench) -> None:
    bench.add()
    cancelled, other = bench.waiter(), bench.waiter()
    await bench.turn()
    cancelled.cancel()
    await bench.turn()
    bench.offload.gate.release()
    await other
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_closing_writes_what_waits_and_one_close_frame(bench: Bench) -> None:
    bench.add()
    first = bench.waiter()
    await bench.turn()
    bench.add()
    bench.waiter()
    closing = asyncio.create_task(bench.writer.close())
    for _ in range(3):
        bench.offload.gate.release()
    signed = await closing
    await first
    assert signed.parts == 2
    assert bench.kinds()[-2:] == [frames.ROOT, frames.CLOSE]
    assert bench.kinds().count(frames.CLOSE) == 1
    assert bench.files.size_bytes(bench.writer.path) == bench.writer.size_bytes


async def test_the_lock_is_held_until_release(bench: Bench) -> None:
    bench.add()
    bench.offload.gate.release()
    await bench.writer.close()
    with pytest.raises(BlockingIOError):
        bench.files.append_to(bench.writer.path, create=False)
    bench.writer.release()
    bench.files.append_to(bench.writer.path, create=False).close()

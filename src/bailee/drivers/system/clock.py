"""Clocks: the machine's own, and one that a simulation drives for several processes at once."""

import asyncio
import mmap
import os
import time
from pathlib import Path
from typing import Final

from bailee.kernel.instants import Instant

_CELL_BYTES: Final = 8
_POLL_S: Final = 0.005
_MONOTONIC: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """`ports.clock.Clock` of this machine."""

    __slots__ = ()

    def now(self) -> Instant:
        """The machine's wall-clock time."""
        return Instant(time.time_ns() // 1_000_000)

    def monotonic_s(self) -> float:
        """Seconds of the machine's monotonic clock, time spent suspended included."""
        return time.clock_gettime(_MONOTONIC)

    async def sleep_s(self, seconds: float) -> None:
        """Let real time pass."""
        until = time.monotonic() + seconds
        await asyncio.sleep(max(seconds, 0.0))
        # A loop's timer may be a tick early.
        while (left := until - time.monotonic()) > 0:  # noqa: ASYNC110 - waits for time alone
            await asyncio.sleep(left)


class SharedClock:
    """A wall clock that lies in a file and is moved by hand, for processes that simulate time.

    The file holds one aligned 8-byte integer in the machine's byte order, read and written whole.
    `now` is what the file says; `sleep_s` polls it in real time until the simulated instant has
    come; `monotonic_s` stays real, so that time-outs of real connections keep their meaning.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._cell = memoryview(mmap.mmap(descriptor, _CELL_BYTES)).cast("Q")
        finally:
            os.close(descriptor)

    @classmethod
    def create(cls, path: Path, now: Instant) -> "SharedClock":
        """Make the file, showing `now`, and give its clock."""
        path.write_bytes(bytes(_CELL_BYTES))
        clock = cls(path)
        clock.set(now)
        return clock

    def set(self, now: Instant) -> None:
        """Show `now` to every process. Only the driver of the simulation calls this."""
        self._cell[0] = now

    def now(self) -> Instant:
        """The simulated instant."""
        return Instant(self._cell[0])

    def monotonic_s(self) -> float:
        """Real seconds."""
        return time.monotonic()

    async def sleep_s(self, seconds: float) -> None:
        """Wait until `seconds` of simulated time have passed."""
        until = self.now() + max(seconds, 0.0) * 1000
        await asyncio.sleep(0)
        while self.now() < until:  # noqa: ASYNC110 - another process moves the clock
            await asyncio.sleep(_POLL_S)

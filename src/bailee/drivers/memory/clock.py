"""A clock that stands still until it is moved."""

import asyncio
import heapq
from itertools import count

from bailee.kernel.instants import Instant


class ManualClock:
    """`ports.clock.Clock` moved by `advance`. Sleepers wake in the order of their instants."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self._started = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> Instant:
        """The instant that was set."""
        return self._now

    def monotonic_s(self) -> float:
        """Seconds since the clock was made."""
        return (self._now - self._started) / 1000

    async def sleep_s(self, seconds: float) -> None:
        """Wait until `advance` has let `seconds` pass."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds * 1000, next(self._order), wake))
        await wake

    def next_wake(self) -> float | None:
        """When the first sleeper wants to wake, in milliseconds; None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, milliseconds: int) -> None:
        """Let time pass at once; who slept less than that wakes at the loop's next turn."""
        self.set(Instant(self._now + milliseconds))

    def set(self, now: Instant) -> None:
        """Jump to `now`, which may be earlier: then nobody wakes."""
        self._now = now
        while (wake := self.next_wake()) is not None and wake <= now:
            heapq.heappop(self._sleepers)[2].set_result(None)

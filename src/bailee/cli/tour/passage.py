"""How simulated time passes: it flows, is moved on by hand, and stands still for exact instants.

It only ever goes forward. It flows `RATE` times as fast as real time, because the processes that
wait for simulated seconds (a dead clerk's lease, a journal's close) are real; the quarter of an
hour in which a destruction must happen is then 90 real seconds.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bailee.drivers.system import SharedClock, SystemClock
from bailee.kernel.instants import Instant

RATE: Final = 10
_STEP_S: Final = 0.01


class Passage:
    """Drives the clock of one simulated installation. Run `flow` beside everything else."""

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock
        self._real = SystemClock()
        self._standing = False

    def now(self) -> Instant:
        """The simulated instant."""
        return self._clock.now()

    async def flow(self) -> None:
        """Let time flow until cancelled."""
        last_s = self._real.monotonic_s()
        while True:
            await asyncio.sleep(_STEP_S)
            now_s = self._real.monotonic_s()
            if not self._standing:
                passed_ms = int((now_s - last_s) * 1000 * RATE)
                self._clock.set(Instant(self._clock.now() + passed_ms))
            last_s = now_s

    def jump(self, instant: Instant) -> None:
        """Make it `instant`, unless it is later already."""
        self._clock.set(Instant(max(instant, self._clock.now())))

    @contextmanager
    def standing_at(self, instant: Instant) -> Iterator[None]:
        """Make it exactly `instant` and keep it so for a while. ValueError if it is past."""
        if self._clock.now() > instant:
            raise ValueError("time does not go back")
        self._standing = True
        self._clock.set(instant)
        try:
            yield
        finally:
            self._standing = False

"""Time. The only way in which anything learns it."""

from typing import Protocol

from bailee.kernel.instants import Instant


class Clock(Protocol):
    """Tells and awaits time.

    `now` is wall-clock time and may step. `monotonic_s` never goes back and has no meaning between
    processes. `sleep_s` resumes after at least the given time of this clock, which a simulation
    may make pass at once.
    """

    def now(self) -> Instant:
        """The present instant."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary point; for measuring durations."""
        ...

    async def sleep_s(self, seconds: float) -> None:
        """Let `seconds` pass; at once if not positive, but always yielding once."""
        ...

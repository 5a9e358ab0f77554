"""Whether the keeper may believe its clock enough to destroy by it.

Two sources must agree. While the process runs they are the wall clock and the monotonic clock's
progress since the start; over downtime they are the wall clock and the mark that the keyring
persists: time does not go back behind it, and a jump of more than 7 days past it needs an
administrator's word. Refusing to open needs no such agreement: it is always safe, so the later of
clock and mark counts there.
"""

from typing import Final

from bailee.kernel.instants import DAY_MS, MINUTE_MS, Instant, to_rfc3339
from bailee.ports.clock import Clock

LARGEST_JUMP_MS: Final = 7 * DAY_MS
TOLERANCE_MS: Final = MINUTE_MS
"""Far inside the 15 minutes by which destruction may be early without breaking a promise."""
DRIFT: Final = 0.0005
"""How far apart two honest clocks may drift: 500 parts in a million."""


class TimeGuard:
    """The keeper's view of time. `trust` switches the doubts off, for simulated clocks."""

    def __init__(self, clock: Clock, *, trust: bool = False) -> None:
        self._clock = clock
        self._trust = trust
        self._mark = Instant(0)
        self._begun_at = clock.now()
        self._begun_s = clock.monotonic_s()
        self._standing_doubt: str | None = None

    def start(self, mark: Instant) -> None:
        """Begin to compare, from the mark that the keyring holds."""
        self._anchor()
        self._mark = mark
        now = self._begun_at
        if now > mark + LARGEST_JUMP_MS:
            self._standing_doubt = (
                f"the clock says {to_rfc3339(now)}, more than 7 days after the keeper's last mark "
                f"{to_rfc3339(mark)}; an administrator must accept the clock"
            )
        elif now < mark - TOLERANCE_MS:
            self._standing_doubt = (
                f"the clock says {to_rfc3339(now)}, before the keeper's last mark "
                f"{to_rfc3339(mark)}; set the clock right and let an administrator accept it"
            )

    def now(self) -> Instant:
        """The instant that refusals go by: never earlier than any that was seen before."""
        seen = self._clock.now()
        if seen > self._mark and (self._trust or self.doubt() is None):
            self._mark = seen
        return Instant(max(seen, self._mark))

    def mark(self) -> Instant:
        """The latest instant that was believed; what the keyring persists."""
        self.now()
        return self._mark

    def doubt(self) -> str | None:
        """Why nothing may be destroyed by this clock, or None."""
        if self._trust:
            return None
        if self._standing_doubt is not None:
            return self._standing_doubt
        wall_ms = self._clock.now() - self._begun_at
        monotonic_ms = (self._clock.monotonic_s() - self._begun_s) * 1000
        if abs(wall_ms - monotonic_ms) <= TOLERANCE_MS + DRIFT * monotonic_ms:
            return None
        return (
            f"the wall clock moved {wall_ms / 1000:.0f} s in {monotonic_ms / 1000:.0f} s; "
            "set the clock right, or let an administrator accept it"
        )

    def accept(self) -> None:
        """An administrator vouches for the wall clock as it stands."""
        self._anchor()
        self._standing_doubt = None
        self._mark = self._begun_at

    def _anchor(self) -> None:
        self._begun_at = self._clock.now()
        self._begun_s = self._clock.monotonic_s()

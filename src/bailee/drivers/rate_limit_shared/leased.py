"""Counting in one worker what was taken from the shared table in small stretches.

Promises what `ports.rate_limit` promises, but for this: of a limit above `SHARE` a worker takes a
thousandth at a time, so that a limit may bite a thousandth for each worker too early, and what is
added afterwards counts a thousandth late. Smaller limits are counted exactly.
"""

from typing import Final

from bailee.drivers.rate_limit_shared.table import SharedRateLimit
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.rate_limit import Allowance

SHARE: Final = 1000
_SUBJECTS: Final = 1 << 16


class _Lease:
    __slots__ = ("left", "limit", "remaining", "window")

    def __init__(self, window: int, limit: int, left: int, remaining: int) -> None:
        self.window = window
        self.limit = limit
        self.left = left
        """What this worker has taken and not used."""
        self.remaining = remaining
        """What was left in the table when it was asked."""


class LeasedRateLimit:
    """`ports.rate_limit.RateLimit` in front of the shared table. One for each worker."""

    def __init__(self, shared: SharedRateLimit) -> None:
        self._shared = shared
        self._leases: dict[bytes, _Lease] = {}

    def take(self, subject: bytes, amount: int, limit_per_minute: int, now: Instant) -> Allowance:
        """Count if it stays within the limit."""
        window, elapsed = divmod(now, MINUTE_MS)
        lease = self._leases.get(subject)
        if (
            lease is not None
            and lease.left >= amount
            and lease.window == window
            and lease.limit == limit_per_minute
        ):
            left = lease.left = lease.left - amount
            return Allowance(True, limit_per_minute, lease.remaining + left, MINUTE_MS - elapsed)
        ahead = limit_per_minute // SHARE
        if ahead <= amount:
            return self._shared.take(subject, amount, limit_per_minute, now)
        return self._take_ahead(subject, amount, ahead, limit_per_minute, now)

    def add(self, subject: bytes, amount: int, now: Instant) -> None:
        """Count whatever the limit."""
        lease = self._leases.get(subject)
        if lease is not None and lease.left >= amount and lease.window == now // MINUTE_MS:
            # What was taken ahead is counted already.
            lease.left -= amount
        else:
            self._shared.add(subject, amount, now)

    def close(self) -> None:
        """Close the table."""
        self._shared.close()

    def _take_ahead(
        self, subject: bytes, amount: int, ahead: int, limit: int, now: Instant
    ) -> Allowance:
        taken = self._shared.take(subject, ahead, limit, now)
        if not taken.allowed:
            return self._shared.take(subject, amount, limit, now)
        if len(self._leases) >= _SUBJECTS:
            self._leases.clear()
        left = ahead - amount
        self._leases[subject] = _Lease(now // MINUTE_MS, limit, left, taken.remaining)
        return Allowance(True, limit, taken.remaining + left, taken.reset_after_ms)

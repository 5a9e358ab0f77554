"""Counting in one process."""

from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.rate_limit import Allowance


class MemoryRateLimit:
    """`ports.rate_limit.RateLimit` for a single process, in fixed windows of one minute."""

    def __init__(self) -> None:
        self._window = 0
        self._counts: dict[bytes, int] = {}

    def take(self, subject: bytes, amount: int, limit_per_minute: int, now: Instant) -> Allowance:
        """Count if it stays within the limit."""
        reset_after_ms = MINUTE_MS - now % MINUTE_MS
        if limit_per_minute == 0:
            return Allowance(True, 0, 0, reset_after_ms)
        used = self._used(subject, now)
        allowed = used + amount <= limit_per_minute
        if allowed:
            self._counts[subject] = used = used + amount
        return Allowance(allowed, limit_per_minute, max(limit_per_minute - used, 0), reset_after_ms)

    def add(self, subject: bytes, amount: int, now: Instant) -> None:
        """Count whatever the limit."""
        self._counts[subject] = self._used(subject, now) + amount

    def _used(self, subject: bytes, now: Instant) -> int:
        window = now // MINUTE_MS
        if window != self._window:
            self._window = window
            self._counts.clear()
        return self._counts.get(subject, 0)

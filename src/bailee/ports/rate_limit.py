"""Counting requests and tokens against limits, shared by every worker of an installation."""

from typing import Protocol

from msgspec import Struct

from bailee.kernel.instants import Instant


class Allowance(Struct, frozen=True, gc=False):
    """What is left after a count."""

    allowed: bool
    limit: int
    remaining: int
    reset_after_ms: int


class RateLimit(Protocol):
    """Counts within windows of one minute.

    `take` is called on the hot path: it blocks for microseconds at most and never awaits.
    """

    def take(self, subject: bytes, amount: int, limit_per_minute: int, now: Instant) -> Allowance:
        """Count `amount` for `subject` if that stays within the limit; say what is left.

        A refusal counts nothing. Two subjects never share a count. A `limit_per_minute` of 0 means
        no limit: always allowed, and `remaining` is 0.
        """
        ...

    def add(self, subject: bytes, amount: int, now: Instant) -> None:
        """Count `amount` afterwards, whatever the limit (tokens are known only at the end)."""
        ...

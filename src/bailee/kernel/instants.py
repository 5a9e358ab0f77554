"""Instants and durations, and the half-hour epochs that time is cut into.

An `Instant` is whole milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored (POSIX time).
Nothing here reads a clock: that is `ports.clock`.
"""

from datetime import UTC, datetime
from typing import Final, NewType

Instant = NewType("Instant", int)
"""Milliseconds since the POSIX epoch."""

Epoch = NewType("Epoch", int)
"""The number of a half hour of arrival: epoch n is [n × 30 min, (n + 1) × 30 min)."""

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

EPOCH_LENGTH_MS: Final = 30 * MINUTE_MS
"""How long one epoch collects arrivals."""
RETENTION_MS: Final = 30 * DAY_MS
"""How long after its epoch's start a record may be opened, at most (clause C05)."""
DESTRUCTION_LEAD_MS: Final = 15 * MINUTE_MS
"""How long before the deadline destruction begins."""


def epoch_of(instant: Instant) -> Epoch:
    """The epoch in which `instant` falls."""
    return Epoch(instant // EPOCH_LENGTH_MS)


def epoch_start(epoch: Epoch) -> Instant:
    """The first instant of `epoch`."""
    return Instant(epoch * EPOCH_LENGTH_MS)


def epoch_end(epoch: Epoch) -> Instant:
    """The first instant after `epoch`."""
    return Instant((epoch + 1) * EPOCH_LENGTH_MS)


def epoch_due(epoch: Epoch) -> Instant:
    """When the destruction of `epoch` begins: 15 minutes before its deadline."""
    return Instant(epoch_deadline(epoch) - DESTRUCTION_LEAD_MS)


def epoch_deadline(epoch: Epoch) -> Instant:
    """The instant from which nothing of `epoch` opens: 30 days after its start."""
    return Instant(epoch_start(epoch) + RETENTION_MS)


def to_rfc3339(instant: Instant) -> str:
    """Write `instant` as RFC 3339 in UTC with milliseconds, as in `2026-11-23T07:30:00.000Z`."""
    moment = datetime.fromtimestamp(instant // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % 1000:03d}Z"


def from_rfc3339(text: str) -> Instant:
    """Read an RFC 3339 instant that states its offset.

    Raises:
        ValueError: if the text is not RFC 3339 or names no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"instant without an offset: {text!r}; write it as 2026-11-23T07:30:00Z")
    seconds = int(moment.replace(microsecond=0).timestamp())
    return Instant(seconds * 1000 + moment.microsecond // 1000)

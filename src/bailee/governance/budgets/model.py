"""Spend alerts. Whoever is to be told is kept; nothing is sent."""

from datetime import UTC, datetime
from typing import NamedTuple

from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import MINUTE_MS, Instant


class SpendAlert(NamedTuple):
    """A threshold for a calendar month (UTC) of a project, or of the whole organisation."""

    alert: bytes
    """16 random bytes."""
    tenant: TenantId
    project: ProjectId | None
    threshold_cents: int
    recipients: tuple[str, ...]
    subject_prefix: str | None
    created_at: Instant
    reached_month: int | None
    """The last month in which it was reached, as `month_of` numbers them."""


class ModelUse(NamedTuple):
    """What was used of one model."""

    model: str
    input_tokens: int
    output_tokens: int


def month_of(now: Instant) -> int:
    """The number of the calendar month in which an instant lies, in UTC."""
    at = datetime.fromtimestamp(now / 1000, tz=UTC)
    return at.year * 12 + at.month - 1


def month_text(month: int) -> str:
    """A month as people write it: `2026-11`."""
    return f"{month // 12:04}-{month % 12 + 1:02}"


def month_start_minute(month: int) -> int:
    """Where a month begins, in minutes since the POSIX epoch."""
    begin = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int(begin.timestamp()) * 1000 // MINUTE_MS

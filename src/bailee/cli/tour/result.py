"""What a tour found, and whether that is what was promised."""

from typing import Final

from msgspec import Struct

from bailee.kernel.instants import DAY_MS, HOUR_MS, RETENTION_MS

MIN_AGE_S: Final = (RETENTION_MS - HOUR_MS) // 1000
MAX_AGE_S: Final = RETENTION_MS // 1000
MONTH_MS: Final = 31 * DAY_MS
HALF_HOURS: Final = 75
NEEDED_HALF_HOURS: Final = 72
NEEDED_RECORDS: Final = 500


class Result(Struct, frozen=True, kw_only=True):
    """The last line of a tour's output."""

    answered: int
    """Requests whose answer came to its end."""
    records: int
    """Complete records found in segments, but those of requests that a kill left unanswered."""
    opened_before: int
    """Openings by owners before the deadline that gave exactly what went over the wire."""
    opened_after: int
    """Openings at or after the destruction. None may be."""
    destroyed_epochs: int
    """Epochs whose destruction is in the log."""
    max_age_s: float
    """The oldest record's age at its destruction, by the keeper's statements."""
    min_age_s: float
    receipts_verified: int
    """By the single-file verifier: of records and of destructions."""
    overdue: int
    """What the recomputed census complains of, and destructions that came late."""
    lost: int
    """Answered requests whose record was not found, complete, before its time."""
    seconds: float
    """Real seconds in which thirty-one simulated days passed, after the requests."""


def half_hours_of(requests: int) -> int:
    """Over how many half hours so many requests are spread: 75 in a full tour."""
    return max(4, min(HALF_HOURS, requests * HALF_HOURS // 510))


def shortcomings(found: Result, requests: int) -> list[str]:
    """What is not as promised, as sentences. `requests`: how many answers were to be gathered."""
    records = min(NEEDED_RECORDS, requests)
    half_hours = min(NEEDED_HALF_HOURS, half_hours_of(requests))
    claims = (
        (found.answered == found.records, "not every answer has its record, or the reverse"),
        (found.records >= records, f"there are fewer than {records} records"),
        (found.opened_before >= 1, "no owner could open a record before its time"),
        (found.opened_after == 0, "a record was opened after its time"),
        (found.destroyed_epochs >= half_hours, f"fewer than {half_hours} epochs were destroyed"),
        (found.min_age_s >= MIN_AGE_S, "a record died before 29 days and 23 hours"),
        (found.max_age_s <= MAX_AGE_S, "a record lived longer than 30 days"),
        (
            found.receipts_verified >= found.destroyed_epochs,
            "there are fewer verified receipts than destructions",
        ),
        (found.overdue == 0, "something is overdue"),
        (found.lost == 0, "an answered request was lost"),
    )
    return [sentence for held, sentence in claims if not held]

"""Endpoints, deliveries, and when a delivery is tried again."""

import enum
from typing import Final, NamedTuple

from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

ENDPOINT: Final = "wh_"
"""How identifiers of endpoints begin."""
EVENT: Final = "audit_log-"
"""How identifiers of events begin; those of messages too, since a message tells of one event."""
EVERYTHING: Final = "*"
"""The type that stands for all."""
OVERLAP_MS: Final = DAY_MS
"""How long the former secret signs too, unless told otherwise."""
OVERLAP_MAX_MS: Final = 7 * DAY_MS
KEPT_MS: Final = 30 * DAY_MS
"""How long it is listed what became of a delivery."""
DELAYS_MS: Final = (
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    *(hours * HOUR_MS for hours in (2, 5, 10, 14, 20, 24)),
)
"""After each failure but the last: three days and a few hours together."""
JITTER: Final = 0.2
"""By how much of itself a pause may be longer or shorter."""


class DeliveryState(enum.Enum):
    """What became of a message. The value is stored."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Disabled(enum.Enum):
    """Why nothing is sent to an endpoint. The value is stored."""

    BY_HAND = "by_hand"
    FAILURES = "failures"
    GONE = "gone"
    """It answered 410."""


class Endpoint(NamedTuple):
    """Where messages go."""

    endpoint: bytes
    """16 random bytes."""
    tenant: TenantId
    url: str
    types: tuple[str, ...]
    description: str
    created_at: Instant
    disabled: Disabled | None = None
    disabled_at: Instant | None = None
    generation: int = 0
    """Of its secret."""
    previous_until: Instant | None = None
    """Until when the secret before signs too."""
    failing_since: Instant | None = None
    """Since when nothing that was tried has arrived."""

    def generations(self, now: Instant) -> tuple[int, ...]:
        """Of the secrets that sign, the present one first."""
        if self.previous_until is None or self.previous_until <= now:
            return (self.generation,)
        return (self.generation, self.generation - 1)


class Message(NamedTuple):
    """An event as a message tells of it: who and what, by identifiers alone."""

    event: bytes
    type: str
    effective_at: Instant
    actor: str
    project: ProjectId | None
    resource: str


class Delivery(NamedTuple):
    """One message to one endpoint."""

    message: Message
    state: DeliveryState
    attempts: int
    next_at: Instant
    """When it is tried next, while it is pending."""
    attempted_at: Instant | None
    status: int | None
    """Of the last answer."""
    problem: str | None
    """Why there was none: one word."""
    delivered_at: Instant | None


def pause_ms(attempts: int, chance: float) -> int | None:
    """How long after failure number `attempts` it is tried again; None: no more.

    `chance` is from 0 to 1, at random.
    """
    if attempts > len(DELAYS_MS):
        return None
    return round(DELAYS_MS[attempts - 1] * (1 - JITTER + 2 * JITTER * chance))

"""Webhooks: the noun as an actor commands it, and what the worker sends."""

from typing import NamedTuple

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.drivers.webhook_sender import HttpsSender
from bailee.governance.audit.model import INSTALLATION
from bailee.governance.audit.service import AuditTrail
from bailee.governance.webhooks.delivery import Deliverer
from bailee.governance.webhooks.service import Webhooks
from bailee.kernel.instants import DAY_MS
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor
from bailee.ports.clock import Clock
from bailee.ports.leases import Leases
from bailee.settings import Settings


class WebhookTerms(NamedTuple):
    """What the noun needs of the installation."""

    key: Secret
    allow_private: bool


def webhooks_of(
    database: PostgresDatabase, clock: Clock, actor: Actor, terms: WebhookTerms
) -> Webhooks:
    """The noun, for one actor."""
    randomness = SystemRandomness()
    return Webhooks(
        *(database, clock, randomness),
        AuditTrail(actor.identifier, clock, randomness),
        actor,
        key=terms.key,
        allow_private=terms.allow_private,
    )


def deliverer(
    settings: Settings,
    database: PostgresDatabase,
    leases: Leases,
    clock: Clock,
    key: Secret,
    holder: str,
) -> Deliverer:
    """What sends, in the worker. Raises OSError if the file of authorities cannot be read."""
    terms, randomness = settings.webhooks, SystemRandomness()
    authorities = None if terms.authorities_file is None else str(terms.authorities_file)
    return Deliverer(
        database,
        leases,
        HttpsSender(
            allow_private=terms.allow_private_addresses,
            timeout_s=terms.timeout_s,
            authorities_file=authorities,
        ),
        AuditTrail(INSTALLATION, clock, randomness),
        *(clock, SystemClock(), randomness, key, holder),
        disable_after_ms=terms.disable_after_days * DAY_MS,
    )

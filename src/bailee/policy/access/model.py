"""Roles, actors and what a permission says.

A role is held in one organisation. *House* roles are held in the operator's own organisation alone
and reach every organisation where the matrix says so. Pure values; the matrix is in `matrix.toml`.
"""

import enum
from typing import Final, NamedTuple

from bailee.kernel.ids import TenantId
from bailee.kernel.instants import MINUTE_MS, Instant

FRESH_MS: Final = 10 * MINUTE_MS
"""How long after signing in a person may do what asks for a fresh sign-in."""


class Role(enum.Enum):
    """What a person, or an admin key, is. The value is stable: it is stored."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    DEVELOPER = "developer"
    PRIVACY_OFFICER = "privacy_officer"
    SAFETY_LEAD = "safety_lead"
    REVIEWER = "reviewer"
    CONTRACTOR = "contractor"
    AUDITOR = "auditor"
    OPERATOR = "operator"

    __hash__ = object.__hash__


HOUSE_ROLES: Final = frozenset(
    {
        Role.PRIVACY_OFFICER,
        Role.SAFETY_LEAD,
        Role.REVIEWER,
        Role.CONTRACTOR,
        Role.AUDITOR,
        Role.OPERATOR,
    }
)
"""Held in the operator's own organisation alone."""


class ActorKind(enum.Enum):
    """What acts."""

    ADMIN_KEY = "admin_key"
    PERSON = "person"
    OPERATOR = "operator"
    """Whoever gives commands on the machine itself."""


class Actor(NamedTuple):
    """On whose behalf a command runs."""

    kind: ActorKind
    identifier: str
    """As the audit log shows it: `key_…`, `user_…` or `operator`."""
    tenant: TenantId | None
    """The organisation in which the roles are held; None: the machine, which reaches all."""
    roles: frozenset[Role]
    signed_in_at: Instant | None = None
    """When a person last proved who they are; None for what is not a person."""


OPERATOR: Final = Actor(ActorKind.OPERATOR, "operator", None, frozenset({Role.OPERATOR}))
"""The operator at the machine."""


class Permission(NamedTuple):
    """Who may do one action."""

    action: str
    """As in `consent.give`."""
    own: frozenset[Role]
    """Roles that may in the organisation in which they are held."""
    any: frozenset[Role]
    """House roles that may in every organisation."""
    machine: bool
    """Whether the operator at the machine itself may, where no house role does."""
    fresh: bool
    """Whether a person must have signed in within `FRESH_MS`."""
    english: str
    korean: str


class Conflicting(NamedTuple):
    """Two roles that nobody holds together (segregation of duties)."""

    roles: frozenset[Role]
    english: str
    korean: str

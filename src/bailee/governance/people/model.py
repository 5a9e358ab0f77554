"""People, the roles that they hold, their part in projects, and invitations.

A person is a row that an accepted invitation made. E-mail addresses are compared without regard to
case. Removing a person removes the row; the assignments of their roles end and stay as evidence.
"""

import enum
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, Instant
from bailee.policy.access.model import Role as HeldRole

RECERTIFY_WITHIN_MS: Final = 30 * DAY_MS
"""How long into a quarter who holds which role may go unconfirmed."""
INVITE_MS: Final = 7 * DAY_MS
"""How long an invitation can be accepted."""
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_EMAIL_MAX: Final = 254


class Role(enum.Enum):
    """What a person is in OpenAI's words: `owner` holds the role owner, `reader` does not.

    The value is stable: invitations store it.
    """

    OWNER = "owner"
    READER = "reader"


class ProjectRole(enum.Enum):
    """What a person may do in a project. The value is stable: it is stored."""

    OWNER = "owner"
    MEMBER = "member"


class InviteState(enum.Enum):
    """How far an invitation has come."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    EXPIRED = "expired"


class Person(NamedTuple):
    """A person of an organisation."""

    person: bytes
    """16 random bytes."""
    tenant: TenantId
    email: str
    name: str
    role: Role
    added_at: Instant


class Assignment(NamedTuple):
    """That a person holds, or held, a role."""

    assignment: bytes
    """16 random bytes."""
    tenant: TenantId
    person: bytes
    role: HeldRole
    given_by: str
    """Who gave it, as the audit log names actors."""
    given_at: Instant
    ended_by: str | None = None
    ended_at: Instant | None = None
    confirmed_by: str | None = None
    confirmed_at: Instant | None = None
    """When it was last confirmed."""

    def due(self, now: Instant) -> bool:
        """Whether nobody has looked at it in this quarter, and it is older than the quarter."""
        looked_at = self.given_at if self.confirmed_at is None else self.confirmed_at
        return self.ended_at is None and looked_at < quarter_start(now)

    def overdue(self, now: Instant) -> bool:
        """Whether it was due for longer than `RECERTIFY_WITHIN_MS`."""
        return self.due(now) and now - quarter_start(now) > RECERTIFY_WITHIN_MS


class Member(NamedTuple):
    """A person in a project."""

    person: Person
    role: ProjectRole
    added_at: Instant


class Invite(NamedTuple):
    """An invitation to an organisation, and to projects of it."""

    invite: bytes
    """16 random bytes."""
    tenant: TenantId
    email: str
    role: Role
    projects: tuple[tuple[ProjectId, ProjectRole], ...]
    created_at: Instant
    expires_at: Instant
    accepted_at: Instant | None

    def state(self, now: Instant) -> InviteState:
        """How far the invitation has come at `now`."""
        if self.accepted_at is not None:
            return InviteState.ACCEPTED
        return InviteState.EXPIRED if now >= self.expires_at else InviteState.PENDING


def checked_email(text: str) -> str:
    """An address as it is kept. Raises InvalidInput, never quoting it."""
    email = text.strip().lower()
    if len(email) > _EMAIL_MAX or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise InvalidInput("This is not an e-mail address. Give one.", field="email")
    return email


def quarter_start(now: Instant) -> Instant:
    """When the calendar quarter of `now` began, in UTC."""
    moment = datetime.fromtimestamp(now // 1000, UTC)
    first = datetime(moment.year, 3 * ((moment.month - 1) // 3) + 1, 1, tzinfo=UTC)
    return Instant(int(first.timestamp()) * 1000)

"""People, their part in projects, and invitations.

People do not sign in yet: a person is a row that an accepted invitation made. E-mail addresses are
compared without regard to case. Removing a person removes the row.
"""

import enum
import re
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, Instant

INVITE_MS: Final = 7 * DAY_MS
"""How long an invitation can be accepted."""
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_EMAIL_MAX: Final = 254


class Role(enum.Enum):
    """What a person may do in an organisation. The value is stable: it is stored."""

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

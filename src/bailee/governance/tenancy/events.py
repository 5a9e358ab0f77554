"""What happened in tenancy, for the audit log: identifiers and instants, no names, no secrets.

These are not entries of the transparency log, which is about acts on data.
"""

import enum
from collections.abc import Callable
from typing import NamedTuple

from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant


class Happening(enum.Enum):
    """What kind of thing happened."""

    ORGANISATION_CREATED = "organisation_created"
    PROJECT_CREATED = "project_created"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"


class TenancyEvent(NamedTuple):
    """One thing that was committed."""

    happening: Happening
    at: Instant
    tenant: TenantId
    project: ProjectId | None = None
    public_id: str | None = None
    """The API key's public identifier."""


Announce = Callable[[TenancyEvent], None]
"""Takes note of an event; called after commit, must not raise."""


def ignore(_event: TenancyEvent) -> None:
    """Take no note."""

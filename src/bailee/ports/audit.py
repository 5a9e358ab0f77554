"""The audit trail of an organisation's administration, as its commands write it.

An event is written in the transaction of the command that it tells of: both are committed or
neither is. Whoever implements this knows on whose behalf the command runs. Events hold identifiers
and settings; no secrets, no e-mail addresses, nothing of what customers send to models.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from bailee.kernel.ids import ProjectId, TenantId
from bailee.ports.database import DatabaseTransaction

Details = Mapping[str, object]
"""What the command was asked for, ready for JSON."""


class AuditEvent(NamedTuple):
    """One thing that was done."""

    type: str
    """As OpenAI's audit log names it, as in `project.created`."""
    tenant: TenantId
    resource: str
    """What was changed, as people see its identifier."""
    details: Details
    project: ProjectId | None = None


class Audit(Protocol):
    """Writes events on behalf of one actor."""

    async def write(self, transaction: DatabaseTransaction, event: AuditEvent) -> None:
        """Add an event to the transaction. Raises what the transaction raises."""
        ...


class NoAudit:
    """Writes nothing: for commands that nobody gave, as in tests and benchmarks."""

    async def write(self, transaction: DatabaseTransaction, event: AuditEvent) -> None:
        """Do nothing."""

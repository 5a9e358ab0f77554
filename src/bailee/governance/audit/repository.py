"""All SQL of the audit log: a filter in each statement (`:own`), and row-level security."""

from typing import Any

import msgspec

from bailee.governance.audit.model import Recorded, Wanted
from bailee.kernel.ids import ProjectId
from bailee.kernel.instants import Instant
from bailee.ports.audit import AuditEvent
from bailee.ports.database import DatabaseTransaction


async def append(
    transaction: DatabaseTransaction, identifier: bytes, event: AuditEvent, actor: str, at: Instant
) -> None:
    """Add an event."""
    await transaction.rows(
        """
        INSERT INTO audit_events
            (event, tenant, effective_at, type, actor, project, resource, details)
        VALUES (:event, :tenant, :effective_at, :type, :actor, :project, :resource, :details)
        """,
        event=identifier,
        tenant=event.tenant,
        effective_at=at,
        type=event.type,
        actor=actor,
        project=event.project,
        resource=event.resource,
        details=msgspec.json.encode(event.details).decode(),
    )


async def position_of(transaction: DatabaseTransaction, identifier: bytes) -> int | None:
    """Where an event stands in the order."""
    rows = await transaction.rows(
        "SELECT position FROM audit_events WHERE tenant = :own AND event = :event", event=identifier
    )
    return int(rows[0].position) if rows else None


async def older(
    transaction: DatabaseTransaction, wanted: Wanted, position: int, limit: int
) -> list[Recorded]:
    """Up to `limit` events before a position, newest first."""
    rows = await transaction.rows(
        """
        SELECT e.event, e.effective_at, e.type, e.actor, e.project, e.details,
            p.name AS project_name
        FROM audit_events e LEFT JOIN projects p ON p.project = e.project
        WHERE e.tenant = :own AND e.position < :position
            AND e.effective_at >= :after_ms AND e.effective_at < :before_ms
            AND (:any_project OR encode(e.project, 'hex') = ANY (CAST(:projects AS text[])))
            AND (:any_type OR e.type = ANY (CAST(:types AS text[])))
            AND (:any_actor OR e.actor = ANY (CAST(:actors AS text[])))
            AND (:any_resource OR e.resource = ANY (CAST(:resources AS text[])))
        ORDER BY e.position DESC LIMIT :limit
        """,
        position=position,
        limit=limit,
        **_parameters(wanted),
    )
    return [_recorded(row) for row in rows]


async def newer(
    transaction: DatabaseTransaction, wanted: Wanted, position: int, limit: int
) -> list[Recorded]:
    """Up to `limit` events after a position, those nearest to it, newest first."""
    rows = await transaction.rows(
        """
        SELECT e.event, e.effective_at, e.type, e.actor, e.project, e.details,
            p.name AS project_name
        FROM audit_events e LEFT JOIN projects p ON p.project = e.project
        WHERE e.tenant = :own AND e.position > :position
            AND e.effective_at >= :after_ms AND e.effective_at < :before_ms
            AND (:any_project OR encode(e.project, 'hex') = ANY (CAST(:projects AS text[])))
            AND (:any_type OR e.type = ANY (CAST(:types AS text[])))
            AND (:any_actor OR e.actor = ANY (CAST(:actors AS text[])))
            AND (:any_resource OR e.resource = ANY (CAST(:resources AS text[])))
        ORDER BY e.position LIMIT :limit
        """,
        position=position,
        limit=limit,
        **_parameters(wanted),
    )
    return [_recorded(row) for row in reversed(rows)]


def _parameters(wanted: Wanted) -> dict[str, Any]:
    return {
        "after_ms": wanted.after_ms,
        "before_ms": wanted.before_ms,
        "any_project": not wanted.projects,
        "projects": [project.hex() for project in wanted.projects],
        "any_type": not wanted.types,
        "types": list(wanted.types),
        "any_actor": not wanted.actors,
        "actors": list(wanted.actors),
        "any_resource": not wanted.resources,
        "resources": list(wanted.resources),
    }


def _recorded(row: Any) -> Recorded:
    return Recorded(
        event=bytes(row.event),
        effective_at=Instant(row.effective_at),
        type=row.type,
        actor=row.actor,
        project=None if row.project is None else ProjectId(bytes(row.project)),
        project_name=row.project_name,
        details=msgspec.json.decode(row.details),
    )

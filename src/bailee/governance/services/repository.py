"""All SQL of services."""

from bailee.governance.services.model import Service
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction


async def add(transaction: DatabaseTransaction, row: Service) -> None:
    """Add a service. Raises Conflict if there is one of that name."""
    await transaction.rows(
        """
        INSERT INTO services (service, english, korean, registered_by, registered_at)
        VALUES (:service, :english, :korean, :registered_by, :registered_at)
        """,
        **row._asdict(),
    )


async def services(transaction: DatabaseTransaction) -> list[Service]:
    """All services beside the API, in the order in which they were registered."""
    rows = await transaction.rows(
        """
        SELECT service, english, korean, registered_by, registered_at
        FROM services ORDER BY position
        """
    )
    return [
        Service(row.service, row.english, row.korean, row.registered_by, Instant(row.registered_at))
        for row in rows
    ]


async def put_project_under(
    transaction: DatabaseTransaction, project: ProjectId, service: str, since: Instant
) -> bool:
    """Put a project of the organisation under a service. False if there is no such project."""
    rows = await transaction.rows(
        """
        UPDATE projects SET service = :service,
            service_since = CASE WHEN service = :service THEN service_since ELSE :since END
        WHERE tenant = :own AND project = :project RETURNING project
        """,
        service=service,
        since=since,
        project=project,
    )
    return bool(rows)


async def house(transaction: DatabaseTransaction) -> TenantId | None:
    """Across organisations: the operator's own."""
    rows = await transaction.rows("SELECT tenant FROM organisations WHERE house")
    return TenantId(bytes(rows[0].tenant)) if rows else None

"""All SQL of imports."""

from bailee.custody.seal.part import Owner
from bailee.governance.imports.model import Imported, ImportedProject
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.policy.model import RetentionMode
from bailee.ports.database import DatabaseTransaction


async def projects(transaction: DatabaseTransaction) -> list[ImportedProject]:
    """Across organisations: every project."""
    rows = await transaction.rows(
        """
        SELECT p.project, p.tenant, p.region, p.scope_generation, p.service,
            coalesce(p.retention_mode, o.retention_mode) AS retention_mode,
            p.status = 'active' AND o.status = 'active' AS active
        FROM projects p JOIN organisations o ON o.tenant = p.tenant
        """
    )
    return [
        ImportedProject(
            Owner(TenantId(bytes(row.tenant)), ProjectId(bytes(row.project)), Region(row.region)),
            row.scope_generation,
            row.service,
            RetentionMode(row.retention_mode),
            row.active,
        )
        for row in rows
    ]


async def count(
    transaction: DatabaseTransaction,
    project: ImportedProject,
    day: int,
    endpoint: str,
    imported: Imported,
) -> None:
    """Count one record."""
    await transaction.rows(
        """
        INSERT INTO imported_records AS known
            (tenant, project, day, policy, endpoint, outcome, records)
        VALUES (:tenant, :project, :day, :policy, :endpoint, :outcome, 1)
        ON CONFLICT ON CONSTRAINT imported_records_pkey DO UPDATE SET records = known.records + 1
            WHERE known.tenant = :own
        """,
        tenant=project.tenant,
        project=project.project,
        day=day,
        policy=imported.policy,
        endpoint=endpoint,
        outcome=imported.outcome.value,
    )

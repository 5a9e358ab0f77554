"""All SQL of budgets."""

from typing import Any

import msgspec

from bailee.governance.budgets.model import ModelUse, SpendAlert
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction


async def project_exists(transaction: DatabaseTransaction, project: ProjectId) -> bool:
    """Whether the organisation has such a project."""
    rows = await transaction.rows(
        "SELECT project FROM projects WHERE tenant = :own AND project = :project", project=project
    )
    return bool(rows)


async def put(transaction: DatabaseTransaction, row: SpendAlert) -> None:
    """Add an alert, or change what it says; then it was not reached yet."""
    await transaction.rows(
        """
        INSERT INTO spend_alerts (alert, tenant, project, threshold_cents, recipients,
            subject_prefix, created_at)
        VALUES (:alert, :tenant, :project, :threshold_cents, :recipients, :subject_prefix,
            :created_at)
        ON CONFLICT (alert) DO UPDATE SET threshold_cents = excluded.threshold_cents,
            recipients = excluded.recipients, subject_prefix = excluded.subject_prefix,
            reached_month = NULL
            WHERE spend_alerts.tenant = :own
        """,
        alert=row.alert,
        tenant=row.tenant,
        project=row.project,
        threshold_cents=row.threshold_cents,
        recipients=msgspec.json.encode(row.recipients).decode(),
        subject_prefix=row.subject_prefix,
        created_at=row.created_at,
    )


async def alerts(transaction: DatabaseTransaction) -> list[SpendAlert]:
    """The alerts that the transaction may see, in the order in which they were made."""
    rows = await transaction.rows(
        """
        SELECT alert, tenant, project, threshold_cents, recipients, subject_prefix, created_at,
            reached_month
        FROM spend_alerts WHERE (:everywhere OR tenant = :own) ORDER BY position
        """
    )
    return [_alert(row) for row in rows]


async def remove(transaction: DatabaseTransaction, alert: bytes) -> None:
    """Delete an alert."""
    await transaction.rows(
        "DELETE FROM spend_alerts WHERE tenant = :own AND alert = :alert", alert=alert
    )


async def mark_reached(transaction: DatabaseTransaction, alert: bytes, month: int) -> bool:
    """Record that an alert was reached in a month. False if that is known."""
    rows = await transaction.rows(
        """
        UPDATE spend_alerts SET reached_month = :month
        WHERE tenant = :own AND alert = :alert
            AND reached_month IS DISTINCT FROM :month RETURNING alert
        """,
        alert=alert,
        month=month,
    )
    return bool(rows)


async def used_since(
    transaction: DatabaseTransaction, minute: int, project: ProjectId | None
) -> list[ModelUse]:
    """What the organisation, or one of its projects, has used of each model."""
    rows = await transaction.rows(
        """
        SELECT model, CAST(sum(input_tokens) AS bigint) AS input_tokens,
            CAST(sum(output_tokens) AS bigint) AS output_tokens
        FROM usage_minutes
        WHERE tenant = :own AND minute >= :minute
            AND (:all_projects OR encode(project, 'hex') = :project)
        GROUP BY model
        """,
        minute=minute,
        all_projects=project is None,
        project="" if project is None else project.hex(),
    )
    return [ModelUse(row.model, row.input_tokens, row.output_tokens) for row in rows]


def _alert(row: Any) -> SpendAlert:
    return SpendAlert(
        alert=bytes(row.alert),
        tenant=TenantId(bytes(row.tenant)),
        project=None if row.project is None else ProjectId(bytes(row.project)),
        threshold_cents=row.threshold_cents,
        recipients=msgspec.json.decode(row.recipients, type=tuple[str, ...]),
        subject_prefix=row.subject_prefix,
        created_at=Instant(row.created_at),
        reached_month=row.reached_month,
    )

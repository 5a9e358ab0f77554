"""All SQL of applications and of verified domains, and of the modes that approvals set.

Modes stand in the rows of organisations and projects: gateways watch those.
"""

from typing import Any

import msgspec

from bailee.governance.zero_retention.model import (
    Application,
    Assessment,
    Modes,
    VerifiedDomain,
)
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.ports.database import DatabaseTransaction


async def lock(transaction: DatabaseTransaction, tenant: TenantId) -> Instant | None:
    """Let nobody else command the organisation's modes; gives when it was made.

    None if there is no such organisation.
    """
    rows = await transaction.rows(
        "SELECT created_at FROM organisations WHERE tenant = :tenant FOR UPDATE", tenant=tenant
    )
    return Instant(rows[0].created_at) if rows else None


async def lock_own(transaction: DatabaseTransaction) -> None:
    """`lock` for the organisation that the transaction names."""
    await transaction.rows("SELECT created_at FROM organisations WHERE tenant = :own FOR UPDATE")


async def project_status(transaction: DatabaseTransaction, project: ProjectId) -> str | None:
    """A project's status; None if the organisation has no such project."""
    rows = await transaction.rows(
        "SELECT status FROM projects WHERE tenant = :own AND project = :project", project=project
    )
    return rows[0].status if rows else None


async def put(transaction: DatabaseTransaction, row: Application) -> None:
    """Add an application, or write what happened to it."""
    await transaction.rows(
        """
        INSERT INTO zero_retention_applications (application, tenant, project, mode, category,
            use_case, created_at, created_by, submitted_at, submitted_by, assessment,
            decided_at, decided_by, approved, reasons, since, review_at, active_at, due_at,
            reviewed_at, reviewed_by, revoked_at, revoked_by, revocation_reasons, withdrawn_at,
            withdrawn_by)
        VALUES (:application, :tenant, :project, :mode, :category, :use_case, :created_at,
            :created_by, :submitted_at, :submitted_by, :assessment, :decided_at,
            :decided_by, :approved, :reasons, :since, :review_at, :active_at, :due_at,
            :reviewed_at, :reviewed_by, :revoked_at, :revoked_by, :revocation_reasons,
            :withdrawn_at, :withdrawn_by)
        ON CONFLICT (application) DO UPDATE SET submitted_at = excluded.submitted_at,
            submitted_by = excluded.submitted_by, assessment = excluded.assessment,
            decided_at = excluded.decided_at,
            decided_by = excluded.decided_by, approved = excluded.approved,
            reasons = excluded.reasons, since = excluded.since, review_at = excluded.review_at,
            due_at = excluded.due_at, reviewed_at = excluded.reviewed_at,
            reviewed_by = excluded.reviewed_by, revoked_at = excluded.revoked_at,
            revoked_by = excluded.revoked_by, revocation_reasons = excluded.revocation_reasons,
            withdrawn_at = excluded.withdrawn_at, withdrawn_by = excluded.withdrawn_by
            WHERE zero_retention_applications.tenant = :own
        """,
        **{
            **row._asdict(),
            "mode": row.mode.value,
            "assessment": row.assessment and msgspec.json.encode(row.assessment).decode(),
        },
    )


async def applications(transaction: DatabaseTransaction) -> list[Application]:
    """The applications that the transaction may see, in the order in which they were made."""
    rows = await transaction.rows(
        """
        SELECT application, tenant, project, mode, category, use_case, created_at, created_by,
            submitted_at, submitted_by, assessment, decided_at, decided_by, approved,
            reasons, since, review_at, active_at, due_at, reviewed_at, reviewed_by, revoked_at,
            revoked_by, revocation_reasons, withdrawn_at, withdrawn_by
        FROM zero_retention_applications WHERE (:everywhere OR tenant = :own) ORDER BY position
        """
    )
    return [_application(row) for row in rows]


async def mark_active(transaction: DatabaseTransaction, application: bytes, at: Instant) -> bool:
    """Note that every gateway worker acts on an approval. False if it is noted, or revoked."""
    rows = await transaction.rows(
        """
        UPDATE zero_retention_applications SET active_at = :at
        WHERE tenant = :own AND application = :application AND approved AND active_at IS NULL
            AND revoked_at IS NULL
        RETURNING application
        """,
        application=application,
        at=at,
    )
    return bool(rows)


async def mark_due(
    transaction: DatabaseTransaction, application: bytes, at: Instant, *, early: bool
) -> bool:
    """Note that an approval wants review. False if that is noted, or the date was moved.

    `early`: before the review date has passed.
    """
    rows = await transaction.rows(
        """
        UPDATE zero_retention_applications SET due_at = :at
        WHERE tenant = :own AND application = :application AND approved AND due_at IS NULL
            AND revoked_at IS NULL AND (:early OR review_at <= :at)
        RETURNING application
        """,
        application=application,
        at=at,
        early=early,
    )
    return bool(rows)


async def modes(transaction: DatabaseTransaction, tenant: TenantId) -> Modes:
    """The retention modes of an organisation and its projects."""
    own = await transaction.rows(
        "SELECT retention_mode FROM organisations WHERE tenant = :tenant", tenant=tenant
    )
    rows = await transaction.rows(
        "SELECT project, retention_mode FROM projects"
        " WHERE tenant = :own AND retention_mode IS NOT NULL"
    )
    return Modes(
        RetentionMode(own[0].retention_mode),
        {ProjectId(bytes(row.project)): RetentionMode(row.retention_mode) for row in rows},
    )


async def set_mode(
    transaction: DatabaseTransaction,
    tenant: TenantId,
    project: ProjectId | None,
    mode: RetentionMode | None,
) -> None:
    """Set the mode of a project (None: the organisation's holds), or of the organisation."""
    if project is not None:
        await transaction.rows(
            "UPDATE projects SET retention_mode = :mode WHERE tenant = :own AND project = :project",
            mode=None if mode is None else mode.value,
            project=project,
        )
        return
    await transaction.rows(
        "UPDATE organisations SET retention_mode = :mode WHERE tenant = :tenant",
        mode=(mode or RetentionMode.DEFAULT).value,
        tenant=tenant,
    )


async def add_domain(transaction: DatabaseTransaction, row: VerifiedDomain) -> bool:
    """Note a verified domain. False if it is noted."""
    rows = await transaction.rows(
        """
        INSERT INTO verified_domains (tenant, domain, verified_at, verified_by)
        VALUES (:tenant, :domain, :verified_at, :verified_by)
        ON CONFLICT DO NOTHING RETURNING domain
        """,
        **row._asdict(),
    )
    return bool(rows)


async def domains(transaction: DatabaseTransaction) -> list[VerifiedDomain]:
    """The organisation's verified domains, by name."""
    rows = await transaction.rows(
        "SELECT tenant, domain, verified_at, verified_by FROM verified_domains"
        " WHERE tenant = :own ORDER BY domain"
    )
    return [
        VerifiedDomain(
            TenantId(bytes(row.tenant)), row.domain, Instant(row.verified_at), row.verified_by
        )
        for row in rows
    ]


def _application(row: Any) -> Application:
    found = Application(*row)
    return found._replace(
        application=bytes(row.application),
        tenant=TenantId(bytes(row.tenant)),
        project=None if row.project is None else ProjectId(bytes(row.project)),
        mode=RetentionMode(row.mode),
        assessment=row.assessment and msgspec.json.decode(row.assessment, type=Assessment),
    )

"""All SQL of certificates.

Which are active stands in the rows of organisations and projects: gateways watch those.
"""

from collections.abc import Sequence
from typing import Any

from bailee.governance.certificates.model import Certificate
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction


async def lock(transaction: DatabaseTransaction, tenant: TenantId) -> None:
    """Let nobody else command the organisation's certificates until the transaction ends."""
    await transaction.rows(
        "SELECT tenant FROM organisations WHERE tenant = :tenant FOR UPDATE", tenant=tenant
    )


async def add(transaction: DatabaseTransaction, row: Certificate, digest: bytes) -> None:
    """Add a certificate. Raises Conflict if the organisation has it."""
    await transaction.rows(
        """
        INSERT INTO certificates
            (certificate, tenant, name, content, digest, created_at, valid_at, expires_at)
        VALUES (:certificate, :tenant, :name, :content, :digest, :created_at, :valid_at,
            :expires_at)
        """,
        certificate=row.certificate,
        tenant=row.tenant,
        name=row.name,
        content=row.content,
        digest=digest,
        created_at=row.created_at,
        valid_at=row.valid_at,
        expires_at=row.expires_at,
    )


async def certificates(transaction: DatabaseTransaction) -> list[Certificate]:
    """The certificates that the transaction may see, in the order in which they were uploaded."""
    rows = await transaction.rows(
        """
        SELECT certificate, tenant, name, content, created_at, valid_at, expires_at
        FROM certificates WHERE tenant = :own ORDER BY position
        """
    )
    return [_certificate(row) for row in rows]


async def rename(transaction: DatabaseTransaction, certificate: bytes, name: str) -> None:
    """Call a certificate something else."""
    await transaction.rows(
        "UPDATE certificates SET name = :name WHERE tenant = :own AND certificate = :certificate",
        certificate=certificate,
        name=name,
    )


async def remove(transaction: DatabaseTransaction, certificate: bytes) -> None:
    """Delete a certificate."""
    await transaction.rows(
        "DELETE FROM certificates WHERE tenant = :own AND certificate = :certificate",
        certificate=certificate,
    )


async def active_of_organisation(
    transaction: DatabaseTransaction, tenant: TenantId
) -> list[bytes] | None:
    """Which are active for all of the organisation; None if there is no such organisation."""
    rows = await transaction.rows(
        "SELECT active_certificates FROM organisations WHERE tenant = :tenant", tenant=tenant
    )
    return list(map(bytes, rows[0].active_certificates)) if rows else None


async def active_of_project(
    transaction: DatabaseTransaction, project: ProjectId
) -> list[bytes] | None:
    """Which are active for a project; None if there is no such project."""
    rows = await transaction.rows(
        "SELECT active_certificates FROM projects WHERE tenant = :own AND project = :project",
        project=project,
    )
    return list(map(bytes, rows[0].active_certificates)) if rows else None


async def is_archived(transaction: DatabaseTransaction, project: ProjectId) -> bool:
    """Whether a project has ended."""
    rows = await transaction.rows(
        "SELECT status FROM projects WHERE tenant = :own AND project = :project", project=project
    )
    return bool(rows) and rows[0].status == "archived"


async def set_active_of_organisation(
    transaction: DatabaseTransaction, tenant: TenantId, active: Sequence[bytes]
) -> None:
    """Say which are active for all of the organisation."""
    await transaction.rows(
        """
        UPDATE organisations SET active_certificates = ARRAY(
            SELECT decode(text, 'hex') FROM unnest(CAST(:active AS text[])) AS text)
        WHERE tenant = :tenant
        """,
        tenant=tenant,
        active=[certificate.hex() for certificate in active],
    )


async def set_active_of_project(
    transaction: DatabaseTransaction, project: ProjectId, active: Sequence[bytes]
) -> None:
    """Say which are active for a project."""
    await transaction.rows(
        """
        UPDATE projects SET active_certificates = ARRAY(
            SELECT decode(text, 'hex') FROM unnest(CAST(:active AS text[])) AS text)
        WHERE tenant = :own AND project = :project
        """,
        project=project,
        active=[certificate.hex() for certificate in active],
    )


async def is_active_anywhere(transaction: DatabaseTransaction, certificate: bytes) -> bool:
    """Whether the organisation or one of its projects has a certificate active."""
    rows = await transaction.rows(
        """
        SELECT 1 FROM organisations
        WHERE tenant = :own AND :certificate = ANY (active_certificates)
        UNION ALL SELECT 1 FROM projects
        WHERE tenant = :own AND :certificate = ANY (active_certificates)
        """,
        certificate=certificate,
    )
    return bool(rows)


def _certificate(row: Any) -> Certificate:
    return Certificate(
        certificate=bytes(row.certificate),
        tenant=TenantId(bytes(row.tenant)),
        name=row.name,
        content=bytes(row.content),
        created_at=Instant(row.created_at),
        valid_at=Instant(row.valid_at),
        expires_at=Instant(row.expires_at),
    )

"""All SQL of admin keys. It is confined to the transaction's organisation twice.

By a filter in each statement (`:own`) and by row-level security; each holds without the other.
"""

from typing import Any

from bailee.governance.administrators.model import AdminKey
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction


async def organisation_exists(transaction: DatabaseTransaction, tenant: TenantId) -> bool:
    """Whether there is such an organisation."""
    rows = await transaction.rows(
        "SELECT tenant FROM organisations WHERE tenant = :tenant", tenant=tenant
    )
    return bool(rows)


async def add(transaction: DatabaseTransaction, row: AdminKey, digest: bytes) -> None:
    """Add a pending key."""
    await transaction.rows(
        """
        INSERT INTO admin_api_keys (public_id, digest, tenant, name, created_at, expires_at)
        VALUES (:public_id, :digest, :tenant, :name, :created_at, :expires_at)
        """,
        public_id=row.public_id,
        digest=digest,
        tenant=row.tenant,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


async def mark_registered(
    transaction: DatabaseTransaction, public_id: str, registered_at: Instant
) -> bool:
    """Make a pending key active. False if it is not pending."""
    rows = await transaction.rows(
        """
        UPDATE admin_api_keys SET registered_at = :registered_at
        WHERE tenant = :own AND public_id = :public_id AND registered_at IS NULL
            AND revoked_at IS NULL
        RETURNING public_id
        """,
        public_id=public_id,
        registered_at=registered_at,
    )
    return bool(rows)


async def is_revoked(transaction: DatabaseTransaction, public_id: str) -> bool:
    """Whether a key has been revoked; that cannot change until the transaction ends."""
    rows = await transaction.rows(
        "SELECT revoked_at FROM admin_api_keys"
        " WHERE tenant = :own AND public_id = :public_id FOR UPDATE",
        public_id=public_id,
    )
    return bool(rows) and rows[0].revoked_at is not None


async def mark_revoked(
    transaction: DatabaseTransaction, public_id: str, revoked_at: Instant
) -> AdminKey | None:
    """Revoke a key, keeping the first instant if it was revoked before; None if it is unknown."""
    rows = await transaction.rows(
        """
        UPDATE admin_api_keys SET revoked_at = coalesce(revoked_at, :revoked_at)
        WHERE tenant = :own AND public_id = :public_id
        RETURNING public_id, tenant, name, created_at, registered_at, expires_at, revoked_at,
            withdrawn_at, last_used_at
        """,
        public_id=public_id,
        revoked_at=revoked_at,
    )
    return _key(rows[0]) if rows else None


async def mark_withdrawn(
    transaction: DatabaseTransaction, public_id: str, withdrawn_at: Instant
) -> None:
    """Record that the keeper no longer knows a key."""
    await transaction.rows(
        "UPDATE admin_api_keys SET withdrawn_at = :withdrawn_at"
        " WHERE tenant = :own AND public_id = :public_id",
        public_id=public_id,
        withdrawn_at=withdrawn_at,
    )


async def mark_used(transaction: DatabaseTransaction, public_id: str, used_at: Instant) -> None:
    """Record a use."""
    await transaction.rows(
        "UPDATE admin_api_keys SET last_used_at = :used_at"
        " WHERE tenant = :own AND public_id = :public_id",
        public_id=public_id,
        used_at=used_at,
    )


async def keys(transaction: DatabaseTransaction) -> list[AdminKey]:
    """The admin keys that the transaction may see, oldest first, revoked ones too."""
    rows = await transaction.rows(
        """
        SELECT public_id, tenant, name, created_at, registered_at, expires_at, revoked_at,
            withdrawn_at, last_used_at
        FROM admin_api_keys WHERE tenant = :own ORDER BY created_at, public_id
        """
    )
    return [_key(row) for row in rows]


async def unsettled(transaction: DatabaseTransaction, pending_before: Instant) -> list[AdminKey]:
    """Across organisations: keys left pending since before an instant, or revoked here alone."""
    rows = await transaction.rows(
        """
        SELECT public_id, tenant, name, created_at, registered_at, expires_at, revoked_at,
            withdrawn_at, last_used_at
        FROM admin_api_keys
        WHERE withdrawn_at IS NULL AND (revoked_at IS NOT NULL
            OR (registered_at IS NULL AND created_at < :pending_before))
        """,
        pending_before=pending_before,
    )
    return [_key(row) for row in rows]


async def by_digest(transaction: DatabaseTransaction, digest: bytes) -> AdminKey | None:
    """Across organisations: the key with this keyed hash, if its organisation is active."""
    rows = await transaction.rows(
        """
        SELECT k.public_id, k.tenant, k.name, k.created_at, k.registered_at, k.expires_at,
            k.revoked_at, k.withdrawn_at, k.last_used_at
        FROM admin_api_keys k JOIN organisations o ON o.tenant = k.tenant
        WHERE k.digest = :digest AND o.status = 'active'
        """,
        digest=digest,
    )
    return _key(rows[0]) if rows else None


def _key(row: Any) -> AdminKey:
    return AdminKey(
        public_id=row.public_id,
        tenant=TenantId(bytes(row.tenant)),
        name=row.name,
        created_at=Instant(row.created_at),
        registered_at=row.registered_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        withdrawn_at=row.withdrawn_at,
        last_used_at=row.last_used_at,
    )

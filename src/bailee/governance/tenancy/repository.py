"""All SQL of tenancy.

Functions take the transaction of a command. A filter in each statement (`:own`) and row-level
security confine them to the transaction's organisation, each without the other; those that read
across organisations say so and need `Database.platform_reading`.
"""

from collections.abc import Collection
from typing import Any, Final, LiteralString

import msgspec

from bailee.governance.tenancy.model import (
    ApiKey,
    Limits,
    Organisation,
    Project,
    ServiceAccount,
    Status,
)
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.ports.database import DatabaseTransaction

_PROJECTS: Final[LiteralString] = """
    SELECT project, tenant, name, region, retention_mode, scope_generation, status,
        requests_per_minute, tokens_per_minute, created_at, reject_store, model_limits, archived_at,
        service, protected_health
    FROM projects"""


async def installation_id(transaction: DatabaseTransaction) -> bytes | None:
    """The installation's identifier, if it has one."""
    rows = await transaction.rows("SELECT installation FROM installation")
    return rows[0].installation if rows else None


async def set_installation_id(transaction: DatabaseTransaction, installation: bytes) -> None:
    """Give the installation an identifier, unless it has one."""
    await transaction.rows(
        "INSERT INTO installation (installation) VALUES (:installation) ON CONFLICT DO NOTHING",
        installation=installation,
    )


async def add_organisation(
    transaction: DatabaseTransaction, row: Organisation, log_salt: bytes
) -> bool:
    """Add an organisation unless its identifier is known. True if it was added."""
    rows = await transaction.rows(
        """
        INSERT INTO organisations (tenant, name, status, created_at, log_salt)
        VALUES (:tenant, :name, :status, :created_at, :log_salt)
        ON CONFLICT (tenant) DO NOTHING RETURNING tenant
        """,
        tenant=row.tenant,
        name=row.name,
        status=row.status.value,
        created_at=row.created_at,
        log_salt=log_salt,
    )
    return bool(rows)


async def organisations(transaction: DatabaseTransaction) -> list[Organisation]:
    """The organisations that the transaction may see, oldest first."""
    rows = await transaction.rows(
        """
        SELECT tenant, name, status, created_at, retention_mode
        FROM organisations WHERE (:everywhere OR tenant = :own) ORDER BY created_at, tenant
        """
    )
    return [
        Organisation(
            TenantId(row.tenant),
            row.name,
            Status(row.status),
            Instant(row.created_at),
            RetentionMode(row.retention_mode),
        )
        for row in rows
    ]


async def set_organisation_retention(
    transaction: DatabaseTransaction, tenant: TenantId, mode: RetentionMode
) -> None:
    """Set what holds for projects without a mode of their own."""
    await transaction.rows(
        "UPDATE organisations SET retention_mode = :mode WHERE tenant = :tenant",
        mode=mode.value,
        tenant=tenant,
    )


async def add_project(transaction: DatabaseTransaction, row: Project) -> bool:
    """Add a project unless its identifier is known. True if it was added.

    Raises Conflict if the organisation has a project of that name.
    """
    rows = await transaction.rows(
        """
        INSERT INTO projects (project, tenant, name, region, retention_mode, scope_generation,
            status, requests_per_minute, tokens_per_minute, created_at, training_ended_at)
        VALUES (:project, :tenant, :name, :region, :retention_mode, :scope_generation,
            :status, :requests_per_minute, :tokens_per_minute, :created_at, :created_at)
        ON CONFLICT (project) DO NOTHING RETURNING project
        """,
        project=row.project,
        tenant=row.tenant,
        name=row.name,
        region=row.region,
        retention_mode=None if row.retention_mode is None else row.retention_mode.value,
        scope_generation=row.scope_generation,
        status=row.status.value,
        requests_per_minute=row.limits.requests_per_minute,
        tokens_per_minute=row.limits.tokens_per_minute,
        created_at=row.created_at,
    )
    return bool(rows)


async def project_named(transaction: DatabaseTransaction, name: str) -> ProjectId | None:
    """The organisation's project of this name, an archived one too."""
    rows = await transaction.rows(
        "SELECT project FROM projects WHERE tenant = :own AND name = :name", name=name
    )
    return ProjectId(rows[0].project) if rows else None


async def projects(transaction: DatabaseTransaction) -> list[Project]:
    """The projects that the transaction may see, oldest first."""
    rows = await transaction.rows(
        _PROJECTS + " WHERE (:everywhere OR tenant = :own) ORDER BY created_at, project"
    )
    return [_project(row) for row in rows]


async def project(transaction: DatabaseTransaction, project: ProjectId) -> Project | None:
    """One project."""
    rows = await transaction.rows(
        _PROJECTS + " WHERE tenant = :own AND project = :project", project=project
    )
    return _project(rows[0]) if rows else None


async def write_project(transaction: DatabaseTransaction, row: Project) -> None:
    """Write what an organisation may change of a project. Raises Conflict for a name in use."""
    await transaction.rows(
        """
        UPDATE projects SET name = :name, retention_mode = :retention_mode, status = :status,
            requests_per_minute = :requests_per_minute, tokens_per_minute = :tokens_per_minute,
            reject_store = :reject_store, model_limits = :model_limits, archived_at = :archived_at
        WHERE tenant = :own AND project = :project
        """,
        project=row.project,
        name=row.name,
        retention_mode=None if row.retention_mode is None else row.retention_mode.value,
        status=row.status.value,
        requests_per_minute=row.limits.requests_per_minute,
        tokens_per_minute=row.limits.tokens_per_minute,
        reject_store=row.reject_store,
        model_limits=msgspec.json.encode(dict(row.model_limits)).decode(),
        archived_at=row.archived_at,
    )


async def lock_project(transaction: DatabaseTransaction, project: ProjectId) -> None:
    """Let nobody else change a project until the transaction ends."""
    await transaction.rows(
        "SELECT project FROM projects WHERE tenant = :own AND project = :project FOR UPDATE",
        project=project,
    )


async def add_service_account(transaction: DatabaseTransaction, row: ServiceAccount) -> None:
    """Add a service account."""
    await transaction.rows(
        """
        INSERT INTO service_accounts (service_account, tenant, project, name, role, created_at)
        VALUES (:service_account, :tenant, :project, :name, :role, :created_at)
        """,
        service_account=row.service_account,
        tenant=row.tenant,
        project=row.project,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
    )


async def service_accounts(
    transaction: DatabaseTransaction, project: ProjectId
) -> list[ServiceAccount]:
    """A project's service accounts, oldest first, without deleted ones."""
    rows = await transaction.rows(
        """
        SELECT service_account, tenant, project, name, role, created_at FROM service_accounts
        WHERE tenant = :own AND project = :project AND deleted_at IS NULL
            ORDER BY created_at, service_account
        """,
        project=project,
    )
    return [
        ServiceAccount(
            bytes(row.service_account),
            TenantId(row.tenant),
            ProjectId(row.project),
            row.name,
            row.role,
            Instant(row.created_at),
        )
        for row in rows
    ]


async def mark_service_account_deleted(
    transaction: DatabaseTransaction, service_account: bytes, deleted_at: Instant
) -> None:
    """Delete a service account. Its keys are the caller's business."""
    await transaction.rows(
        """
        UPDATE service_accounts SET deleted_at = coalesce(deleted_at, :deleted_at)
        WHERE tenant = :own AND service_account = :service_account
        """,
        service_account=service_account,
        deleted_at=deleted_at,
    )


async def add_key(transaction: DatabaseTransaction, row: ApiKey, digest: bytes) -> None:
    """Add a pending key."""
    await transaction.rows(
        """
        INSERT INTO api_keys (public_id, digest, tenant, project, name, requests_per_minute,
            tokens_per_minute, created_at, expires_at, service_account)
        VALUES (:public_id, :digest, :tenant, :project, :name, :requests_per_minute,
            :tokens_per_minute, :created_at, :expires_at, :service_account)
        """,
        public_id=row.public_id,
        digest=digest,
        tenant=row.tenant,
        project=row.project,
        name=row.name,
        requests_per_minute=row.limits.requests_per_minute,
        tokens_per_minute=row.limits.tokens_per_minute,
        created_at=row.created_at,
        expires_at=row.expires_at,
        service_account=row.service_account,
    )


async def mark_registered(
    transaction: DatabaseTransaction, public_id: str, registered_at: Instant
) -> bool:
    """Make a pending key active. False if it is not pending."""
    rows = await transaction.rows(
        """
        UPDATE api_keys SET registered_at = :registered_at
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
        "SELECT revoked_at FROM api_keys WHERE tenant = :own AND public_id = :public_id FOR UPDATE",
        public_id=public_id,
    )
    return bool(rows) and rows[0].revoked_at is not None


async def mark_revoked(
    transaction: DatabaseTransaction, public_id: str, revoked_at: Instant
) -> ApiKey | None:
    """Revoke a key, keeping the first instant if it was revoked before; None if it is unknown."""
    rows = await transaction.rows(
        """
        UPDATE api_keys SET revoked_at = coalesce(revoked_at, :revoked_at)
        WHERE tenant = :own AND public_id = :public_id
        RETURNING public_id, tenant, project, name, requests_per_minute, tokens_per_minute,
            created_at, registered_at, expires_at, revoked_at, withdrawn_at, last_used_at,
            service_account
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
        "UPDATE api_keys SET withdrawn_at = :withdrawn_at"
        " WHERE tenant = :own AND public_id = :public_id",
        public_id=public_id,
        withdrawn_at=withdrawn_at,
    )


async def keys(transaction: DatabaseTransaction) -> list[ApiKey]:
    """The API keys that the transaction may see, oldest first."""
    rows = await transaction.rows(
        """
        SELECT public_id, tenant, project, name, requests_per_minute, tokens_per_minute,
            created_at, registered_at, expires_at, revoked_at, withdrawn_at, last_used_at,
            service_account
        FROM api_keys WHERE (:everywhere OR tenant = :own) ORDER BY created_at, public_id
        """
    )
    return [_key(row) for row in rows]


async def unsettled_keys(transaction: DatabaseTransaction, pending_before: Instant) -> list[ApiKey]:
    """Across organisations: keys left pending since before an instant, or revoked here alone."""
    rows = await transaction.rows(
        """
        SELECT public_id, tenant, project, name, requests_per_minute, tokens_per_minute,
            created_at, registered_at, expires_at, revoked_at, withdrawn_at, last_used_at,
            service_account
        FROM api_keys
        WHERE withdrawn_at IS NULL AND (revoked_at IS NOT NULL
            OR (registered_at IS NULL AND created_at < :pending_before))
        """,
        pending_before=pending_before,
    )
    return [_key(row) for row in rows]


async def tenant_of_key(transaction: DatabaseTransaction, public_id: str) -> TenantId | None:
    """Across organisations: whose key this is."""
    rows = await transaction.rows(
        "SELECT tenant FROM api_keys WHERE public_id = :public_id", public_id=public_id
    )
    return TenantId(rows[0].tenant) if rows else None


async def write_uses(transaction: DatabaseTransaction, uses: dict[str, Instant]) -> None:
    """Record when keys were last used. The gateway's role may."""
    await transaction.rows(
        "SELECT bailee_keys_used(CAST(:public_ids AS text[]), CAST(:used_at AS bigint[]))",
        public_ids=list(uses.keys()),
        used_at=[int(instant) for instant in uses.values()],
    )


async def version(transaction: DatabaseTransaction) -> int:
    """The number of the last change to anything that `facts_since` reads."""
    rows = await transaction.rows("SELECT version FROM changes WHERE topic = 'tenancy'")
    return int(rows[0].version)


async def facts_since(
    transaction: DatabaseTransaction, version: int, revoked_after: Instant
) -> list[Any]:
    """Across organisations: each key with its project and organisation, changed after `version`.

    Pending keys and keys revoked until `revoked_after` are left out.
    """
    return list(
        await transaction.rows(
            """
            SELECT k.digest, k.public_id, k.tenant, k.project, k.expires_at, k.revoked_at,
                k.requests_per_minute AS key_requests, k.tokens_per_minute AS key_tokens,
                p.region, coalesce(p.retention_mode, o.retention_mode) AS retention_mode,
                p.scope_generation, p.reject_store, p.model_limits, p.service,
                p.protected_health,
                p.requests_per_minute AS project_requests, p.tokens_per_minute AS project_tokens,
                p.status AS project_status, o.status AS organisation_status,
                o.active_certificates || p.active_certificates AS active_certificates,
                o.sharing AS organisation_sharing, p.sharing,
                o.opt_out AS organisation_opt_out, p.opt_out, p.training_generation
            FROM api_keys k
            JOIN projects p ON p.project = k.project
            JOIN organisations o ON o.tenant = k.tenant
            WHERE k.registered_at IS NOT NULL
                AND (k.revoked_at IS NULL OR k.revoked_at > :revoked_after)
                AND greatest(k.changed, p.changed, o.changed) > :version
            """,
            version=version,
            revoked_after=revoked_after,
        )
    )


async def certificate_contents(
    transaction: DatabaseTransaction, certificates: Collection[bytes]
) -> dict[bytes, bytes]:
    """Across organisations: certificates (DER) by identifier. They never change."""
    rows = await transaction.rows(
        """
        SELECT certificate, content FROM certificates
        WHERE encode(certificate, 'hex') = ANY (CAST(:certificates AS text[]))
        """,
        certificates=[certificate.hex() for certificate in certificates],
    )
    return {bytes(row.certificate): bytes(row.content) for row in rows}


def _project(row: Any) -> Project:
    return Project(
        project=ProjectId(row.project),
        tenant=TenantId(row.tenant),
        name=row.name,
        region=Region(row.region),
        retention_mode=None if row.retention_mode is None else RetentionMode(row.retention_mode),
        scope_generation=row.scope_generation,
        status=Status(row.status),
        limits=Limits(row.requests_per_minute, row.tokens_per_minute),
        created_at=Instant(row.created_at),
        reject_store=row.reject_store,
        model_limits=model_limits(row.model_limits),
        archived_at=row.archived_at,
        service=row.service,
        protected_health=row.protected_health,
    )


def model_limits(stored: str) -> dict[str, Limits]:
    """Limits by model, as their column holds them."""
    return msgspec.json.decode(stored, type=dict[str, Limits])


def _key(row: Any) -> ApiKey:
    return ApiKey(
        public_id=row.public_id,
        tenant=TenantId(row.tenant),
        project=ProjectId(row.project),
        name=row.name,
        limits=Limits(row.requests_per_minute, row.tokens_per_minute),
        created_at=Instant(row.created_at),
        registered_at=row.registered_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        withdrawn_at=row.withdrawn_at,
        last_used_at=row.last_used_at,
        service_account=None if row.service_account is None else bytes(row.service_account),
    )

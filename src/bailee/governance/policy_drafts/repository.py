"""All SQL of drafts and published versions."""

from typing import Any

from bailee.governance.policy_drafts.model import Approval, Draft, Published, State
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import DAY_MS, EPOCH_LENGTH_MS, Instant
from bailee.policy.drafting import DraftTexts
from bailee.policy.history import PolicyHistory
from bailee.policy.model import Facts, Feature, RetentionMode
from bailee.policy.simulation import Counted
from bailee.ports.database import DatabaseTransaction

_LOCK = 0x706F6C696379
"""Advisory lock of publication: the bytes of `policy`."""
_STORED_KINDS = ("chat_completion", "response")
"""What is kept for a number of days (C10); everything else is kept until it is deleted."""
_EARLY_MS = 15 * 60_000
"""As what is kept ends that long before its deadline."""


async def lock(transaction: DatabaseTransaction) -> None:
    """Let nobody else change drafts or publish until the transaction ends."""
    await transaction.rows("SELECT pg_advisory_xact_lock(:lock)", lock=_LOCK)


async def put(transaction: DatabaseTransaction, row: Draft) -> None:
    """Write a draft, without its approvals."""
    await transaction.rows(
        """
        INSERT INTO policy_drafts (draft, version, service, content, endpoints, state, author,
            created_at, written_by, written_at, digest, effective_at)
        VALUES (:draft, :version, :service, :content, :endpoints, :state, :author, :created_at,
            :author, :written_at, :digest, :effective_at)
        ON CONFLICT (draft) DO UPDATE SET version = excluded.version, service = excluded.service,
            content = excluded.content, endpoints = excluded.endpoints, state = excluded.state,
            written_at = excluded.written_at, digest = excluded.digest,
            effective_at = excluded.effective_at
        """,
        draft=row.draft,
        version=row.version,
        service=row.service,
        content=row.texts.version,
        endpoints=row.texts.endpoints,
        state=row.state.value,
        author=row.author,
        created_at=row.created_at,
        written_at=row.written_at,
        digest=row.digest,
        effective_at=row.effective,
    )


async def drafts(transaction: DatabaseTransaction) -> list[Draft]:
    """All drafts, newest first."""
    rows = await transaction.rows(
        """
        SELECT draft, version, service, content, endpoints, state, author, created_at, written_at,
            digest, effective_at
        FROM policy_drafts ORDER BY position DESC
        """
    )
    approvals: dict[bytes, list[Approval]] = {}
    for row in await transaction.rows(
        "SELECT draft, actor, approved_at FROM policy_approvals ORDER BY approved_at, actor"
    ):
        approved = Approval(row.actor, Instant(row.approved_at))
        approvals.setdefault(bytes(row.draft), []).append(approved)
    return [_draft(row, tuple(approvals.get(bytes(row.draft), ()))) for row in rows]


async def add_approval(transaction: DatabaseTransaction, draft: bytes, approval: Approval) -> None:
    """Add a person's word. Raises Conflict if it was given."""
    await transaction.rows(
        """
        INSERT INTO policy_approvals (draft, actor, approved_at)
        VALUES (:draft, :actor, :approved_at)
        """,
        draft=draft,
        actor=approval.actor,
        approved_at=approval.approved_at,
    )


async def clear_approvals(transaction: DatabaseTransaction, draft: bytes) -> None:
    """Take all words back: the draft reads differently."""
    await transaction.rows("DELETE FROM policy_approvals WHERE draft = :draft", draft=draft)


async def add_published(transaction: DatabaseTransaction, row: Published) -> None:
    """Add a version; every gateway worker is to know it."""
    await transaction.rows(
        """
        INSERT INTO policy_versions (version, service, effective_at, endpoint_table, content,
            endpoints, digest, draft, published_by, published_at)
        VALUES (:version, :service, :effective_at, :endpoint_table, :content, :endpoints, :digest,
            :draft, :published_by, :published_at)
        """,
        version=row.version,
        service=row.service,
        effective_at=row.effective,
        endpoint_table=row.endpoint_table,
        content=row.texts.version,
        endpoints=row.texts.endpoints,
        digest=row.digest,
        draft=row.draft,
        published_by=row.published_by,
        published_at=row.published_at,
    )


async def published(transaction: DatabaseTransaction) -> list[Published]:
    """The versions that this installation published, in the order of publication."""
    rows = await transaction.rows(
        """
        SELECT version, service, effective_at, endpoint_table, content, endpoints, digest, draft,
            published_by, published_at, announced_at
        FROM policy_versions ORDER BY position
        """
    )
    return [_published(row) for row in rows]


async def services(transaction: DatabaseTransaction) -> set[str]:
    """The registered services."""
    return {row.service for row in await transaction.rows("SELECT service FROM services")}


async def shorten_stored(
    transaction: DatabaseTransaction, service: str, effective: Instant, days: int
) -> int:
    """Across organisations: bring forward what was stored before a version that keeps it for fewer
    days. Gives how many things that concerned."""
    rows = await transaction.rows(
        """
        SELECT bailee_shorten_stored(:service, CAST(:effective AS bigint),
            CAST(:stored_ms AS bigint), CAST(:kinds AS text[]), CAST(:early_ms AS bigint),
            CAST(:epoch_ms AS bigint)) AS shortened
        """,
        service=service,
        effective=effective,
        stored_ms=days * DAY_MS,
        kinds=_STORED_KINDS,
        early_ms=_EARLY_MS,
        epoch_ms=EPOCH_LENGTH_MS,
    )
    return int(rows[0].shortened)


async def not_told(transaction: DatabaseTransaction, version: str) -> list[TenantId]:
    """Across organisations: active ones that were not told of a version."""
    rows = await transaction.rows(
        """
        SELECT o.tenant FROM organisations o
        WHERE o.status = 'active' AND NOT EXISTS (
            SELECT FROM policy_notices n WHERE n.tenant = o.tenant AND n.version = :version)
        ORDER BY o.created_at, o.tenant
        """,
        version=version,
    )
    return [TenantId(bytes(row.tenant)) for row in rows]


async def concerned(transaction: DatabaseTransaction, service: str) -> bool:
    """Whether the organisation has a project under a service."""
    return bool(
        await transaction.rows(
            "SELECT project FROM projects WHERE tenant = :own AND service = :service LIMIT 1",
            service=service,
        )
    )


async def note_told(
    transaction: DatabaseTransaction, tenant: TenantId, version: str, at: Instant
) -> bool:
    """Note that an organisation is told. False if it was."""
    return bool(
        await transaction.rows(
            """
            INSERT INTO policy_notices (tenant, version, noticed_at)
            VALUES (:tenant, :version, :at) ON CONFLICT DO NOTHING RETURNING version
            """,
            tenant=tenant,
            version=version,
            at=at,
        )
    )


async def mark_announced(transaction: DatabaseTransaction, version: str, at: Instant) -> None:
    """Note that every organisation was told."""
    await transaction.rows(
        """
        UPDATE policy_versions SET announced_at = coalesce(announced_at, :at)
        WHERE version = :version
        """,
        version=version,
        at=at,
    )


async def counted(
    transaction: DatabaseTransaction, service: str, since_day: int, policies: PolicyHistory
) -> list[Counted]:
    """Across organisations: the facts of a service's decisions since a day."""
    rows = await transaction.rows(
        """
        SELECT project, day, policy, endpoint, region, retention_mode, sharing_consent,
            improvement_opt_out, protected_health, store, reject_store, features,
            CAST(sum(calls) AS bigint) AS calls
        FROM decision_days WHERE service = :service AND day >= :since_day
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
        """,
        service=service,
        since_day=since_day,
    )
    return [_counted(row, service, policies) for row in rows]


def _counted(row: Any, service: str, policies: PolicyHistory) -> Counted:
    version = policies.version(row.policy)
    began = Instant(0) if version is None else version.effective
    facts = Facts(
        service=service,
        endpoint=row.endpoint,
        region=Region(row.region),
        submitted_at=Instant(max(row.day * DAY_MS, began)),
        retention_mode=RetentionMode(row.retention_mode),
        sharing_consent=row.sharing_consent,
        improvement_opt_out=row.improvement_opt_out,
        protected_health=row.protected_health,
        store_requested={"absent": None, "false": False, "true": True}[row.store],
        reject_store=row.reject_store,
        features=tuple(Feature(name) for name in row.features.split()),
    )
    return Counted(ProjectId(bytes(row.project)), facts, row.calls)


def _draft(row: Any, approvals: tuple[Approval, ...]) -> Draft:
    return Draft(
        draft=bytes(row.draft),
        version=row.version,
        service=row.service,
        texts=DraftTexts(row.content, row.endpoints),
        state=State(row.state),
        author=row.author,
        created_at=Instant(row.created_at),
        written_at=Instant(row.written_at),
        digest=None if row.digest is None else bytes(row.digest),
        effective=None if row.effective_at is None else Instant(row.effective_at),
        approvals=approvals,
    )


def _published(row: Any) -> Published:
    return Published(
        version=row.version,
        service=row.service,
        effective=Instant(row.effective_at),
        endpoint_table=row.endpoint_table,
        texts=DraftTexts(row.content, row.endpoints),
        digest=bytes(row.digest),
        draft=bytes(row.draft),
        published_by=row.published_by,
        published_at=Instant(row.published_at),
        announced_at=None if row.announced_at is None else Instant(row.announced_at),
    )

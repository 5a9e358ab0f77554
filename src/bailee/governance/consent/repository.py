"""All SQL of consent.

Functions take the transaction of a command; `unfinished` reads across organisations and needs
`Database.platform_reading`. `sharing` and `opt_out` of organisations and projects repeat what the
ledger says now, as turns (`policy.turns`), where gateways read their facts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from bailee.governance.consent.model import Kind, Statement, Subject
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.ports.database import DatabaseTransaction


class Ending(NamedTuple):
    """A project, as far as destroying what it shared goes."""

    tenant: TenantId
    project: ProjectId
    region: Region
    organisation: tuple[int, ...]
    """The organisation's turns of sharing."""
    own: tuple[int, ...] | None
    """The project's."""
    generation: int
    """Of its scope for training."""
    ended_at: Instant
    """Up to which turn the destruction of what was shared is finished."""


async def lock(transaction: DatabaseTransaction, tenant: TenantId) -> bool:
    """Let nobody else state anything for the organisation until commit. False: there is none."""
    rows = await transaction.rows(
        "SELECT tenant FROM organisations WHERE tenant = :tenant FOR UPDATE", tenant=tenant
    )
    return bool(rows)


async def ledger(transaction: DatabaseTransaction) -> list[Statement]:
    """Every row of the organisation's ledger, in the order in which it was written."""
    rows = await transaction.rows(
        """
        SELECT statement, tenant, project, kind, stands, valid_from, valid_until, recorded_at,
            superseded_at, text, text_digest, actor
        FROM consents WHERE tenant = :own ORDER BY position
        """
    )
    return [_statement(row) for row in rows]


async def supersede(transaction: DatabaseTransaction, statement: bytes, at: Instant) -> None:
    """From now on the ledger says something else."""
    await transaction.rows(
        """
        UPDATE consents SET superseded_at = :at
        WHERE tenant = :own AND statement = :row AND superseded_at IS NULL
        """,
        row=statement,
        at=at,
    )


async def add(transaction: DatabaseTransaction, row: Statement) -> None:
    """Add a row."""
    await transaction.rows(
        """
        INSERT INTO consents (statement, tenant, project, kind, stands, valid_from, valid_until,
            recorded_at, superseded_at, text, text_digest, actor)
        VALUES (:row, :tenant, :project, :kind, :stands, :valid_from, :valid_until,
            :recorded_at, NULL, :text, :text_digest, :actor)
        """,
        row=row.statement,
        tenant=row.tenant,
        project=row.project,
        kind=row.kind.value,
        stands=row.stands,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        recorded_at=row.recorded_at,
        text=row.text,
        text_digest=row.text_digest,
        actor=row.actor,
    )


async def set_turns(
    transaction: DatabaseTransaction,
    tenant: TenantId,
    project: ProjectId | None,
    kind: Kind,
    turns: Sequence[int],
) -> None:
    """Let gateways know. Their version of the facts moves."""
    if project is None and kind is Kind.SHARING:
        await transaction.rows(
            "UPDATE organisations SET sharing = CAST(:turns AS bigint[]) WHERE tenant = :tenant",
            turns=list(turns),
            tenant=tenant,
        )
    elif project is None:
        await transaction.rows(
            "UPDATE organisations SET opt_out = CAST(:turns AS bigint[]) WHERE tenant = :tenant",
            turns=list(turns),
            tenant=tenant,
        )
    elif kind is Kind.SHARING:
        await transaction.rows(
            """
            UPDATE projects SET sharing = CAST(:turns AS bigint[])
            WHERE tenant = :tenant AND project = :project
            """,
            tenant=tenant,
            turns=list(turns),
            project=project,
        )
    else:
        await transaction.rows(
            """
            UPDATE projects SET opt_out = CAST(:turns AS bigint[])
            WHERE tenant = :tenant AND project = :project
            """,
            tenant=tenant,
            turns=list(turns),
            project=project,
        )


async def subjects(transaction: DatabaseTransaction) -> list[Subject]:
    """The organisation's projects that are not archived, oldest first."""
    rows = await transaction.rows(
        """
        SELECT p.project, p.name, coalesce(p.retention_mode, o.retention_mode) AS retention_mode,
            p.protected_health
        FROM projects p JOIN organisations o ON o.tenant = p.tenant
        WHERE p.tenant = :own AND p.archived_at IS NULL ORDER BY p.created_at, p.project
        """
    )
    return [
        Subject(
            ProjectId(row.project),
            row.name,
            RetentionMode(row.retention_mode),
            row.protected_health,
        )
        for row in rows
    ]


async def endings(transaction: DatabaseTransaction) -> list[Ending]:
    """The projects that the transaction may see in which sharing may have ended unfinished."""
    rows = await transaction.rows(
        """
        SELECT p.tenant, p.project, p.region, o.sharing AS organisation, p.sharing AS own,
            p.training_generation, p.training_ended_at
        FROM projects p JOIN organisations o ON o.tenant = p.tenant
        WHERE (:everywhere OR p.tenant = :own) AND p.training_ended_at < greatest(
            o.sharing[array_upper(o.sharing, 1)], p.sharing[array_upper(p.sharing, 1)])
        ORDER BY p.project
        """
    )
    return [_ending(row) for row in rows]


async def lock_ending(transaction: DatabaseTransaction, project: ProjectId) -> int | None:
    """The generation of a project's scope for training, unchanged until commit."""
    rows = await transaction.rows(
        "SELECT training_generation FROM projects WHERE tenant = :own AND project = :project"
        " FOR UPDATE",
        project=project,
    )
    return int(rows[0].training_generation) if rows else None


async def finish_ending(
    transaction: DatabaseTransaction, project: ProjectId, generation: int, ended_at: Instant
) -> None:
    """What was shared until `ended_at` is destroyed; whoever shares again begins `generation`."""
    await transaction.rows(
        """
        UPDATE projects SET training_generation = :generation, training_ended_at = :ended_at
        WHERE tenant = :own AND project = :project
        """,
        project=project,
        generation=generation,
        ended_at=ended_at,
    )


async def add_receipt(
    transaction: DatabaseTransaction, subject: str, leaf: bytes, statement: bytes
) -> bool:
    """Add a destruction that awaits its receipt. False if it is known."""
    rows = await transaction.rows(
        """
        INSERT INTO receipts (subject, leaf, statement) VALUES (:subject, :leaf, :word)
        ON CONFLICT (subject) DO NOTHING RETURNING subject
        """,
        subject=subject,
        leaf=leaf,
        word=statement,
    )
    return bool(rows)


async def has_receipt(transaction: DatabaseTransaction, subject: str) -> bool:
    """Whether a destruction is known."""
    rows = await transaction.rows(
        "SELECT subject FROM receipts WHERE subject = :subject", subject=subject
    )
    return bool(rows)


def _statement(row: Any) -> Statement:
    return Statement(
        bytes(row.statement),
        TenantId(row.tenant),
        None if row.project is None else ProjectId(row.project),
        Kind(row.kind),
        row.stands,
        Instant(row.valid_from),
        row.valid_until,
        Instant(row.recorded_at),
        row.superseded_at,
        row.text,
        row.text_digest,
        row.actor,
    )


def _ending(row: Any) -> Ending:
    return Ending(
        TenantId(row.tenant),
        ProjectId(row.project),
        Region(row.region),
        tuple(row.organisation),
        None if row.own is None else tuple(row.own),
        row.training_generation,
        Instant(row.training_ended_at),
    )

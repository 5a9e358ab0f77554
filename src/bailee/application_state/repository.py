"""All SQL of what is kept until it is deleted.

Row-level security confines each statement to the transaction's organisation; every statement names
the project besides. Those that read across organisations need `Database.platform_reading`.
"""

from typing import Any, Final

from bailee.application_state.model import HeldObject, Kind, Page, State
from bailee.kernel.ids import ObjectId, ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction

AT_ONCE: Final = 200


async def add(transaction: DatabaseTransaction, row: HeldObject) -> None:
    """Add a thing."""
    await transaction.rows(
        """
        INSERT INTO held_objects (object, tenant, project, region, kind, public_id, parent, state,
            label, created_at, expires_at, size_bytes, digest, key_block, details, work_grant)
        VALUES (:object, :tenant, :project, :region, :kind, :public_id, :parent, :state,
            :label, :created_at, :expires_at, :size_bytes, :digest, :key_block,
            :details, :work_grant)
        """,
        object=row.object,
        tenant=row.tenant,
        project=row.project,
        region=row.region,
        kind=row.kind.value,
        public_id=row.public_id,
        parent=row.parent,
        state=row.state.value,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        size_bytes=row.size_bytes,
        digest=row.digest,
        key_block=row.key_block,
        details=row.details,
        work_grant=row.work_grant,
    )


async def mark_kept(transaction: DatabaseTransaction, row: HeldObject) -> bool:
    """A pending thing's content is durable. False if it is not pending any more."""
    rows = await transaction.rows(
        """
        UPDATE held_objects SET state = 'kept', size_bytes = :size_bytes, digest = :digest,
            label = :label, expires_at = :expires_at, details = :details
        WHERE object = :object AND state = 'pending' RETURNING object
        """,
        object=row.object,
        size_bytes=row.size_bytes,
        digest=row.digest,
        label=row.label,
        expires_at=row.expires_at,
        details=row.details,
    )
    return bool(rows)


async def find(
    transaction: DatabaseTransaction, project: ProjectId, kind: Kind, public_id: str, now: Instant
) -> HeldObject | None:
    """A thing that is kept and not past its deadline."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects
        WHERE project = :project AND kind = :kind AND public_id = :public_id AND state = 'kept'
            AND (expires_at IS NULL OR expires_at > :now)
        """,
        project=project,
        kind=kind.value,
        public_id=public_id,
        now=now,
    )
    return _held(rows[0]) if rows else None


async def find_all(
    transaction: DatabaseTransaction,
    project: ProjectId,
    kind: Kind,
    public_ids: list[str],
    now: Instant,
) -> list[HeldObject]:
    """Those of some things that are kept and not past their deadlines."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects
        WHERE project = :project AND kind = :kind AND public_id = ANY(:public_ids)
            AND state = 'kept' AND (expires_at IS NULL OR expires_at > :now)
        """,
        project=project,
        kind=kind.value,
        public_ids=public_ids,
        now=now,
    )
    return [_held(row) for row in rows]


async def page(
    transaction: DatabaseTransaction,
    project: ProjectId,
    kind: Kind,
    now: Instant,
    *,
    parent: ObjectId | None = None,
    label: str | None = None,
    after: str | None = None,
    limit: int,
    descending: bool = True,
) -> Page:
    """Kept things of a kind, by arrival, behind the one called `after`."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects
        WHERE project = :project AND kind = :kind AND state = 'kept'
            AND (expires_at IS NULL OR expires_at > :now)
            AND (CAST(:parent AS bytea) IS NULL OR parent = :parent)
            AND (CAST(:label AS text) IS NULL OR label = :label)
            AND (CAST(:after AS text) IS NULL OR position * :sign > :sign * (
                SELECT position FROM held_objects WHERE public_id = :after AND project = :project
            ))
        ORDER BY position * :sign LIMIT :count
        """,
        project=project,
        kind=kind.value,
        now=now,
        parent=parent,
        label=label,
        after=after,
        sign=-1 if descending else 1,
        count=limit + 1,
    )
    found = [_held(row) for row in rows]
    return Page(found[:limit], len(found) > limit)


async def update(
    transaction: DatabaseTransaction,
    name: ObjectId,
    *,
    details: bytes,
    label: str,
    former: bytes,
) -> bool:
    """Replace the details. False if they are not `former` any more, or the thing is gone."""
    rows = await transaction.rows(
        """
        UPDATE held_objects SET details = :details, label = :label
        WHERE object = :object AND state = 'kept' AND details = :former RETURNING object
        """,
        object=name,
        details=details,
        label=label,
        former=former,
    )
    return bool(rows)


async def drop_grant(transaction: DatabaseTransaction, name: ObjectId) -> None:
    """Work on a thing is over: what it might open, nobody needs to open any more."""
    await transaction.rows(
        "UPDATE held_objects SET work_grant = NULL WHERE object = :object", object=name
    )


async def mark_deleting(
    transaction: DatabaseTransaction, names: list[ObjectId]
) -> list[HeldObject]:
    """End things and whatever is a part of them; gives those that were not ended before."""
    rows = await transaction.rows(
        """
        WITH RECURSIVE family AS (
            SELECT object FROM held_objects WHERE object = ANY(CAST(:names AS bytea[]))
            UNION SELECT child.object FROM held_objects child
                JOIN family ON child.parent = family.object
        )
        UPDATE held_objects SET state = 'deleting'
        WHERE object IN (SELECT object FROM family) AND state IN ('pending', 'kept')
        RETURNING object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        """,
        names=[*names],
    )
    return [_held(row) for row in rows]


async def mark_destroyed(
    transaction: DatabaseTransaction, name: ObjectId, deleted_at: Instant
) -> bool:
    """The secret is gone, and with it what only it could open. False if it was said before."""
    rows = await transaction.rows(
        """
        UPDATE held_objects SET state = 'destroyed', deleted_at = :deleted_at,
            key_block = '', details = '', label = '', work_grant = NULL
        WHERE object = :object AND state = 'deleting' RETURNING object
        """,
        object=name,
        deleted_at=deleted_at,
    )
    return bool(rows)


async def add_receipt(
    transaction: DatabaseTransaction, subject: str, leaf: bytes, signed: bytes
) -> bool:
    """A destruction whose receipt is to be made. False if it is known."""
    rows = await transaction.rows(
        """
        INSERT INTO receipts (subject, leaf, statement) VALUES (:subject, :leaf, :signed)
        ON CONFLICT (subject) DO NOTHING RETURNING subject
        """,
        subject=subject,
        leaf=leaf,
        signed=signed,
    )
    return bool(rows)


async def is_known(transaction: DatabaseTransaction, name: ObjectId) -> bool:
    """Across organisations: whether there is, or was, a thing with this key."""
    rows = await transaction.rows(
        "SELECT object FROM held_objects WHERE object = :object", object=name
    )
    return bool(rows)


async def destroyed(
    transaction: DatabaseTransaction, project: ProjectId, public_id: str
) -> HeldObject | None:
    """A thing that was destroyed or is about to be."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects
        WHERE project = :project AND public_id = :public_id AND state IN ('deleting', 'destroyed')
        """,
        project=project,
        public_id=public_id,
    )
    return _held(rows[0]) if rows else None


async def has_expired(
    transaction: DatabaseTransaction, project: ProjectId, kind: Kind, public_id: str, now: Instant
) -> bool:
    """Whether there was a thing of this name that ended by its deadline, and by nothing before."""
    rows = await transaction.rows(
        """
        SELECT object FROM held_objects
        WHERE project = :project AND kind = :kind AND public_id = :public_id
            AND expires_at <= :now AND (deleted_at IS NULL OR deleted_at >= expires_at)
        """,
        project=project,
        kind=kind.value,
        public_id=public_id,
        now=now,
    )
    return bool(rows)


async def anywhere(transaction: DatabaseTransaction, public_id: str) -> HeldObject | None:
    """Across organisations: a thing in whichever state."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects WHERE public_id = :public_id
        """,
        public_id=public_id,
    )
    return _held(rows[0]) if rows else None


async def receipt(transaction: DatabaseTransaction, subject: str) -> bytes | None:
    """The receipt of a destruction, once it was made."""
    rows = await transaction.rows(
        "SELECT document FROM receipts WHERE subject = :subject", subject=subject
    )
    return rows[0].document if rows else None


async def ending(
    transaction: DatabaseTransaction, now: Instant, abandoned_before: Instant
) -> list[HeldObject]:
    """Across organisations: what is to be carried to its end now.

    What is being deleted, what is past its deadline, and what was begun and never finished.
    """
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects
        WHERE state = 'deleting' OR (state IN ('kept', 'pending') AND expires_at <= :now)
            OR (state = 'pending' AND created_at < :abandoned_before)
        ORDER BY position LIMIT :count
        """,
        now=now,
        abandoned_before=abandoned_before,
        count=AT_ONCE,
    )
    return [_held(row) for row in rows]


async def by_objects(transaction: DatabaseTransaction, names: list[ObjectId]) -> list[HeldObject]:
    """Kept things by the names of their keys, in no order."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects WHERE object = ANY(CAST(:names AS bytea[])) AND state = 'kept'
        """,
        names=[*names],
    )
    return [_held(row) for row in rows]


async def of_kind(
    transaction: DatabaseTransaction, kind: Kind, labels: list[str]
) -> list[HeldObject]:
    """Across organisations: kept things of a kind with one of some labels, oldest first."""
    rows = await transaction.rows(
        """
        SELECT object, tenant, project, region, kind, public_id, parent, position, state, label,
            created_at, expires_at, deleted_at, size_bytes, digest, key_block, details, work_grant
        FROM held_objects WHERE kind = :kind AND state = 'kept' AND label = ANY(:labels)
        ORDER BY position LIMIT :count
        """,
        kind=kind.value,
        labels=labels,
        count=AT_ONCE,
    )
    return [_held(row) for row in rows]


def _held(row: Any) -> HeldObject:
    return HeldObject(
        ObjectId(row.object),
        TenantId(row.tenant),
        ProjectId(row.project),
        Region(row.region),
        Kind(row.kind),
        row.public_id,
        None if row.parent is None else ObjectId(row.parent),
        row.position,
        State(row.state),
        row.label,
        Instant(row.created_at),
        row.expires_at,
        row.deleted_at,
        row.size_bytes,
        row.digest,
        row.key_block,
        row.details,
        row.work_grant,
    )

"""What lies elsewhere on an owner's behalf, by the names that it has there, and all SQL of it.

Each belongs to a kept thing: a run to its job, a model to its adapter. It is noted before it can
exist, and forgotten when it was ended there, so that whatever ends the kept thing (its owner, a
deadline, a failure) leaves a note of what is still to be ended. The names are random or the
provider's, never content.
"""

import enum
from typing import Final, NamedTuple

from bailee.kernel.ids import ObjectId, ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction

AT_ONCE: Final = 100


class RemoteKind(enum.Enum):
    """What it is. The value is stored."""

    RUN = "run"
    MODEL = "model"


class RemoteThing(NamedTuple):
    """Something that lies elsewhere."""

    backend: str
    name: str
    kind: RemoteKind
    object: ObjectId
    """The kept thing that it belongs to."""
    tenant: TenantId
    project: ProjectId


async def note(transaction: DatabaseTransaction, thing: RemoteThing, now: Instant) -> None:
    """Note that it may exist. Noting it again does nothing."""
    await transaction.rows(
        """
        INSERT INTO remote_things (backend, name, kind, object, tenant, project, created_at)
        VALUES (:backend, :name, :kind, :object, :tenant, :project, :now)
        ON CONFLICT (backend, name) DO NOTHING
        """,
        backend=thing.backend,
        name=thing.name,
        kind=thing.kind.value,
        object=thing.object,
        tenant=thing.tenant,
        project=thing.project,
        now=now,
    )


async def forget(transaction: DatabaseTransaction, backend: str, name: str) -> None:
    """It was ended there."""
    await transaction.rows(
        "DELETE FROM remote_things WHERE backend = :backend AND name = :name",
        backend=backend,
        name=name,
    )


async def to_end(transaction: DatabaseTransaction, over: list[str]) -> list[RemoteThing]:
    """Across organisations: what belongs to nothing that is kept, or to a job that is `over`."""
    rows = await transaction.rows(
        """
        SELECT remote.backend, remote.name, remote.kind, remote.object, remote.tenant,
            remote.project
        FROM remote_things remote LEFT JOIN held_objects held ON held.object = remote.object
        WHERE held.object IS NULL OR held.state IN ('deleting', 'destroyed')
            OR (remote.kind = 'run' AND held.label = ANY(:over))
        ORDER BY remote.created_at LIMIT :count
        """,
        over=over,
        count=AT_ONCE,
    )
    return [
        RemoteThing(
            row.backend,
            row.name,
            RemoteKind(row.kind),
            ObjectId(row.object),
            TenantId(row.tenant),
            ProjectId(row.project),
        )
        for row in rows
    ]


async def models_kept(
    transaction: DatabaseTransaction, backend: str, project: ProjectId
) -> frozenset[str]:
    """The names of a project's models at a backend that belong to kept adapters."""
    rows = await transaction.rows(
        """
        SELECT remote.name FROM remote_things remote
            JOIN held_objects held ON held.object = remote.object
        WHERE remote.backend = :backend AND remote.project = :project AND remote.kind = 'model'
            AND held.state = 'kept'
        """,
        backend=backend,
        project=project,
    )
    return frozenset(row.name for row in rows)

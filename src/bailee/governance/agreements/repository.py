"""All SQL of agreements. It is confined to the transaction's organisation twice.

By a filter in each statement (`:own`) and by row-level security; each holds without the other.
"""

from collections.abc import Collection
from typing import Any, Final, LiteralString, NamedTuple

import msgspec

from bailee.governance.agreements.model import (
    IN_PREPARATION,
    Agreement,
    Ended,
    Kind,
    Language,
    Signature,
    State,
)
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction

_COLUMNS: Final[LiteralString] = """agreement, tenant, kind, version, text_digest, language, state,
    form, created_at, submitted_at, reviewed_by, reviewed_at, review_reasons, signed_by,
    signed_name, signed_title, signed_at, countersigned_by, countersigned_name,
    countersigned_title, countersigned_at, operator_name, operator_address, executed_at,
    document_digest, in_force_until, ended_by, ended_at, end_reasons"""


class Publication(NamedTuple):
    """That a version of a text was published here."""

    kind: Kind
    version: str
    text_digest: bytes
    published_at: Instant


async def insert(transaction: DatabaseTransaction, row: Agreement) -> None:
    """Add a draft. Raises Conflict if the organisation prepares one of this kind."""
    await transaction.rows(
        """
        INSERT INTO agreements (agreement, tenant, kind, version, text_digest, language, state,
            form, created_at)
        VALUES (:agreement, :tenant, :kind, :version, :text_digest, :language, :state, :form,
            :created_at)
        """,
        agreement=row.agreement,
        tenant=row.tenant,
        kind=row.kind.value,
        version=row.version,
        text_digest=row.text_digest,
        language=row.language.value,
        state=row.state.value,
        form=_encoded(row.form),
        created_at=row.created_at,
    )


async def all_of(transaction: DatabaseTransaction) -> list[Agreement]:
    """The agreements that the transaction may see, in the order in which they were begun."""
    rows = await transaction.rows(
        f"SELECT {_COLUMNS} FROM agreements WHERE tenant = :own ORDER BY position"  # noqa: S608
    )
    return [_agreement(row) for row in rows]


async def one(
    transaction: DatabaseTransaction, agreement: bytes, *, lock: bool = False
) -> Agreement | None:
    """One agreement; `lock`: nobody else changes it until the transaction ends."""
    statement: LiteralString = (
        f"SELECT {_COLUMNS} FROM agreements"  # noqa: S608
        " WHERE tenant = :own AND agreement = :agreement"
    )
    if lock:
        statement += " FOR UPDATE"
    rows = await transaction.rows(statement, agreement=agreement)
    return _agreement(rows[0]) if rows else None


async def write(transaction: DatabaseTransaction, row: Agreement) -> None:
    """Put down what commands change; never the document, which is the clerk's."""
    review = row.reviewed or _NOBODY
    signed, counter = row.signature or _UNSIGNED, row.countersignature or _UNSIGNED
    ended = row.ended or _NOBODY
    await transaction.rows(
        """
        UPDATE agreements SET state = :state, language = :language, form = :form,
            submitted_at = :submitted_at,
            reviewed_by = :reviewed_by, reviewed_at = :reviewed_at,
            review_reasons = :review_reasons, signed_by = :signed_by,
            signed_name = :signed_name, signed_title = :signed_title, signed_at = :signed_at,
            countersigned_by = :countersigned_by, countersigned_name = :countersigned_name,
            countersigned_title = :countersigned_title, countersigned_at = :countersigned_at,
            operator_name = :operator_name, operator_address = :operator_address,
            in_force_until = :in_force_until,
            ended_by = :ended_by, ended_at = :ended_at, end_reasons = :end_reasons
        WHERE tenant = :own AND agreement = :agreement
        """,
        agreement=row.agreement,
        state=row.state.value,
        language=row.language.value,
        form=_encoded(row.form),
        submitted_at=row.submitted_at,
        reviewed_by=review[0],
        reviewed_at=review[1],
        review_reasons=review[2],
        signed_name=signed[0],
        signed_title=signed[1],
        signed_by=signed[2],
        signed_at=signed[3],
        countersigned_name=counter[0],
        countersigned_title=counter[1],
        countersigned_by=counter[2],
        countersigned_at=counter[3],
        operator_name=row.operator_name,
        operator_address=row.operator_address,
        in_force_until=row.in_force_until,
        ended_by=ended[0],
        ended_at=ended[1],
        end_reasons=ended[2],
    )


async def execute(transaction: DatabaseTransaction, row: Agreement, document: bytes) -> None:
    """Put down the signed document, with which the agreement is executed."""
    await transaction.rows(
        """
        UPDATE agreements SET state = :state, executed_at = :executed_at, document = :document,
            document_digest = :document_digest
        WHERE tenant = :own AND agreement = :agreement
        """,
        agreement=row.agreement,
        state=row.state.value,
        executed_at=row.executed_at,
        document=document,
        document_digest=row.document_digest,
    )


async def give_notice(transaction: DatabaseTransaction, agreement: bytes, until: Instant) -> None:
    """Say until when an executed agreement is in force."""
    await transaction.rows(
        "UPDATE agreements SET in_force_until = :until"
        " WHERE tenant = :own AND agreement = :agreement",
        agreement=agreement,
        until=until,
    )


async def supersede(transaction: DatabaseTransaction, row: Agreement) -> None:
    """Let an executed agreement end, for a newer one or by notice."""
    ended = row.ended or _NOBODY
    await transaction.rows(
        """
        UPDATE agreements SET state = :state, ended_by = :ended_by, ended_at = :ended_at,
            end_reasons = :end_reasons
        WHERE tenant = :own AND agreement = :agreement
        """,
        agreement=row.agreement,
        state=row.state.value,
        ended_by=ended[0],
        ended_at=ended[1],
        end_reasons=ended[2],
    )


async def document(transaction: DatabaseTransaction, agreement: bytes) -> bytes | None:
    """The signed PDF of an agreement that was executed."""
    rows = await transaction.rows(
        "SELECT document FROM agreements WHERE tenant = :own AND agreement = :agreement",
        agreement=agreement,
    )
    return bytes(rows[0].document) if rows and rows[0].document is not None else None


async def in_state(
    transaction: DatabaseTransaction, states: Collection[State], *, lock: bool = False
) -> list[Agreement]:
    """The agreements in one of some states, in the order in which they were begun."""
    statement: LiteralString = f"""
        SELECT {_COLUMNS} FROM agreements
        WHERE (:everywhere OR tenant = :own) AND state = ANY (CAST(:states AS text[]))
            ORDER BY position
        """  # noqa: S608
    if lock:
        statement += " FOR UPDATE"
    rows = await transaction.rows(statement, states=[state.value for state in states])
    return [_agreement(row) for row in rows]


async def prepares(transaction: DatabaseTransaction, kind: Kind) -> bool:
    """Whether the organisation prepares an agreement of a kind."""
    open_ones = await in_state(transaction, IN_PREPARATION | {State.COUNTERSIGNED})
    return any(row.kind is kind for row in open_ones)


async def publications(transaction: DatabaseTransaction) -> list[Publication]:
    """Every publication, oldest first."""
    rows = await transaction.rows(
        """
        SELECT kind, version, text_digest, published_at FROM agreement_versions
        ORDER BY published_at, version
        """
    )
    return [
        Publication(Kind(row.kind), row.version, bytes(row.text_digest), Instant(row.published_at))
        for row in rows
    ]


async def publish(
    transaction: DatabaseTransaction, publication: Publication, published_by: str
) -> None:
    """Put down that a version was published. Raises Conflict if it was."""
    await transaction.rows(
        """
        INSERT INTO agreement_versions (kind, version, text_digest, published_at, published_by)
        VALUES (:kind, :version, :text_digest, :published_at, :published_by)
        """,
        kind=publication.kind.value,
        version=publication.version,
        text_digest=publication.text_digest,
        published_at=publication.published_at,
        published_by=published_by,
    )


async def project_status(transaction: DatabaseTransaction, project: ProjectId) -> str | None:
    """Whether the organisation has a project, and its status; nobody else changes it meanwhile."""
    rows = await transaction.rows(
        "SELECT status FROM projects WHERE tenant = :own AND project = :project FOR UPDATE",
        project=project,
    )
    return str(rows[0].status) if rows else None


async def protect(transaction: DatabaseTransaction, project: ProjectId) -> None:
    """Put a project under the business associate agreement."""
    await transaction.rows(
        "UPDATE projects SET protected_health = true WHERE tenant = :own AND project = :project",
        project=project,
    )


async def protected_projects(transaction: DatabaseTransaction) -> int:
    """How many of the organisation's projects are protected and not archived."""
    rows = await transaction.rows(
        """
        SELECT count(*) AS projects FROM projects
        WHERE tenant = :own AND protected_health AND status <> 'archived'
        """
    )
    return int(rows[0].projects)


_NOBODY: Final = (None, None, None)
_UNSIGNED: Final = (None, None, None, None)


def _encoded(form: Any) -> str:
    return msgspec.json.encode(dict(form)).decode()


def _agreement(row: Any) -> Agreement:
    return Agreement(
        agreement=bytes(row.agreement),
        tenant=TenantId(bytes(row.tenant)),
        kind=Kind(row.kind),
        version=row.version,
        text_digest=bytes(row.text_digest),
        language=Language(row.language),
        state=State(row.state),
        form=msgspec.json.decode(row.form, type=dict[str, str]),
        created_at=Instant(row.created_at),
        submitted_at=row.submitted_at,
        reviewed=_ended(row.reviewed_by, row.reviewed_at, row.review_reasons),
        signature=_signature(row.signed_name, row.signed_title, row.signed_by, row.signed_at),
        countersignature=_signature(
            row.countersigned_name,
            row.countersigned_title,
            row.countersigned_by,
            row.countersigned_at,
        ),
        operator_name=row.operator_name,
        operator_address=row.operator_address,
        executed_at=row.executed_at,
        document_digest=None if row.document_digest is None else bytes(row.document_digest),
        in_force_until=row.in_force_until,
        ended=_ended(row.ended_by, row.ended_at, row.end_reasons),
    )


def _signature(
    name: str | None, title: str | None, actor: str | None, at: int | None
) -> Signature | None:
    if name is None or title is None or actor is None or at is None:
        return None
    return Signature(name, title, actor, Instant(at))


def _ended(actor: str | None, at: int | None, reasons: str | None) -> Ended | None:
    if actor is None or at is None:
        return None
    return Ended(actor, Instant(at), reasons or "")

"""`ports.ledger.Ledger`: rows about epochs, journals, segments and receipts.

The transaction's log entries are gathered and inserted by one statement before commit; then, last
of all, the fence is checked under a lock on the lease's row (see `leases`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bailee.drivers.postgres.failures import kinds
from bailee.drivers.postgres.leases import check_fence
from bailee.drivers.postgres.outbox import check_leaf, insert_leaves
from bailee.drivers.postgres.transactions import begin
from bailee.kernel.errors import Conflict
from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, Region
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.ledger import (
    EpochRow,
    EpochState,
    JournalRow,
    JournalState,
    LedgerTransaction,
    ReceiptRow,
    SegmentRow,
)
from bailee.schema.tables import epochs, journals, receipts, segments

_JOURNAL_OFFSET: Final = 1 << 63
"""What an unsigned journal identifier is lessened by, to fit a signed column."""


class PostgresLedger:
    """The ledger on an engine of the gateway or the clerk."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def transaction(
        self, fence: tuple[str, int] | None = None
    ) -> AsyncIterator[LedgerTransaction]:
        """Begin; commit, durably, on leaving without an exception."""
        async with begin(self._engine) as connection:
            transaction = _Transaction(connection)
            yield transaction
            with kinds():
                await insert_leaves(connection, transaction.leaves)
                if fence is not None:
                    await check_fence(connection, fence)


class _Transaction:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.leaves: list[bytes] = []

    async def append_entry(self, leaf: bytes) -> None:
        self.leaves.append(check_leaf(leaf))

    async def add_epoch(self, row: EpochRow) -> bool:
        statement = insert(epochs).values(_epoch_values(row)).on_conflict_do_nothing()
        return await self._changed(statement) == 1

    async def epochs(self, states: frozenset[EpochState]) -> list[EpochRow]:
        statement = (
            sa.select(epochs)
            .where(epochs.c.state.in_([state.value for state in states]))
            .order_by(epochs.c.epoch, epochs.c.region, epochs.c.purpose)
        )
        return [_epoch_row(row) for row in await self._rows(statement)]

    async def epoch(self, name: EpochKeyName) -> EpochRow | None:
        rows = await self._rows(sa.select(epochs).where(_is_epoch(name)))
        return _epoch_row(rows[0]) if rows else None

    async def move_epoch(self, row: EpochRow, expected: EpochState) -> None:
        statement = (
            sa.update(epochs)
            .where(_is_epoch(row.name), epochs.c.state == expected.value)
            .values(_epoch_values(row))
        )
        if await self._changed(statement) != 1:
            raise _moved("epoch", expected.value)

    async def add_journal(self, row: JournalRow) -> None:
        statement = insert(journals).values(_journal_values(row)).on_conflict_do_nothing()
        if await self._changed(statement) != 1:
            raise Conflict("The journal is known already. Give a new journal a new identifier.")

    async def journal(self, journal: JournalId) -> JournalRow | None:
        statement = sa.select(journals).where(journals.c.journal == journal - _JOURNAL_OFFSET)
        rows = await self._rows(statement)
        return _journal_row(rows[0]) if rows else None

    async def journals(self, region: Region, epoch: Epoch) -> list[JournalRow]:
        statement = (
            sa.select(journals)
            .where(journals.c.region == region, journals.c.epoch == epoch)
            .order_by(journals.c.opened_at, journals.c.journal)
        )
        return [_journal_row(row) for row in await self._rows(statement)]

    async def journals_in(self, state: JournalState, node: str) -> list[JournalRow]:
        statement = (
            sa.select(journals)
            .where(journals.c.state == state.value, journals.c.node == node)
            .order_by(journals.c.epoch, journals.c.opened_at, journals.c.journal)
        )
        return [_journal_row(row) for row in await self._rows(statement)]

    async def move_journal(self, row: JournalRow, expected: JournalState) -> None:
        statement = (
            sa.update(journals)
            .where(
                journals.c.journal == row.journal - _JOURNAL_OFFSET,
                journals.c.state == expected.value,
            )
            .values(_journal_values(row))
        )
        if await self._changed(statement) != 1:
            raise _moved("journal", expected.value)

    async def add_segment(self, row: SegmentRow) -> None:
        values = row._asdict() | {"purpose": row.purpose.value}
        statement = insert(segments).values(values).on_conflict_do_nothing()
        if await self._changed(statement) != 1:
            raise Conflict("The segment's key is known already. Read the segment's row again.")

    async def segments(self, region: Region, epoch: Epoch, purpose: Purpose) -> list[SegmentRow]:
        statement = (
            sa.select(segments)
            .where(
                segments.c.region == region,
                segments.c.epoch == epoch,
                segments.c.purpose == purpose.value,
            )
            .order_by(segments.c.key.collate("C"))
        )
        return [_segment_row(row) for row in await self._rows(statement)]

    async def forget_epoch_content(self, region: Region, epoch: Epoch, purpose: Purpose) -> None:
        of_segments = sa.and_(
            segments.c.region == region,
            segments.c.epoch == epoch,
            segments.c.purpose == purpose.value,
        )
        of_journals = sa.and_(journals.c.region == region, journals.c.epoch == epoch)
        await self._changed(sa.delete(segments).where(of_segments))
        await self._changed(sa.delete(journals).where(of_journals))

    async def put_receipt(self, row: ReceiptRow) -> None:
        values = row._asdict()
        statement = (
            insert(receipts)
            .values(values)
            .on_conflict_do_update(
                index_elements=["subject"],
                set_={"leaf": row.leaf, "document": row.document, "statement": row.statement},
            )
        )
        await self._changed(statement)

    async def receipt(self, subject: str) -> ReceiptRow | None:
        rows = await self._rows(sa.select(receipts).where(receipts.c.subject == subject))
        return _receipt_row(rows[0]) if rows else None

    async def receipts_without_document(self, limit: int) -> list[ReceiptRow]:
        statement = (
            sa.select(receipts)
            .where(receipts.c.document.is_(None))
            .order_by(receipts.c.position)
            .limit(limit)
        )
        return [_receipt_row(row) for row in await self._rows(statement)]

    async def _rows(self, statement: sa.Select[Any]) -> list[Any]:
        with kinds():
            return list((await self._connection.execute(statement)).fetchall())

    async def _changed(self, statement: sa.UpdateBase) -> int:
        with kinds():
            result = await self._connection.execute(statement)
            return int(result.rowcount)


def _moved(what: str, expected: str) -> Conflict:
    return Conflict(f"The {what} is not in the state {expected}. Read its row again.")


def _is_epoch(name: EpochKeyName) -> sa.ColumnElement[bool]:
    return sa.and_(
        epochs.c.region == name.region,
        epochs.c.purpose == name.purpose.value,
        epochs.c.epoch == name.epoch,
    )


def _epoch_values(row: EpochRow) -> dict[str, Any]:
    return {
        "region": row.name.region,
        "purpose": row.name.purpose.value,
        "epoch": row.name.epoch,
        "state": row.state.value,
        "opened_at": row.opened_at,
        "destroyed_at": row.destroyed_at,
        "statement": row.statement,
    }


def _epoch_row(row: Any) -> EpochRow:
    return EpochRow(
        EpochKeyName(Region(row.region), Purpose(row.purpose), Epoch(row.epoch)),
        EpochState(row.state),
        Instant(row.opened_at),
        None if row.destroyed_at is None else Instant(row.destroyed_at),
        row.statement,
    )


def _journal_values(row: JournalRow) -> dict[str, Any]:
    return row._asdict() | {"journal": row.journal - _JOURNAL_OFFSET, "state": row.state.value}


def _journal_row(row: Any) -> JournalRow:
    fields = row._asdict()
    fields["journal"] = JournalId(row.journal + _JOURNAL_OFFSET)
    fields["state"] = JournalState(row.state)
    return JournalRow(**fields)


def _segment_row(row: Any) -> SegmentRow:
    return SegmentRow(**(row._asdict() | {"purpose": Purpose(row.purpose)}))


def _receipt_row(row: Any) -> ReceiptRow:
    return ReceiptRow(row.subject, row.leaf, row.document, row.statement)

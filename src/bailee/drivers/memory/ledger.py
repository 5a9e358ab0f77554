"""The ledger in memory."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bailee.drivers.memory.database import Database, Tables, entry_hash
from bailee.drivers.memory.faults import Faults
from bailee.kernel.errors import Conflict
from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, Region
from bailee.kernel.instants import Epoch
from bailee.ports.ledger import (
    EpochRow,
    EpochState,
    JournalRow,
    JournalState,
    LedgerTransaction,
    ReceiptRow,
    SegmentRow,
)


class MemoryLedger:
    """`ports.ledger.Ledger` on a `Database`, as one process sees it."""

    def __init__(self, database: Database, faults: Faults | None = None) -> None:
        self._database = database
        self._faults = Faults() if faults is None else faults

    def transaction(
        self, fence: tuple[str, int] | None = None
    ) -> AbstractAsyncContextManager[LedgerTransaction]:
        """Begin; commit on leaving without an exception."""
        return self._transaction(fence)

    @asynccontextmanager
    async def _transaction(self, fence: tuple[str, int] | None) -> AsyncIterator[LedgerTransaction]:
        async with self._database.changing(self._faults, fence) as tables:
            yield _Transaction(tables, self._faults)


class _Transaction:
    def __init__(self, tables: Tables, faults: Faults) -> None:
        self._tables = tables
        self._faults = faults

    async def append_entry(self, leaf: bytes) -> None:
        with self._faults.call("ledger.append_entry"):
            tables = self._tables
            tables.last_position += 1
            tables.entries[tables.last_position] = leaf
            tables.pending[tables.last_position] = leaf
            tables.positions.setdefault(entry_hash(leaf), tables.last_position)

    async def add_epoch(self, row: EpochRow) -> bool:
        with self._faults.call("ledger.add_epoch"):
            if row.name in self._tables.epochs:
                return False
            self._tables.epochs[row.name] = row
            return True

    async def epochs(self, states: frozenset[EpochState]) -> list[EpochRow]:
        with self._faults.call("ledger.epochs"):
            found = [row for row in self._tables.epochs.values() if row.state in states]
            return sorted(found, key=_epoch_order)

    async def epoch(self, name: EpochKeyName) -> EpochRow | None:
        with self._faults.call("ledger.epoch"):
            return self._tables.epochs.get(name)

    async def move_epoch(self, row: EpochRow, expected: EpochState) -> None:
        with self._faults.call("ledger.move_epoch"):
            present = self._tables.epochs.get(row.name)
            if present is None or present.state is not expected:
                raise Conflict("the epoch is in another state; read it again")
            self._tables.epochs[row.name] = row

    async def add_journal(self, row: JournalRow) -> None:
        with self._faults.call("ledger.add_journal"):
            if row.journal in self._tables.journals:
                raise Conflict("the journal is known already; read it")
            self._tables.journals[row.journal] = row

    async def journal(self, journal: JournalId) -> JournalRow | None:
        with self._faults.call("ledger.journal"):
            return self._tables.journals.get(journal)

    async def journals(self, region: Region, epoch: Epoch) -> list[JournalRow]:
        with self._faults.call("ledger.journals"):
            rows = self._tables.journals.values()
            found = [row for row in rows if (row.region, row.epoch) == (region, epoch)]
            return sorted(found, key=lambda row: (row.opened_at, row.journal))

    async def journals_in(self, state: JournalState, node: str) -> list[JournalRow]:
        with self._faults.call("ledger.journals_in"):
            rows = self._tables.journals.values()
            found = [row for row in rows if (row.state, row.node) == (state, node)]
            return sorted(found, key=lambda row: (row.epoch, row.opened_at, row.journal))

    async def move_journal(self, row: JournalRow, expected: JournalState) -> None:
        with self._faults.call("ledger.move_journal"):
            present = self._tables.journals.get(row.journal)
            if present is None or present.state is not expected:
                raise Conflict("the journal is in another state; read it again")
            self._tables.journals[row.journal] = row

    async def add_segment(self, row: SegmentRow) -> None:
        with self._faults.call("ledger.add_segment"):
            if row.key in self._tables.segments:
                raise Conflict("the segment is known already; read it")
            self._tables.segments[row.key] = row

    async def segments(self, region: Region, epoch: Epoch, purpose: Purpose) -> list[SegmentRow]:
        with self._faults.call("ledger.segments"):
            wanted = (region, epoch, purpose)
            rows = self._tables.segments.values()
            found = [row for row in rows if (row.region, row.epoch, row.purpose) == wanted]
            return sorted(found, key=lambda row: row.key)

    async def forget_epoch_content(self, region: Region, epoch: Epoch, purpose: Purpose) -> None:
        with self._faults.call("ledger.forget_epoch_content"):
            tables = self._tables
            tables.journals = {
                journal: row
                for journal, row in tables.journals.items()
                if (row.region, row.epoch) != (region, epoch)
            }
            tables.segments = {
                key: row
                for key, row in tables.segments.items()
                if (row.region, row.epoch, row.purpose) != (region, epoch, purpose)
            }

    async def put_receipt(self, row: ReceiptRow) -> None:
        with self._faults.call("ledger.put_receipt"):
            self._tables.receipts[row.subject] = row

    async def receipt(self, subject: str) -> ReceiptRow | None:
        with self._faults.call("ledger.receipt"):
            return self._tables.receipts.get(subject)

    async def receipts_without_document(self, limit: int) -> list[ReceiptRow]:
        with self._faults.call("ledger.receipts_without_document"):
            waiting = [row for row in self._tables.receipts.values() if row.document is None]
            return waiting[:limit]


def _epoch_order(row: EpochRow) -> tuple[Epoch, str, int]:
    return row.name.epoch, row.name.region, row.name.purpose.code

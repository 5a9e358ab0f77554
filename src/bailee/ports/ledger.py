"""Rows about journals, segments, epochs and receipts: what exists, never what it says.

One row per journal and per segment and none per record, so that any volume expires by a handful
of deletions. Every change that has a log entry is made in one transaction with it.
"""

import enum
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, Region
from bailee.kernel.instants import Epoch, Instant


class EpochState(enum.Enum):
    """How far an epoch has come. The order is that of its life."""

    OPEN = "open"
    FENCED = "fenced"
    INTENDED = "intended"
    DESTROYED = "destroyed"
    REMOVED = "removed"
    RECEIPTED = "receipted"


class EpochRow(NamedTuple):
    """An epoch key pair that was opened, and its destruction as far as it has come."""

    name: EpochKeyName
    state: EpochState
    opened_at: Instant
    destroyed_at: Instant | None = None
    """When the keeper acknowledged the destruction."""
    statement: bytes | None = None
    """The keeper's signed statement of destruction, canonical JSON."""


class JournalState(enum.Enum):
    """A journal is written, then closed under a signed root, then packed into a segment."""

    OPEN = "open"
    CLOSED = "closed"
    PACKED = "packed"


class JournalRow(NamedTuple):
    """One journal."""

    journal: JournalId
    region: Region
    epoch: Epoch
    node: str
    """The machine on whose disk it lies."""
    worker: str
    """The process that wrote it (a gateway worker, or the worker); its later journals may continue
    its records."""
    opened_at: Instant
    state: JournalState
    closed_at: Instant | None = None
    parts: int = 0
    """How many parts are under the root."""
    root: bytes = b""
    """RFC 6962 Merkle root of its parts' leaves."""
    certificate: bytes = b""
    """The boot key's certificate, as in the journal's header."""
    signature: bytes = b""
    leaf_hash: bytes = b""
    """RFC 6962 leaf hash of its journal_closed entry."""
    size_bytes: int = 0
    segment: str | None = None
    """The object key of the segment that holds it, once packed."""


class SegmentRow(NamedTuple):
    """One segment."""

    key: str
    """Its object key."""
    region: Region
    epoch: Epoch
    purpose: Purpose
    rows: int
    size_bytes: int
    digest: bytes
    """SHA-256 of the object."""
    closed_at: Instant


class ReceiptRow(NamedTuple):
    """A destruction that has been logged, awaiting or holding its receipt."""

    subject: str
    """As in `epoch/us/abuse_monitoring/994000`."""
    leaf: bytes
    """The log entry, canonical JSON."""
    document: bytes | None
    """The receipt, once a checkpoint covers the entry."""
    statement: bytes | None = None
    """The keeper's signed statement, as JSON, of what has no row of its own to keep it."""


class LedgerTransaction(Protocol):
    """All or nothing. Reads see this transaction's writes."""

    async def append_entry(self, leaf: bytes) -> None:
        """Add a log entry to the outbox."""
        ...

    async def add_epoch(self, row: EpochRow) -> bool:
        """Add an epoch unless it is known. True if it was added."""
        ...

    async def epochs(self, states: frozenset[EpochState]) -> list[EpochRow]:
        """Epochs in any of the states, oldest first."""
        ...

    async def epoch(self, name: EpochKeyName) -> EpochRow | None:
        """One epoch."""
        ...

    async def move_epoch(self, row: EpochRow, expected: EpochState) -> None:
        """Replace an epoch's row. Raises Conflict if its state is not `expected`."""
        ...

    async def add_journal(self, row: JournalRow) -> None:
        """Add an open journal. Raises Conflict if it is known."""
        ...

    async def journal(self, journal: JournalId) -> JournalRow | None:
        """One journal."""
        ...

    async def journals(self, region: Region, epoch: Epoch) -> list[JournalRow]:
        """All journals of a region and epoch, by opening."""
        ...

    async def journals_in(self, state: JournalState, node: str) -> list[JournalRow]:
        """All journals of a machine in a state, oldest epoch first."""
        ...

    async def move_journal(self, row: JournalRow, expected: JournalState) -> None:
        """Replace a journal's row. Raises Conflict if its state is not `expected`."""
        ...

    async def add_segment(self, row: SegmentRow) -> None:
        """Add a segment. Raises Conflict if its key is known."""
        ...

    async def segments(self, region: Region, epoch: Epoch, purpose: Purpose) -> list[SegmentRow]:
        """All segments of a region, epoch and purpose, by key."""
        ...

    async def forget_epoch_content(self, region: Region, epoch: Epoch, purpose: Purpose) -> None:
        """Delete the journals' and segments' rows of an epoch whose bytes have been removed."""
        ...

    async def put_receipt(self, row: ReceiptRow) -> None:
        """Add or replace a receipt by its subject."""
        ...

    async def receipt(self, subject: str) -> ReceiptRow | None:
        """One receipt."""
        ...

    async def receipts_without_document(self, limit: int) -> list[ReceiptRow]:
        """The oldest receipts that no checkpoint has covered yet."""
        ...


class Ledger(Protocol):
    """Where the rows are kept."""

    def transaction(
        self, fence: tuple[str, int] | None = None
    ) -> AbstractAsyncContextManager[LedgerTransaction]:
        """Begin; commit, durably, on leaving without an exception.

        With `fence` (a lease's name and token) the commit raises Conflict, having written nothing,
        when the lease has a newer token. Raises Unavailable when the database is away.
        """
        ...

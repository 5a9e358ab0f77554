"""Telling the ledger and the log that a journal is closed."""

from bailee.custody.journal.frames import JournalHeader, SignedRoot, encode_certificate
from bailee.custody.journal.root import closing_entry
from bailee.kernel.errors import Conflict
from bailee.kernel.instants import Instant
from bailee.ports.ledger import JournalRow, JournalState, Ledger
from bailee.transparency import tree


def opened_row(header: JournalHeader, node: str, opened_at: Instant) -> JournalRow:
    """The row of a journal that is being written on `node`."""
    return JournalRow(
        header.journal,
        header.region,
        header.epoch,
        node,
        header.certificate.worker,
        opened_at,
        JournalState.OPEN,
        certificate=encode_certificate(header.certificate),
    )


def closed_row(
    row: JournalRow, signed: SignedRoot, closed_at: Instant, size_bytes: int, *, recovered: bool
) -> tuple[JournalRow, bytes]:
    """The row of the journal once closed, and its journal_closed entry."""
    closed = row._replace(
        state=JournalState.CLOSED,
        closed_at=closed_at,
        parts=signed.parts,
        root=signed.root,
        signature=signed.signature,
        size_bytes=size_bytes,
    )
    leaf = closing_entry(closed, recovered=recovered)
    return closed._replace(leaf_hash=tree.leaf_hash(leaf)), leaf


async def register(ledger: Ledger, row: JournalRow) -> None:
    """Make an open journal known, unless it is.

    Off the hot path and possibly after the journal's first record was acknowledged: a journal is
    found by its file, whose name was made durable first, so a crash in between loses nothing. The
    row serves those who look from elsewhere.
    """
    async with ledger.transaction() as transaction:
        if await transaction.journal(row.journal) is None:
            await transaction.add_journal(row)


async def record_closing(
    ledger: Ledger, opened: JournalRow, closed: JournalRow, leaf: bytes
) -> None:
    """Move the journal to CLOSED and queue its log entry, in one transaction.

    Called after the close frame is on disk. A crash before the commit leaves an open row, or none,
    and a closed file: recovery comes here again. A commit whose answer was lost is seen by the row
    being there. Raises Unavailable, and Conflict if the journal was closed under another root.
    """
    async with ledger.transaction() as transaction:
        known = await transaction.journal(opened.journal)
        if known is not None and known.state is not JournalState.OPEN:
            if known.root != closed.root:
                raise Conflict("the journal was closed under another root; inspect the disk")
            return
        if known is None:
            await transaction.add_journal(opened)
        await transaction.move_journal(closed, JournalState.OPEN)
        await transaction.append_entry(leaf)

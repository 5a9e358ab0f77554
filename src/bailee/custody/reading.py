"""Finding a stored record, wherever it lies, with what proves and opens it.

Gives the parts as they are stored, with the session and scope frames that the keeper needs and the
paths that receipts need. Deliberately opens nothing and decides nothing: whether the caller may
have the record is the owner read's matter, and the keeper's.
"""

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from bailee.custody.journal.places import journal_path
from bailee.custody.journal.reader import (
    JournalScan,
    leaf_of,
    read_part,
    require_closed,
    scan,
)
from bailee.custody.seal.part import (
    FLAG_FINAL,
    NO_HASH,
    PartHeader,
    SealedPart,
    Wrap,
    part_hash,
    record_hash,
)
from bailee.kernel.errors import NotFound, NotYet, TamperedContent
from bailee.kernel.ids import Purpose, RecordId, Region, SessionId
from bailee.ports.files import Files
from bailee.ports.ledger import JournalRow, JournalState, Ledger, LedgerTransaction, SegmentRow
from bailee.ports.objects import Objects
from bailee.ports.offload import Offload
from bailee.transparency import tree

OPEN_RETRY_S: Final = 30.0
_OPEN: Final = "the record's journal is open; it is closed within 60 s: ask again then"
"""When to ask again for a record whose journal is open: journals close within 60 s."""


class StoredPart(NamedTuple):
    """One part as stored, with its place in its journal."""

    sealed: SealedPart
    header: PartHeader
    journal: JournalRow
    """The closed or packed journal that holds it, with its root, signature and certificate."""
    position: int
    """Which of the journal's leaves it is."""
    leaf: bytes
    path: list[bytes]
    """RFC 6962 inclusion path of the leaf among the journal's `parts` leaves."""
    session: bytes
    """Body of the session frame of its wrap."""
    scope: bytes
    """Body of the scope frame of its wrap."""


class StoredRecord(NamedTuple):
    """A record's parts, by number."""

    record: RecordId
    parts: list[StoredPart]
    complete: bool
    """Whether the final part is there. False: the worker died, or the answer still goes on."""


@dataclass(slots=True)
class _Journal:
    """What was found of a record in one journal."""

    row: JournalRow
    leaves: list[bytes]
    sessions: dict[bytes, bytes]
    scopes: dict[tuple[bytes, int], bytes]
    parts: list[tuple[int, SealedPart]] = field(default_factory=list)


class Reading:
    """Finds records on this machine and in the object store.

    Args:
        purpose: whose segments are read, and whose wraps' frames are given.
    """

    def __init__(
        self,
        files: Files,
        offload: Offload,
        objects: Objects,
        ledger: Ledger,
        *,
        node: str,
        regions: tuple[Region, ...],
        purpose: Purpose = Purpose.ABUSE_MONITORING,
    ) -> None:
        self._files = files
        self._offload = offload
        self._objects = objects
        self._ledger = ledger
        self._node = node
        self._regions = regions
        self._purpose = purpose

    async def find_record(self, record: RecordId) -> StoredRecord:
        """All of a record's parts.

        Raises:
            NotFound: there is no such record, or it is gone.
            NotYet: its journal, or one that continues it, is open.
            TamperedContent: what is stored is not what was signed.
            Unavailable: the ledger or the object store is away.
        """
        async with self._ledger.transaction() as transaction:
            row = await transaction.journal(record.journal)
            if row is None or row.epoch != record.epoch:
                rows, segments = [], []
            else:
                rows = await _of_worker(transaction, row)
                segments = await transaction.segments(row.region, row.epoch, self._purpose)
        if not rows:
            await self._require_no_file(record)
            raise NotFound("there is no such record")
        sizes = {segment.key: segment for segment in segments}
        parts: list[StoredPart] = []
        for known in rows:
            if known.state is JournalState.OPEN:
                raise NotYet(_OPEN, retry_after_s=OPEN_RETRY_S)
            found = await self._look(known, record, sizes)
            if known.journal == record.journal and not found.parts:
                raise NotFound("there is no such record")
            parts.extend(self._stored(found))
            # Journals of one millisecond come in no order.
            parts.sort(key=_number)
            if parts and parts[-1].header.flags & FLAG_FINAL and _number(parts[-1]) < len(parts):
                break
        return _checked(record, parts)

    async def _require_no_file(self, record: RecordId) -> None:
        """A journal gets its row a second after its file: say NotYet, not NotFound."""
        for region in self._regions:
            path = journal_path(region, record.epoch, record.journal)
            try:
                await self._offload.run(partial(self._files.size_bytes, path))
            except FileNotFoundError:
                continue
            raise NotYet(_OPEN, retry_after_s=OPEN_RETRY_S)

    async def _look(
        self, row: JournalRow, record: RecordId, segments: dict[str, SegmentRow]
    ) -> _Journal:
        if row.state is JournalState.PACKED:
            return await self._look_in_segment(row, record, segments)
        if row.node != self._node:
            raise NotYet("the record is on another machine, unpacked", retry_after_s=OPEN_RETRY_S)
        try:
            return await self._offload.run(partial(self._look_in_file, row, record))
        except FileNotFoundError:
            # Packed since the row was read.
            raise NotYet("the record is being packed", retry_after_s=1.0) from None

    def _look_in_file(self, row: JournalRow, record: RecordId) -> _Journal:
        path = journal_path(row.region, row.epoch, row.journal)
        scanned: JournalScan = require_closed(scan(self._files, path), row.root)
        packed = record.packed()
        found = _Journal(row, scanned.leaves(), scanned.sessions, scanned.scopes)
        for placed in scanned.parts:
            if placed.record == packed:
                found.parts.append((placed.position, read_part(self._files, path, placed)))
        return found

    async def _look_in_segment(
        self, row: JournalRow, record: RecordId, segments: dict[str, SegmentRow]
    ) -> _Journal:
        if row.segment is None:
            return _Journal(row, [], {}, {})  # nothing in it was ever acknowledged
        segment = segments.get(row.segment)
        if segment is None:
            raise NotFound("there is no such record")
        # Parquet's library is large, and few workers ever open a packed record.
        from bailee.custody.segment.reader import SegmentReader

        reader = await SegmentReader.open(self._objects, self._offload, segment)
        parts = [part for part in await reader.parts(record) if part.journal == row.journal]
        if not parts:
            return _Journal(row, [], {}, {})
        leaves = await reader.leaves(row.journal)
        found = _Journal(row, leaves, *await reader.beginnings(row.journal))
        found.parts.extend((part.position, part.sealed) for part in parts)
        return found

    def _stored(self, found: _Journal) -> list[StoredPart]:
        if not found.parts:
            return []
        row = found.row
        if len(found.leaves) != row.parts or tree.root_of(found.leaves) != row.root:
            raise TamperedContent("stored parts are not under their journal's root; inspect it")
        read = tree.reader_of(found.leaves)
        stored = []
        for position, sealed in sorted(found.parts, key=lambda item: item[0]):
            header = PartHeader.decode(sealed.header)
            leaf = leaf_of(sealed, header)
            if found.leaves[position] != leaf:
                raise TamperedContent("a stored part is not the one that was signed; inspect it")
            session, scope = self._frames(found, sealed)
            path = tree.inclusion_proof(position, row.parts, read)
            stored.append(StoredPart(sealed, header, row, position, leaf, path, session, scope))
        return stored

    def _frames(self, found: _Journal, sealed: SealedPart) -> tuple[bytes, bytes]:
        wrap: Wrap | None = sealed.wrap_for(self._purpose)
        if wrap is None:
            raise NotFound("the record is not held for this purpose")
        try:
            session = SessionId(wrap.session)
            return found.sessions[session], found.scopes[session, wrap.scope_number]
        except KeyError:
            raise TamperedContent("a part's session is missing; inspect the journal") from None


def _number(part: StoredPart) -> int:
    return part.header.part


async def _of_worker(transaction: LedgerTransaction, first: JournalRow) -> list[JournalRow]:
    """The record's journal, then later ones of its worker and epoch, which may continue it."""
    rows = await transaction.journals(first.region, first.epoch)
    later = [
        row
        for row in rows
        if row.worker == first.worker
        and row.opened_at >= first.opened_at
        and row.journal != first.journal
    ]
    return [first, *later]


def _checked(record: RecordId, parts: list[StoredPart]) -> StoredRecord:
    """The parts from the first to the last without a gap.

    A gap is where a worker's journal failed: nothing after it was acknowledged. Each part says
    what came before it, so another record's part, or one in another order, is noticed.
    """
    chain = NO_HASH
    whole: list[StoredPart] = []
    for number, part in enumerate(parts):
        if part.header.part != number:
            break
        if part.header.previous != chain:
            raise TamperedContent("a record's parts do not follow one another; inspect it")
        sealed = part.sealed
        hashed = part_hash(
            hashlib.sha256(sealed.header).digest(), hashlib.sha256(sealed.ciphertext).digest()
        )
        chain = record_hash(chain, hashed)
        whole.append(part)
    if not whole:
        raise NotFound("there is no such record")
    return StoredRecord(record, whole, bool(whole[-1].header.flags & FLAG_FINAL))

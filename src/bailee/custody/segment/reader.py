"""Reading a segment: a record, a journal's leaves, or the clear columns, by ranges.

Every row group's clear columns are read, which are some percent of a segment, and of the bodies
only the groups that hold what is wanted. Nothing is skipped on the word of the footer, which has
no checksum: pages have one each, the number of rows is the ledger's, and every part is checked
against its leaf.
"""

import asyncio
import io
import struct
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bailee.custody.journal import frames
from bailee.custody.journal.reader import leaf_of
from bailee.custody.seal.part import PartHeader, SealedPart
from bailee.custody.segment.layout import (
    CLEAR_COLUMNS,
    METADATA_KEY,
    SCHEMA,
    SegmentMetadata,
)
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import JournalId, RecordId
from bailee.ports.ledger import SegmentRow
from bailee.ports.objects import Objects
from bailee.ports.offload import Offload

_TAIL_BYTES: Final = 64 * 1024
_MAGIC: Final = b"PAR1"
_DECODING_ERRORS: Final = (
    pa.ArrowException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
)
"""What the Parquet library raises for bytes that are not what they were."""
_COLUMN_NUMBERS: Final = {name: number for number, name in enumerate(SCHEMA.names)}


class PackedPart(NamedTuple):
    """A part in a segment."""

    journal: JournalId
    position: int
    part: int
    sealed: SealedPart
    leaf: bytes


class SegmentReader:
    """One segment, opened by `open`."""

    def __init__(
        self,
        objects: Objects,
        offload: Offload,
        row: SegmentRow,
        ranges: "_Ranges",
        file: Any,
        metadata: SegmentMetadata,
    ) -> None:
        self.metadata = metadata
        self._objects = objects
        self._offload = offload
        self._row = row
        self._ranges = ranges
        self._file = file
        self._clear: Any = None

    @classmethod
    async def open(cls, objects: Objects, offload: Offload, row: SegmentRow) -> "SegmentReader":
        """Fetch the footer. Raises NotFound, Unavailable, TamperedContent."""
        size_bytes = row.size_bytes
        begin = max(size_bytes - _TAIL_BYTES, 0)
        tail = await objects.get_range(row.key, begin, size_bytes - begin)
        if len(tail) != size_bytes - begin or tail[-4:] != _MAGIC:
            raise TamperedContent("a segment is not as long as its row says; inspect the bucket")
        footer = int(struct.unpack("<I", tail[-8:-4])[0]) + 8
        if footer > size_bytes:
            raise _unreadable()
        if footer > len(tail):
            begin = size_bytes - footer
            tail = await objects.get_range(row.key, begin, footer)
        ranges = _Ranges(size_bytes)
        ranges.add(begin, tail)
        try:
            file = pq.ParquetFile(
                pa.PythonFile(ranges, mode="r"), pre_buffer=False, page_checksum_verification=True
            )
            metadata = SegmentMetadata.decode(file.schema_arrow.metadata[METADATA_KEY])
            known = file.schema_arrow.equals(SCHEMA) and file.metadata.num_rows == row.rows
        except _DECODING_ERRORS:
            raise _unreadable() from None
        if not known:
            raise TamperedContent("a segment has other columns or rows than it was made with")
        return cls(objects, offload, row, ranges, file, metadata)

    async def leaves(self, journal: JournalId) -> list[bytes]:
        """The leaves of a journal's parts, by position. Raises TamperedContent if one lacks."""
        table = await self.clear_columns()
        wanted = pc.and_(
            pc.equal(table["frame"], frames.PART),
            pc.equal(table["journal"], pa.scalar(journal, pa.uint64())),
        )
        found = table.select(["position", "leaf"]).filter(wanted).sort_by("position")
        if found["position"].to_pylist() != list(range(found.num_rows)):
            raise TamperedContent("a segment lacks parts of a journal; inspect the bucket")
        leaves: list[bytes] = found["leaf"].to_pylist()
        return leaves

    async def parts(self, record: RecordId) -> list[PackedPart]:
        """A record's parts here, by number; [] if there are none. Raises TamperedContent."""
        table = await self.clear_columns()
        wanted = pc.equal(table["record"], pa.scalar(record.packed(), pa.binary(16)))
        rows = await self._with_bodies(table, pc.fill_null(wanted, False))
        return sorted((_packed_part(row) for row in rows), key=lambda part: part.part)

    async def beginnings(
        self, journal: JournalId
    ) -> tuple[dict[bytes, bytes], dict[tuple[bytes, int], bytes]]:
        """A journal's session and scope frames' bodies, as `JournalScan` has them."""
        table = await self.clear_columns()
        wanted = pc.and_(
            pc.not_equal(table["frame"], frames.PART),
            pc.equal(table["journal"], pa.scalar(journal, pa.uint64())),
        )
        sessions: dict[bytes, bytes] = {}
        scopes: dict[tuple[bytes, int], bytes] = {}
        for row in await self._with_bodies(table, wanted):
            if row["frame"] == frames.SESSION:
                sessions[frames.session_of(row["body"])[0]] = row["body"]
            else:
                scopes[frames.scope_of(row["body"])] = row["body"]
        return sessions, scopes

    async def clear_columns(self) -> Any:
        """A pyarrow table of everything but the bodies, in the segment's order."""
        if self._clear is None:
            groups = list(range(self._file.num_row_groups))
            self._clear = await self._read(groups, CLEAR_COLUMNS)
        return self._clear

    async def _with_bodies(self, table: Any, wanted: Any) -> list[dict[str, Any]]:
        """The wanted rows of the whole table, with their bodies."""
        rows: list[dict[str, Any]] = []
        begin = 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            here = wanted.slice(begin, count)
            if pc.any(here).as_py():
                bodies = await self._read([group], ("body",))
                clear = table.slice(begin, count).append_column("body", bodies["body"])
                rows.extend(clear.filter(here).to_pylist())
            begin += count
        return rows

    async def _read(self, groups: list[int], columns: tuple[str, ...]) -> Any:
        """Fetch the columns, which lie side by side, in one stretch a group; decode elsewhere."""
        spans = [self._span(group, columns) for group in groups]
        missing = [span for span in spans if not self._ranges.has(*span)]
        fetched = await asyncio.gather(
            *(self._objects.get_range(self._row.key, offset, size) for offset, size in missing)
        )
        for (offset, _), data in zip(missing, fetched, strict=True):
            self._ranges.add(offset, data)
        read = partial(self._file.read_row_groups, groups, columns=list(columns), use_threads=False)
        try:
            return await self._offload.run(read)
        except _DECODING_ERRORS:
            raise _unreadable() from None

    def _span(self, group: int, columns: tuple[str, ...]) -> tuple[int, int]:
        described = self._file.metadata.row_group(group)
        chunks = [described.column(_COLUMN_NUMBERS[name]) for name in columns]
        begin = min(chunk.data_page_offset for chunk in chunks)
        end = max(chunk.data_page_offset + chunk.total_compressed_size for chunk in chunks)
        if not 0 <= begin < end <= self._row.size_bytes:
            raise _unreadable()
        return begin, end - begin


def _unreadable() -> TamperedContent:
    return TamperedContent("a segment cannot be decoded; inspect the bucket")


def _packed_part(row: dict[str, Any]) -> PackedPart:
    sealed = SealedPart.decode(row["body"])
    header = PartHeader.decode(sealed.header)
    if leaf_of(sealed, header) != row["leaf"] or header.record.packed() != row["record"]:
        raise TamperedContent("a part in a segment does not fit its leaf; inspect the bucket")
    return PackedPart(JournalId(row["journal"]), row["position"], row["part"], sealed, row["leaf"])


class _Ranges(io.RawIOBase):
    """A file of which some stretches are at hand; reading any other is an OSError."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self._size_bytes = size_bytes
        self._stretches: dict[int, bytes] = {}
        self._at = 0

    def add(self, offset: int, data: bytes) -> None:
        """Have a stretch at hand."""
        self._stretches[offset] = data

    def has(self, offset: int, size_bytes: int) -> bool:
        """Whether a stretch is at hand."""
        return self._found(offset, size_bytes) is not None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._size_bytes - self._at
        wanted = left if size < 0 else min(size, left)
        data = self._found(self._at, wanted)
        if data is None:
            raise OSError("this stretch of the segment was not fetched")
        self._at += wanted
        return data

    def _found(self, offset: int, size_bytes: int) -> bytes | None:
        for begin, data in self._stretches.items():
            if begin <= offset and offset + size_bytes <= begin + len(data):
                return data[offset - begin : offset - begin + size_bytes]
        return None

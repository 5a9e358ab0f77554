"""Reading a segment: a record, a journal's leaves, or the clear columns, by ranges.

Only the footer and the column chunks that are needed are fetched, so that reading one record costs
a few megabytes at most, whatever the segment's size. Every part is checked against its leaf.
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
from bailee.ports.objects import Objects
from bailee.ports.offload import Offload

_TAIL_BYTES: Final = 64 * 1024
_MAGIC: Final = b"PAR1"
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
        self, objects: Objects, offload: Offload, key: str, ranges: "_Ranges", file: Any
    ) -> None:
        self._objects = objects
        self._offload = offload
        self._key = key
        self._ranges = ranges
        self._file = file
        self.metadata = SegmentMetadata.decode(file.schema_arrow.metadata[METADATA_KEY])

    @classmethod
    async def open(
        cls, objects: Objects, offload: Offload, key: str, size_bytes: int
    ) -> "SegmentReader":
        """Fetch the footer. Raises NotFound, Unavailable, TamperedContent."""
        begin = max(size_bytes - _TAIL_BYTES, 0)
        tail = await objects.get_range(key, begin, size_bytes - begin)
        if len(tail) != size_bytes - begin or tail[-4:] != _MAGIC:
            raise TamperedContent("a segment is not as long as its row says; inspect the bucket")
        footer = int(struct.unpack("<I", tail[-8:-4])[0]) + 8
        if footer > size_bytes:
            raise TamperedContent("a segment's footer cannot be read")
        if footer > len(tail):
            begin = size_bytes - footer
            tail = await objects.get_range(key, begin, footer)
        ranges = _Ranges(size_bytes)
        ranges.add(begin, tail)
        try:
            file = pq.ParquetFile(pa.PythonFile(ranges, mode="r"), pre_buffer=False)
        except (pa.ArrowException, OSError):
            raise TamperedContent("a segment's footer cannot be read") from None
        if not file.schema_arrow.equals(SCHEMA):
            raise TamperedContent("a segment has other columns than version 1")
        return cls(objects, offload, key, ranges, file)

    async def leaves(self, journal: JournalId) -> list[bytes]:
        """The leaves of a journal's parts, by position. Raises TamperedContent if one lacks."""
        groups = self._groups("journal", journal)
        table = await self._read(groups, ("frame", "journal", "position", "leaf"))
        wanted = pc.and_(
            pc.equal(table["frame"], frames.PART),
            pc.equal(table["journal"], pa.scalar(journal, pa.uint64())),
        )
        found = table.filter(wanted).sort_by("position")
        if found["position"].to_pylist() != list(range(found.num_rows)):
            raise TamperedContent("a segment lacks parts of a journal; inspect the bucket")
        leaves: list[bytes] = found["leaf"].to_pylist()
        return leaves

    async def parts(self, record: RecordId) -> list[PackedPart]:
        """A record's parts here, by number; [] if there are none. Raises TamperedContent."""
        packed = record.packed()
        groups = self._groups("record", packed)
        table = await self._read(groups, ("journal", "position", "record", "part", "leaf"))
        matches = pc.fill_null(pc.equal(table["record"], pa.scalar(packed, pa.binary(16))), False)
        if not pc.any(matches).as_py():
            return []
        bodies = await self._read(groups, ("body",))
        found = table.append_column("body", bodies["body"]).filter(matches).sort_by("part")
        return [_packed_part(row) for row in found.to_pylist()]

    async def beginnings(
        self, journal: JournalId
    ) -> tuple[dict[bytes, bytes], dict[tuple[bytes, int], bytes]]:
        """A journal's session and scope frames' bodies, as `JournalScan` has them."""
        table = await self._read([0], ("frame", "journal", "body"))
        mine = pc.equal(table["journal"], pa.scalar(journal, pa.uint64()))
        sessions: dict[bytes, bytes] = {}
        scopes: dict[tuple[bytes, int], bytes] = {}
        for row in table.filter(mine).to_pylist():
            if row["frame"] == frames.SESSION:
                sessions[frames.session_of(row["body"])[0]] = row["body"]
            elif row["frame"] == frames.SCOPE:
                scopes[frames.scope_of(row["body"])] = row["body"]
        return sessions, scopes

    async def clear_columns(self) -> Any:
        """A pyarrow table of everything but the bodies."""
        return await self._read(list(range(self._file.num_row_groups)), CLEAR_COLUMNS)

    def _groups(self, column: str, value: Any) -> list[int]:
        """The row groups whose statistics allow `value`."""
        number = _COLUMN_NUMBERS[column]
        allowed = []
        for group in range(self._file.num_row_groups):
            statistics = self._file.metadata.row_group(group).column(number).statistics
            if statistics is None or not statistics.has_min_max:
                if statistics is None or statistics.null_count == 0 or column != "record":
                    allowed.append(group)
            elif statistics.min <= value <= statistics.max:
                allowed.append(group)
        return allowed

    async def _read(self, groups: list[int], columns: tuple[str, ...]) -> Any:
        """Fetch the column chunks that are needed, then decode them off the loop."""
        if not groups:
            return SCHEMA.empty_table().select(list(columns))
        wanted = []
        for group in groups:
            for name in columns:
                chunk = self._file.metadata.row_group(group).column(_COLUMN_NUMBERS[name])
                span = chunk.data_page_offset, chunk.total_compressed_size
                if not self._ranges.has(*span):
                    wanted.append(span)
        fetched = await asyncio.gather(
            *(self._objects.get_range(self._key, offset, size) for offset, size in wanted)
        )
        for (offset, _), data in zip(wanted, fetched, strict=True):
            self._ranges.add(offset, data)
        read = partial(self._file.read_row_groups, groups, columns=list(columns), use_threads=False)
        try:
            return await self._offload.run(read)
        except (pa.ArrowException, OSError):
            raise TamperedContent("a segment cannot be decoded; inspect the bucket") from None


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

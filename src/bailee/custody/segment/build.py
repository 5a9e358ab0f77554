"""Making a segment's bytes from closed journals.

Memory: the segment itself, one row group, and some hundred bytes per part. The same journals give
the same bytes with the same version of the Parquet library.
"""

from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from bailee.custody.journal import frames
from bailee.custody.journal.places import journal_path
from bailee.custody.journal.reader import (
    JournalScan,
    PlacedPart,
    read_part,
    require_closed,
    scan,
)
from bailee.custody.seal.part import PartHeader
from bailee.custody.segment.layout import METADATA_KEY, SCHEMA, metadata_of
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import Purpose
from bailee.ports.files import Files
from bailee.ports.ledger import JournalRow

_GROUP_BYTES: Final = 2 * 1024 * 1024
_GROUP_ROWS: Final = 4096


class BuiltSegment(NamedTuple):
    """A segment's bytes and how many rows it has."""

    data: bytes
    rows: int


class _Source(NamedTuple):
    row: JournalRow
    path: str
    found: JournalScan


def build_segment(files: Files, rows: list[JournalRow], purpose: Purpose) -> BuiltSegment:
    """Pack journals of one region and epoch.

    Raises TamperedContent when a journal is not what its row says.
    """
    sources = [_source(files, row) for row in rows]
    order = sorted(
        ((source, part) for source in sources for part in source.found.parts), key=_part_order
    )
    sink = pa.BufferOutputStream()
    schema = SCHEMA.with_metadata({METADATA_KEY: metadata_of(rows, purpose).encode()})
    count = 0
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=False, write_page_checksum=True
    ) as writer:
        beginnings = [row for source in sources for row in _beginnings(source)]
        beginnings.sort(key=lambda row: row["frame"])
        writer.write_table(pa.Table.from_pylist(beginnings, schema=schema))
        count += len(beginnings)
        group: list[dict[str, Any]] = []
        size = 0
        for source, placed in order:
            row = _part_row(files, source, placed)
            group.append(row)
            size += placed.size_bytes
            if size >= _GROUP_BYTES or len(group) >= _GROUP_ROWS:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                group, size = [], 0
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
        count += len(order)
    return BuiltSegment(sink.getvalue().to_pybytes(), count)


def _source(files: Files, row: JournalRow) -> _Source:
    path = journal_path(row.region, row.epoch, row.journal)
    try:
        found = require_closed(scan(files, path), row.root)
    except FileNotFoundError:
        raise TamperedContent("a closed journal's file is missing; inspect the disk") from None
    return _Source(row, path, found)


def _part_order(item: tuple[_Source, PlacedPart]) -> tuple[bytes, bytes, int]:
    _, placed = item
    return placed.project_pseudonym, placed.record, placed.part


def _beginnings(source: _Source) -> list[dict[str, Any]]:
    bodies = [(frames.SESSION, body) for body in source.found.sessions.values()]
    bodies += [(frames.SCOPE, body) for body in source.found.scopes.values()]
    return [
        {"frame": kind, "journal": source.row.journal, "position": 0, "body": body}
        for kind, body in bodies
    ]


def _part_row(files: Files, source: _Source, placed: PlacedPart) -> dict[str, Any]:
    sealed = read_part(files, source.path, placed)
    header = PartHeader.decode(sealed.header)
    return {
        "frame": frames.PART,
        "journal": source.row.journal,
        "position": placed.position,
        "record": placed.record,
        "part": placed.part,
        "kind": header.kind,
        "flags": header.flags,
        "endpoint": header.endpoint,
        "status": header.status,
        "sealed_at": header.sealed_at,
        "tenant": header.tenant_pseudonym,
        "project": header.project_pseudonym,
        "content_bytes": header.content_bytes,
        "leaf": placed.leaf,
        "body": sealed.encode(),
    }

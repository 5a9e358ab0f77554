"""A segment's key, columns and metadata. Format: docs/formats/segment.md."""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec
import pyarrow as pa
from msgspec import Struct

from bailee.custody.journal.root import logged_entry
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import JournalId, Purpose, Region
from bailee.kernel.instants import Epoch
from bailee.ports.ledger import JournalRow

VERSION: Final = 1
METADATA_KEY: Final = b"bailee"

COLUMNS: Final = (
    ("frame", pa.uint8()),
    ("journal", pa.uint64()),
    ("position", pa.uint32()),
    ("record", pa.binary(16)),
    ("part", pa.uint32()),
    ("kind", pa.uint8()),
    ("flags", pa.uint8()),
    ("endpoint", pa.uint8()),
    ("status", pa.uint16()),
    ("sealed_at", pa.timestamp("ms", tz="UTC")),
    ("tenant", pa.binary(16)),
    ("project", pa.binary(16)),
    ("content_bytes", pa.uint32()),
    ("leaf", pa.binary(32)),
    ("body", pa.binary()),
)
SCHEMA: Final = pa.schema(COLUMNS)
CLEAR_COLUMNS: Final = tuple(name for name, _ in COLUMNS if name != "body")


class PackedJournal(Struct, frozen=True):
    """What the metadata says of one journal. Bytes are base64 in the JSON."""

    journal: str
    """16 hexadecimal digits."""
    count: int
    root: bytes
    signature: bytes
    certificate: bytes
    """MessagePack of the boot certificate."""
    log_leaf: bytes
    """The journal_closed entry, canonical JSON."""


class SegmentMetadata(Struct, frozen=True):
    """The JSON under the metadata key `bailee`."""

    version: int
    region: Region
    epoch: Epoch
    purpose: Purpose
    journals: list[PackedJournal]

    def encode(self) -> bytes:
        """As stored."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, encoded: bytes) -> "SegmentMetadata":
        """Read it. Raises TamperedContent."""
        try:
            decoded = msgspec.json.decode(encoded, type=cls)
        except msgspec.DecodeError:
            raise TamperedContent("a segment's metadata cannot be read") from None
        if decoded.version != VERSION:
            raise TamperedContent("a segment is not of version 1; upgrade Bailee to read it")
        return decoded


def metadata_of(rows: list[JournalRow], purpose: Purpose) -> SegmentMetadata:
    """The metadata of a segment of these journals, all of one region and epoch."""
    journals = [
        PackedJournal(
            f"{row.journal:016x}",
            row.parts,
            row.root,
            row.signature,
            row.certificate,
            logged_entry(row),
        )
        for row in rows
    ]
    return SegmentMetadata(VERSION, rows[0].region, rows[0].epoch, purpose, journals)


def epoch_prefix(region: Region, purpose: Purpose, epoch: Epoch) -> str:
    """The folder of one epoch's segments, removed with the epoch."""
    return f"segments/{region}/{purpose.value}/{epoch}"


def segment_key(
    region: Region, purpose: Purpose, epoch: Epoch, journals: Iterable[JournalId]
) -> str:
    """The object key of a segment: it follows from the journals in it."""
    ids = b"".join(journal.to_bytes(8, "big") for journal in sorted(journals))
    name = hashlib.sha256(ids).hexdigest()[:16]
    return f"{epoch_prefix(region, purpose, epoch)}/{name}.parquet"

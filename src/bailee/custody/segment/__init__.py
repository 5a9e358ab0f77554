"""Segments: closed journals of one epoch, packed as Parquet. Format: docs/formats/segment.md."""

from bailee.custody.segment.packing import Packer
from bailee.custody.segment.reader import SegmentReader

__all__ = ["Packer", "SegmentReader"]

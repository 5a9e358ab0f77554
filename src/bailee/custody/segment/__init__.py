"""Segments: closed journals of one epoch, packed as Parquet. Format: docs/formats/segment.md."""

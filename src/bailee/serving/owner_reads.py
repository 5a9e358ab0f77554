"""An owner reads a record of their own, with the API key itself.

The key is verified twice: by the gateway's snapshot to find the caller, and by the keeper, which
alone can open and takes tenant and project from the key. A record of somebody else is not told
apart from one that never was.
"""

from typing import NamedTuple

from bailee.kernel.ids import RecordId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Content


class ReadRecord(NamedTuple):
    """A record, opened."""

    record: RecordId
    endpoint: str
    sealed_at: Instant
    """Of the prompt."""
    status: int
    """Of the answer; 0 while there is none."""
    complete: bool
    broken: bool
    request: Content
    answer: Content

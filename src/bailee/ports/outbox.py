"""What waits to enter the transparency log, and what has entered.

The act and its entry are tied: the entry is appended in the transaction of the act
(`ports.ledger.LedgerTransaction.append_entry`, or the same transaction of a governance noun).
"""

from typing import NamedTuple, Protocol


class PendingEntry(NamedTuple):
    """An entry that was committed and is not in the log yet."""

    position: int
    """Grows with commit order closely enough; unique; not the index in the log."""
    leaf: bytes
    """Canonical JSON, at most 1 KiB."""


class Outbox(Protocol):
    """Read by the sequencer alone, which holds the lease `sequencer`."""

    async def pending(self, limit: int) -> list[PendingEntry]:
        """The oldest entries without an index, by position."""
        ...

    async def mark_sequenced(self, positions: list[int], first_index: int, fence: int) -> None:
        """Record that `positions` are at `first_index`, `first_index + 1`, … of the log.

        Idempotent for the same indexes. Raises Conflict when `fence` is not the lease's newest
        token, having written nothing.
        """
        ...

    async def index_of(self, leaf_hash: bytes) -> int | None:
        """The log index of an entry by its RFC 6962 leaf hash; None while it is pending."""
        ...

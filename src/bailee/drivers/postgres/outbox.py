"""The outbox: log entries between the transaction of their act and their place in the log.

Entries are inserted by one statement for a whole transaction, and leave by one statement for a
whole batch: what is sequenced is deleted here and leaves its hash and index in `log_positions`,
so that the table stays as small as what is pending.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bailee.drivers.postgres.failures import kinds
from bailee.drivers.postgres.leases import check_fence
from bailee.kernel.errors import Conflict, InvalidInput
from bailee.ports.outbox import PendingEntry

LEASE: Final = "sequencer"
"""The lease that the reader of the outbox holds."""
_LEAF_MAX_BYTES: Final = 1024

_INSERT: Final = "INSERT INTO outbox (leaf) SELECT unnest($1::bytea[])"
_PENDING: Final = "SELECT position, leaf FROM outbox ORDER BY position LIMIT $1"
# RFC 6962, section 2.1: the hash of a leaf is SHA-256 of a zero byte and the leaf.
_SEQUENCE: Final = """
WITH placed AS (
    DELETE FROM outbox
    USING unnest($1::bigint[]) WITH ORDINALITY AS given (position, place)
    WHERE outbox.position = given.position
    RETURNING given.place, outbox.leaf
)
INSERT INTO log_positions (log_index, leaf_hash)
SELECT $2::bigint + place - 1, sha256('\\x00'::bytea || leaf) FROM placed
"""
_COUNT: Final = "SELECT count(*) FROM log_positions WHERE log_index >= $1 AND log_index < $2"
_INDEX: Final = "SELECT min(log_index) FROM log_positions WHERE leaf_hash = $1"


def check_leaf(leaf: bytes) -> bytes:
    """Give `leaf` back; InvalidInput if it is longer than an entry may be."""
    if len(leaf) > _LEAF_MAX_BYTES:
        raise InvalidInput(f"A log entry has at most {_LEAF_MAX_BYTES} bytes, not {len(leaf)}.")
    return leaf


async def insert_leaves(connection: AsyncConnection, leaves: list[bytes]) -> None:
    """Insert entries in the present transaction, in order."""
    if leaves:
        await connection.exec_driver_sql(_INSERT, (leaves,))


class PostgresOutbox:
    """`ports.outbox.Outbox` on the clerk's engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def pending(self, limit: int) -> list[PendingEntry]:
        """The oldest entries without an index, by position."""
        with kinds():
            async with self._engine.connect() as connection:
                rows = await connection.exec_driver_sql(_PENDING, (limit,))
                return [PendingEntry(row.position, row.leaf) for row in rows]

    async def mark_sequenced(self, positions: list[int], first_index: int, fence: int) -> None:
        """Record that `positions` are at `first_index`, `first_index + 1`, … of the log."""
        with kinds():
            async with self._engine.begin() as connection:
                placed = await connection.exec_driver_sql(_SEQUENCE, (positions, first_index))
                if placed.rowcount != len(positions):
                    await _check_placed(connection, first_index, len(positions))
                await check_fence(connection, (LEASE, fence))

    async def index_of(self, leaf_hash: bytes) -> int | None:
        """The log index of an entry by its RFC 6962 leaf hash; None while it is pending."""
        with kinds():
            async with self._engine.connect() as connection:
                index: int | None = (
                    await connection.exec_driver_sql(_INDEX, (leaf_hash,))
                ).scalar_one()
                return index


async def _check_placed(connection: AsyncConnection, first_index: int, count: int) -> None:
    """Return if the indexes are all taken, so that what is not in the outbox was placed before."""
    found = await connection.exec_driver_sql(_COUNT, (first_index, first_index + count))
    if found.scalar_one() != count:
        raise Conflict(
            "Entries to be sequenced are not in the outbox and have no index. Read what is pending"
            " again; nothing was written."
        )

"""The contract of `ports.outbox`, and of the entries that `ports.ledger` puts into it."""

import hashlib

import pytest
from tests.contracts.database_drivers import DatabasePorts

from bailee.kernel.errors import Conflict


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


async def append(database: DatabasePorts, *leaves: bytes) -> None:
    async with database.ledger.transaction() as transaction:
        for leaf in leaves:
            await transaction.append_entry(leaf)


async def fence(database: DatabasePorts) -> int:
    token = await database.leases.acquire("sequencer", "me", 60_000)
    assert token is not None
    return token


async def test_entries_come_in_order_until_sequenced(database: DatabasePorts) -> None:
    await append(database, b'{"n":1}', b'{"n":2}')
    await append(database, b'{"n":3}')
    pending = await database.outbox.pending(10)
    assert [entry.leaf for entry in pending] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert len({entry.position for entry in pending}) == 3
    assert await database.outbox.pending(2) == pending[:2]
    token = await fence(database)
    await database.outbox.mark_sequenced([entry.position for entry in pending[:2]], 7, token)
    assert await database.outbox.pending(10) == pending[2:]
    assert await database.outbox.index_of(leaf_hash(b'{"n":2}')) == 8
    assert await database.outbox.index_of(leaf_hash(b'{"n":3}')) is None
    assert await database.outbox.index_of(leaf_hash(b"unknown")) is None


async def test_an_entry_of_a_failed_transaction_is_none(database: DatabasePorts) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the whole transaction
        async with database.ledger.transaction() as transaction:
            await transaction.append_entry(b'{"n":1}')
            raise ZeroDivisionError
    assert await database.outbox.pending(10) == []


async def test_marking_again_is_harmless_and_elsewhere_a_conflict(database: DatabasePorts) -> None:
    await append(database, b'{"n":1}')
    (entry,) = await database.outbox.pending(10)
    token = await fence(database)
    await database.outbox.mark_sequenced([entry.position], 0, token)
    await database.outbox.mark_sequenced([entry.position], 0, token)
    assert await database.outbox.index_of(leaf_hash(b'{"n":1}')) == 0


async def test_a_stale_sequencer_writes_nothing(database: DatabasePorts) -> None:
    await append(database, b'{"n":1}')
    (entry,) = await database.outbox.pending(10)
    stale = await fence(database)
    await database.leases.release("sequencer", "me")
    newer = await database.leases.acquire("sequencer", "other", 60_000)
    assert newer is not None
    with pytest.raises(Conflict):
        await database.outbox.mark_sequenced([entry.position], 0, stale)
    assert await database.outbox.pending(10) == [entry]
    await database.outbox.mark_sequenced([entry.position], 0, newer)

"""What the PostgreSQL drivers do beyond the ports' contracts: concurrency and privileges."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.postgres.leases import PostgresLeases, check_fence
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.drivers.system.clock import SystemClock
from bailee.kernel.errors import Conflict, Forbidden
from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, Region
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.ledger import EpochRow, EpochState, JournalRow, JournalState
from bailee.schema.roles import CLERK, GATEWAY

CLOCK = SystemClock()
NAME = EpochKeyName(Region("us"), Purpose.ABUSE_MONITORING, Epoch(5))
EPOCH = EpochRow(NAME, EpochState.OPEN, Instant(1))


def journal(number: int) -> JournalRow:
    return JournalRow(
        JournalId(number), NAME.region, NAME.epoch, "n", "w", Instant(1), JournalState.OPEN
    )


async def test_one_of_many_that_ask_at_once_gets_the_lease(
    postgres_database: FreshDatabase,
) -> None:
    async with postgres_database.engine(CLERK, connections=8) as engine:
        leases = PostgresLeases(engine, CLOCK)
        for expected in (1, 2, 3):
            tokens = await asyncio.gather(
                *(leases.acquire("tick", f"{expected}-{number}", 60_000) for number in range(16))
            )
            assert [token for token in tokens if token is not None] == [expected]
            holder = next(number for number, token in enumerate(tokens) if token is not None)
            await leases.release("tick", f"{expected}-{holder}")


async def test_lease_lost_in_the_middle_of_a_transaction_undoes_it(
    clerk_engine: AsyncEngine,
) -> None:
    leases, ledger = PostgresLeases(clerk_engine, CLOCK), PostgresLedger(clerk_engine)
    stale = await leases.acquire("tick", "a", 60_000)
    assert stale is not None

    async def act() -> None:
        async with ledger.transaction(("tick", stale)) as transaction:
            await transaction.add_journal(journal(1))
            await transaction.append_entry(b"{}")
            await leases.release("tick", "a")
            assert await leases.acquire("tick", "b", 60_000) == stale + 1

    with pytest.raises(Conflict):
        await act()
    async with ledger.transaction() as transaction:
        assert await transaction.journal(JournalId(1)) is None
    assert await PostgresOutbox(clerk_engine).pending(10) == []


async def test_lease_cannot_pass_between_the_fence_and_the_commit(
    clerk_engine: AsyncEngine,
) -> None:
    """Whoever acquires meanwhile waits for the commit, and then sees what it wrote."""
    leases = PostgresLeases(clerk_engine, CLOCK)
    token = await leases.acquire("tick", "a", 60_000)
    assert token is not None
    async with clerk_engine.begin() as connection:
        await check_fence(connection, ("tick", token))
        taking = asyncio.create_task(leases.acquire("tick", "a", 60_000))
        done, _ = await asyncio.wait({taking}, timeout=0.1)
        assert done == set()
    assert await taking == token


async def test_unknown_lease_fences_everything_off(clerk_engine: AsyncEngine) -> None:
    with pytest.raises(Conflict):
        async with PostgresLedger(clerk_engine).transaction(("never", 1)) as transaction:
            await transaction.add_journal(journal(1))


async def test_gateway_registers_and_does_not_destroy(gateway_engine: AsyncEngine) -> None:
    ledger = PostgresLedger(gateway_engine)
    async with ledger.transaction() as transaction:
        assert await transaction.add_epoch(EPOCH)
        await transaction.add_journal(journal(2**63))
        await transaction.append_entry(b"{}")
        closed = journal(2**63)._replace(state=JournalState.CLOSED)
        await transaction.move_journal(closed, JournalState.OPEN)
        assert await transaction.receipt("none") is None
    assert await PostgresOutbox(gateway_engine).index_of(bytes(32)) is None
    with pytest.raises(Forbidden):
        async with ledger.transaction() as transaction:
            await transaction.move_epoch(
                EPOCH._replace(state=EpochState.DESTROYED), EpochState.OPEN
            )
    with pytest.raises(Forbidden):
        async with ledger.transaction() as transaction:
            await transaction.forget_epoch_content(NAME.region, NAME.epoch, NAME.purpose)
    with pytest.raises(Forbidden):
        await PostgresLeases(gateway_engine, CLOCK).acquire("tick", "gateway", 1)
    with pytest.raises(Forbidden):
        await PostgresOutbox(gateway_engine).pending(1)


async def test_entries_that_are_nowhere_are_a_conflict(clerk_engine: AsyncEngine) -> None:
    fence = await PostgresLeases(clerk_engine, CLOCK).acquire("sequencer", "me", 60_000)
    assert fence is not None
    outbox = PostgresOutbox(clerk_engine)
    async with PostgresLedger(clerk_engine).transaction() as transaction:
        await transaction.append_entry(b"{}")
    (entry,) = await outbox.pending(10)
    with pytest.raises(Conflict, match="not in the outbox"):
        await outbox.mark_sequenced([entry.position, entry.position + 1], 0, fence)
    assert await outbox.pending(10) == [entry]
    await outbox.mark_sequenced([entry.position], 0, fence)
    async with PostgresLedger(clerk_engine).transaction() as transaction:
        await transaction.append_entry(b"[]")
    (other,) = await outbox.pending(10)
    with pytest.raises(Conflict):
        await outbox.mark_sequenced([other.position], 0, fence)
    assert await outbox.pending(10) == [other]


async def test_many_entries_of_one_transaction_keep_their_order(
    postgres_database: FreshDatabase,
) -> None:
    leaves = [b'{"n":%d}' % number for number in range(5000)]
    async with (
        postgres_database.engine(GATEWAY) as engine,
        PostgresLedger(engine).transaction() as transaction,
    ):
        for leaf in leaves:
            await transaction.append_entry(leaf)
    async with postgres_database.engine(CLERK) as engine:
        pending = await PostgresOutbox(engine).pending(10_000)
    assert [entry.leaf for entry in pending] == leaves

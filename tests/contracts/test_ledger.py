"""The contract of `ports.ledger`."""

import pytest
from tests.contracts.database_drivers import DatabasePorts

from bailee.kernel.errors import Conflict
from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, Region
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.ledger import (
    EpochRow,
    EpochState,
    JournalRow,
    JournalState,
    ReceiptRow,
    SegmentRow,
)

US, EU = Region("us"), Region("eu")
ABUSE = Purpose.ABUSE_MONITORING
NOW = Instant(1_795_419_000_123)


def journal(number: int, epoch: int = 5, opened_at: int = NOW, region: Region = US) -> JournalRow:
    return JournalRow(
        JournalId(number),
        region,
        Epoch(epoch),
        "node",
        "worker",
        Instant(opened_at),
        JournalState.OPEN,
        certificate=b"certificate",
    )


def closed(row: JournalRow) -> JournalRow:
    return row._replace(
        state=JournalState.CLOSED,
        closed_at=NOW,
        parts=3,
        root=b"r" * 32,
        signature=b"s" * 64,
        leaf_hash=b"l" * 32,
        size_bytes=4096,
    )


def segment(key: str, epoch: int = 5, purpose: Purpose = ABUSE) -> SegmentRow:
    return SegmentRow(key, US, Epoch(epoch), purpose, 10, 4096, b"d" * 32, NOW)


def epoch_row(epoch: int, state: EpochState = EpochState.OPEN) -> EpochRow:
    return EpochRow(EpochKeyName(US, ABUSE, Epoch(epoch)), state, NOW)


async def test_a_journal_is_read_as_it_was_written(database: DatabasePorts) -> None:
    largest = journal(2**64 - 1)
    async with database.ledger.transaction() as transaction:
        await transaction.add_journal(largest)
        assert await transaction.journal(largest.journal) == largest
    async with database.ledger.transaction() as transaction:
        await transaction.move_journal(closed(largest), JournalState.OPEN)
    async with database.ledger.transaction() as transaction:
        assert await transaction.journal(largest.journal) == closed(largest)
        assert await transaction.journal(JournalId(7)) is None


async def test_a_journal_is_added_once(database: DatabasePorts) -> None:
    async with database.ledger.transaction() as transaction:
        await transaction.add_journal(journal(1))
    with pytest.raises(Conflict):
        async with database.ledger.transaction() as transaction:
            await transaction.add_journal(journal(1))


async def test_moving_needs_the_expected_state(database: DatabasePorts) -> None:
    row = journal(1)
    async with database.ledger.transaction() as transaction:
        await transaction.add_journal(row)
    with pytest.raises(Conflict):  # noqa: PT012 - the whole transaction
        async with database.ledger.transaction() as transaction:
            await transaction.append_entry(b"{}")
            await transaction.move_journal(closed(row), JournalState.CLOSED)
    with pytest.raises(Conflict):
        async with database.ledger.transaction() as transaction:
            await transaction.move_journal(journal(2), JournalState.OPEN)
    assert await database.outbox.pending(1) == []


async def test_journals_come_by_opening_and_by_state(database: DatabasePorts) -> None:
    rows = [journal(3, opened_at=NOW), journal(1, opened_at=NOW + 5), journal(2, opened_at=NOW - 5)]
    other = [journal(4, epoch=4), journal(5, region=EU), journal(6)._replace(node="other")]
    async with database.ledger.transaction() as transaction:
        for row in rows + other:
            await transaction.add_journal(row)
        await transaction.move_journal(closed(rows[0]), JournalState.OPEN)
    async with database.ledger.transaction() as transaction:
        mine = [row.journal for row in await transaction.journals(US, Epoch(5))]
        assert mine == [2, 3, 6, 1] or mine == [2, 6, 3, 1]
        held = await transaction.journals_in(JournalState.OPEN, "node")
        assert held[0].journal == 4
        assert {row.journal for row in held} == {1, 2, 4, 5}
        assert await transaction.journals_in(JournalState.CLOSED, "node") == [closed(rows[0])]


async def test_a_failed_transaction_changes_nothing(database: DatabasePorts) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the whole transaction
        async with database.ledger.transaction() as transaction:
            await transaction.add_journal(journal(1))
            await transaction.add_segment(segment("k"))
            raise ZeroDivisionError
    async with database.ledger.transaction() as transaction:
        assert await transaction.journals(US, Epoch(5)) == []
        assert await transaction.segments(US, Epoch(5), ABUSE) == []


async def test_epochs_move_through_their_states(database: DatabasePorts) -> None:
    row = epoch_row(5)
    async with database.ledger.transaction() as transaction:
        assert await transaction.add_epoch(row)
        assert not await transaction.add_epoch(row)
        assert await transaction.add_epoch(epoch_row(4))
    fenced = row._replace(state=EpochState.FENCED)
    destroyed = row._replace(
        state=EpochState.DESTROYED, destroyed_at=NOW, statement=b'{"subject":"x"}'
    )
    async with database.ledger.transaction() as transaction:
        await transaction.move_epoch(fenced, EpochState.OPEN)
        await transaction.move_epoch(destroyed, EpochState.FENCED)
    async with database.ledger.transaction() as transaction:
        assert await transaction.epoch(row.name) == destroyed
        assert await transaction.epochs(frozenset({EpochState.OPEN})) == [epoch_row(4)]
        both = frozenset({EpochState.OPEN, EpochState.DESTROYED})
        assert await transaction.epochs(both) == [epoch_row(4), destroyed]
        assert await transaction.epoch(EpochKeyName(EU, ABUSE, Epoch(5))) is None
        with pytest.raises(Conflict):
            await transaction.move_epoch(fenced, EpochState.OPEN)


async def test_forgetting_an_epoch_leaves_others(database: DatabasePorts) -> None:
    async with database.ledger.transaction() as transaction:
        for row in (journal(1), journal(2, epoch=6), journal(3, region=EU)):
            await transaction.add_journal(row)
        for held in (segment("b"), segment("a"), segment("c", epoch=6)):
            await transaction.add_segment(held)
        await transaction.add_segment(segment("t", purpose=Purpose.TRAINING))
    with pytest.raises(Conflict):
        async with database.ledger.transaction() as transaction:
            await transaction.add_segment(segment("a"))
    async with database.ledger.transaction() as transaction:
        found = await transaction.segments(US, Epoch(5), ABUSE)
        assert found == [segment("a"), segment("b")]
        await transaction.forget_epoch_content(US, Epoch(5), ABUSE)
    async with database.ledger.transaction() as transaction:
        assert await transaction.journal(JournalId(1)) is None
        assert await transaction.journal(JournalId(2)) == journal(2, epoch=6)
        assert await transaction.journal(JournalId(3)) == journal(3, region=EU)
        assert await transaction.segments(US, Epoch(5), ABUSE) == []
        assert len(await transaction.segments(US, Epoch(6), ABUSE)) == 1
        assert len(await transaction.segments(US, Epoch(5), Purpose.TRAINING)) == 1


async def test_receipts_wait_for_their_document(database: DatabasePorts) -> None:
    first = ReceiptRow("epoch/us/abuse_monitoring/5", b'{"a":1}', None)
    second = ReceiptRow("epoch/us/abuse_monitoring/6", b'{"a":2}', None)
    async with database.ledger.transaction() as transaction:
        await transaction.put_receipt(first)
        await transaction.put_receipt(second)
    async with database.ledger.transaction() as transaction:
        assert await transaction.receipts_without_document(10) == [first, second]
        assert await transaction.receipts_without_document(1) == [first]
        await transaction.put_receipt(first._replace(document=b"proof"))
    async with database.ledger.transaction() as transaction:
        assert await transaction.receipt(first.subject) == first._replace(document=b"proof")
        assert await transaction.receipts_without_document(10) == [second]
        assert await transaction.receipt("unknown") is None


async def test_a_newer_token_fences_off_the_older_holder(database: DatabasePorts) -> None:
    stale = await database.leases.acquire("tick", "a", 60_000)
    assert stale is not None
    async with database.ledger.transaction(("tick", stale)) as transaction:
        await transaction.add_journal(journal(1))
    await database.leases.release("tick", "a")
    newer = await database.leases.acquire("tick", "b", 60_000)
    assert newer is not None
    with pytest.raises(Conflict):
        async with database.ledger.transaction(("tick", stale)) as transaction:
            await transaction.add_journal(journal(2))
    async with database.ledger.transaction(("tick", newer)) as transaction:
        assert await transaction.journal(JournalId(1)) is not None
        assert await transaction.journal(JournalId(2)) is None

"""Packing journals into segments, and reading these."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fixtures.custody_world import ALICE, BOB, US, World, exchange

from bailee.custody.reading import Reading
from bailee.custody.segment.layout import METADATA_KEY, SegmentMetadata, segment_key
from bailee.custody.segment.packing import Packer
from bailee.custody.segment.reader import SegmentReader
from bailee.drivers.memory import InlineOffload
from bailee.kernel.errors import (
    Conflict,
    NotFound,
    NotYet,
    TamperedContent,
    Unavailable,
)
from bailee.kernel.ids import JournalId, Purpose, RecordId
from bailee.kernel.instants import MINUTE_MS, Epoch
from bailee.ports.ledger import JournalState, SegmentRow
from bailee.transparency import entry, tree

PROMPT = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256))


def packer(world: World) -> Packer:
    return Packer(
        world.files, InlineOffload(), world.objects, world.ledger, world.clock, node="node"
    )


def reading(world: World, node: str = "node") -> Reading:
    return Reading(
        world.files, InlineOffload(), world.objects, world.ledger, node=node, regions=(US,)
    )


async def closed(exchanges: int = 6) -> tuple[World, list[RecordId]]:
    """A machine with two closed journals of an epoch that is over."""
    world = World()
    await world.recorder.tick()
    records = []
    for half in range(2):
        for number in range(exchanges // 2):
            owner = (ALICE, BOB)[number % 2]
            records.append((await exchange(world.recorder, owner, PROMPT + bytes([half])))[0])
        world.clock.advance(31_000)
        await world.recorder.tick()
    world.clock.advance(40 * MINUTE_MS)
    return world, records


async def packed(exchanges: int = 6) -> tuple[World, list[RecordId], SegmentRow]:
    world, records = await closed(exchanges)
    (segment,) = await packer(world).run()
    return world, records, segment


async def test_records_are_found_in_their_segment_as_in_their_journals() -> None:
    world, records = await closed()
    before = [await reading(world).find_record(record) for record in records]
    await packer(world).run()
    assert world.files.list("journals") == []
    for record, earlier in zip(records, before, strict=True):
        stored = await reading(world, "another machine").find_record(record)
        assert stored.complete
        for part, was in zip(stored.parts, earlier.parts, strict=True):
            assert part._replace(journal=was.journal) == was
            assert part.journal.state is JournalState.PACKED
            assert tree.verify_inclusion(
                part.leaf, part.position, part.journal.parts, part.path, part.journal.root
            )


async def test_packing_is_logged_with_the_objects_digest() -> None:
    world, _, segment = await packed()
    data = world.bucket.objects[segment.key].data
    assert hashlib.sha256(data).digest() == segment.digest
    logged = [entry.parse(leaf) for leaf in world.database.tables.entries.values()]
    assert [act["type"] for act in logged] == ["journal_closed", "journal_closed", "segment_closed"]
    assert (logged[-1]["journals"], logged[-1]["size_bytes"]) == (2, len(data))


async def test_any_parquet_reader_sees_the_clear_columns_and_no_content() -> None:
    world, records, segment = await packed()
    data = world.bucket.objects[segment.key].data
    table = pq.read_table(pa.BufferReader(data))
    parts = table.filter(pa.compute.equal(table["frame"], 3))
    order = list(
        zip(*(parts[name].to_pylist() for name in ("project", "record", "part")), strict=True)
    )
    assert order == sorted(order)
    assert {row[1] for row in order} == {record.packed() for record in records}
    assert table["frame"].to_pylist()[: table.num_rows - parts.num_rows].count(3) == 0
    assert table.schema.names[-1] == "body"
    metadata = SegmentMetadata.decode(table.schema.metadata[METADATA_KEY])
    assert (metadata.version, metadata.region, metadata.epoch) == (1, US, segment.epoch)
    assert {int(journal.journal, 16) for journal in metadata.journals} == {
        record.journal for record in records
    }
    for journal in metadata.journals:
        assert entry.parse(journal.log_leaf)["journal"] == journal.journal
    assert data.count(PROMPT[:64]) == data.count(ALICE.tenant) == 0


async def test_the_clear_columns_can_be_had_without_the_bodies() -> None:
    world, _, segment = await packed()
    reader = await SegmentReader.open(world.objects, InlineOffload(), segment)
    table = await reader.clear_columns()
    assert table.num_rows == segment.rows
    assert "body" not in table.schema.names


async def test_one_record_costs_a_small_part_of_a_large_segment() -> None:
    world, records, segment = await packed(2000)
    assert segment.size_bytes > 12_000_000
    fetched = []
    original = world.objects.get_range

    async def counting(key: str, offset: int, size_bytes: int) -> bytes:
        fetched.append(size_bytes)
        return await original(key, offset, size_bytes)

    world.objects.get_range = counting  # type: ignore[method-assign]
    assert (await reading(world).find_record(records[700])).complete
    assert sum(fetched) < segment.size_bytes / 3


async def test_any_changed_byte_of_a_segment_is_noticed_or_harmless() -> None:
    world, records, segment = await packed(2)
    whole = world.bucket.objects[segment.key].data
    honest = await reading(world).find_record(records[0])
    noticed = 0
    for at in range(0, len(whole), 23):
        changed = bytearray(whole)
        changed[at] ^= 0x20
        world.bucket.store(segment.key, bytes(changed))
        try:
            stored = await reading(world).find_record(records[0])
        except TamperedContent:
            noticed += 1
        else:
            # Some bytes of page headers and the footer say nothing that is used.
            assert stored == honest
    assert noticed > len(whole) / 23 / 2


async def test_a_store_that_gives_other_bytes_keeps_the_journals() -> None:
    world, records = await closed()
    original = world.objects.get_range

    async def lying(key: str, offset: int, size_bytes: int) -> bytes:
        return bytes(len(await original(key, offset, size_bytes)))

    world.objects.get_range = lying  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await packer(world).run()
    assert len(world.files.list("journals")) == 2
    world.objects.get_range = original  # type: ignore[method-assign]
    assert len(await packer(world).run()) == 1
    assert (await reading(world).find_record(records[0])).complete


async def test_a_changed_journal_is_not_packed_and_does_not_hold_up_others() -> None:
    world, records = await closed()
    path = next(path for path in world.files.list("journals"))
    data = bytearray(world.files.read(path))
    data[len(data) // 2] ^= 1
    world.files.write(path, bytes(data))
    later = World.start(world)
    await later.tick()
    other, _ = await exchange(later)
    world.clock.advance(31_000)
    await later.tick()
    world.clock.advance(40 * MINUTE_MS)
    with pytest.raises(TamperedContent):
        await packer(world).run()
    assert world.database.tables.journals[other.journal].state is JournalState.PACKED
    assert path in world.files.list("journals")
    assert records


async def test_an_epoch_that_was_forgotten_meanwhile_leaves_no_object() -> None:
    world, records = await closed()
    rows = list(world.database.tables.journals.values())
    async with world.ledger.transaction() as transaction:
        await transaction.forget_epoch_content(US, records[0].epoch, Purpose.ABUSE_MONITORING)
    with pytest.raises(Conflict):
        await packer(world).pack(rows)
    assert world.bucket.objects == {}


async def test_an_epoch_is_packed_when_it_is_over_or_fills_a_segment() -> None:
    world = World()
    await world.recorder.tick()
    await exchange(world.recorder)
    world.clock.advance(31_000)
    await world.recorder.tick()
    assert await packer(world).run() == []
    full = Packer(
        world.files,
        InlineOffload(),
        world.objects,
        world.ledger,
        world.clock,
        node="node",
        segment_bytes=1000,
    )
    assert len(await full.run()) == 1


async def test_records_of_another_machine_are_not_yet_there() -> None:
    world, records = await closed()
    with pytest.raises(NotYet):
        await reading(world, "another machine").find_record(records[0])


async def test_a_gone_segment_is_not_found() -> None:
    world, records, segment = await packed()
    del world.bucket.objects[segment.key]
    with pytest.raises(NotFound):
        await reading(world).find_record(records[0])


async def test_a_segment_of_another_length_is_refused() -> None:
    world, _, segment = await packed()
    longer = segment._replace(size_bytes=segment.size_bytes + 10)
    with pytest.raises(TamperedContent):
        await SegmentReader.open(world.objects, InlineOffload(), longer)


def test_the_key_follows_from_the_journals_whatever_their_order() -> None:
    ids = [JournalId(7), JournalId(2**63)]
    key = segment_key(US, Purpose.ABUSE_MONITORING, Epoch(994000), ids)
    assert key == segment_key(US, Purpose.ABUSE_MONITORING, Epoch(994000), reversed(ids))
    assert key.startswith("segments/us/abuse_monitoring/994000/")

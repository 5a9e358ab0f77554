"""Orphaned journals, cut at every place."""

import pytest
from tests.fixtures.custody_world import World, exchange

from bailee.custody.journal.frames import CLOSE, encode_frame
from bailee.custody.journal.reader import read_frames, require_closed, scan
from bailee.custody.journal.root import logged_entry
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import RecordId
from bailee.ports.ledger import JournalState
from bailee.transparency import entry


async def orphan(exchanges: int = 3) -> tuple[World, str, list[RecordId]]:
    """A machine whose worker died after some exchanges, two commits each."""
    world = World()
    await world.recorder.tick()
    records = [(await exchange(world.recorder))[0] for _ in range(exchanges)]
    world.files.die()
    (path,) = world.files.list("journals")
    return world, path, records


async def test_an_orphan_is_closed_and_logged_as_recovered() -> None:
    world, path, records = await orphan()
    assert [place.journal for place in await world.recovery().run()] == [records[0].journal]
    row = world.database.tables.journals[records[0].journal]
    assert (row.state, row.parts, row.worker) == (JournalState.CLOSED, 6, "worker-1")
    require_closed(scan(world.files, path), row.root)
    assert entry.parse(logged_entry(row))["recovered"] is True
    assert await world.recovery().run() == []


async def test_a_journal_is_cut_at_its_last_good_root_wherever_it_was_torn() -> None:
    world, path, records = await orphan()
    data = world.files.read(path)
    roots = [frame.end for frame in read_frames(world.files, path) if frame.kind == 4]
    assert roots[-1] == len(data)
    for cut in range(len(data) - 1, 0, -41):
        world.database.tables.journals.clear()
        world.files.write(path, data[:cut])
        await world.recovery().run()
        kept = [end for end in roots if end <= cut]
        row = world.database.tables.journals.get(records[0].journal)
        if not kept:
            assert row is None
            assert world.files.list("journals") == []
            continue
        assert row is not None
        assert row.parts == len(kept)
        assert world.files.read(path) == data[: kept[-1]] + encode_frame(CLOSE, b"")


async def test_a_changed_frame_cuts_what_follows_it() -> None:
    world, path, _ = await orphan()
    data = bytearray(world.files.read(path))
    third_root = [frame for frame in read_frames(world.files, path) if frame.kind == 4][2]
    data[third_root.offset + 3] ^= 1
    world.files.write(path, bytes(data))
    await world.recovery().run()
    (row,) = world.database.tables.journals.values()
    assert row.parts == 2


async def test_a_live_worker_keeps_its_journal() -> None:
    world = World()
    await world.recorder.tick()
    await exchange(world.recorder)
    assert await world.recovery().run() == []
    assert world.database.tables.journals == {}


async def test_a_closed_journal_that_the_ledger_missed_is_not_called_recovered() -> None:
    world = World()
    await world.recorder.tick()
    record, _ = await exchange(world.recorder)
    world.database.available = False
    world.clock.advance(31_000)
    await world.recorder.tick()
    world.database.available = True
    world.files.die()
    await world.recovery().run()
    row = world.database.tables.journals[record.journal]
    assert entry.parse(logged_entry(row))["recovered"] is False


async def test_a_worker_that_the_keeper_did_not_certify_is_not_taken_over() -> None:
    world, path, _ = await orphan()
    before = world.files.read(path)
    stranger = world.recovery()
    stranger._identity = b"another keeper's key............"
    with pytest.raises(TamperedContent):
        await stranger.run()
    assert world.files.read(path) == before
    assert world.database.tables.journals == {}


async def test_a_file_under_another_journals_name_is_not_believed() -> None:
    world, path, _ = await orphan()
    other = path[:-9] + ("0" if path[-9] != "0" else "1") + ".journal"
    world.files.rename(path, other)
    await world.recovery().run()
    assert world.database.tables.journals == {}

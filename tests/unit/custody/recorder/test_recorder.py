"""What a gateway worker may rely on when it records."""

import asyncio
import errno
import hashlib

import pytest
from tests.fixtures.custody_world import ALICE, BOB, CHAT, START, US, World, exchange

from bailee.custody.journal.frames import session_of
from bailee.custody.keeper import keys
from bailee.custody.reading import Reading, StoredRecord
from bailee.custody.recorder import Recorder
from bailee.custody.seal import opening
from bailee.custody.seal.part import FLAG_BROKEN, FLAG_FINAL, Owner, receipt_commitment
from bailee.drivers.memory import InlineOffload
from bailee.kernel.errors import (
    Conflict,
    DestroyedKey,
    InvalidInput,
    NotFound,
    NotYet,
    TamperedContent,
    Unavailable,
)
from bailee.kernel.ids import EpochKeyName, Purpose, RecordId, ScopeKeyName
from bailee.kernel.instants import MINUTE_MS, Epoch, epoch_of
from bailee.ports.ledger import JournalState

ABUSE = Purpose.ABUSE_MONITORING


def reading(world: World) -> Reading:
    return Reading(
        world.files, InlineOffload(), world.objects, world.ledger, node="node", regions=(US,)
    )


async def close_journals(world: World) -> None:
    world.clock.advance(31_000)
    await world.recorder.tick()


def opened(world: World, stored: StoredRecord, owner: Owner) -> list[bytes]:
    """The contents of a record, opened with the private keys of its cell."""
    contents = []
    epoch = EpochKeyName(US, ABUSE, stored.record.epoch)
    scope = ScopeKeyName(US, ABUSE, owner.project, 0)
    for part in stored.parts:
        epoch_secret = world.keeper.secret(epoch.encoded())
        chain = opening.first_chain_key(
            epoch,
            scope,
            (keys.epoch_mlkem_key(epoch, epoch_secret), keys.epoch_x25519_key(epoch, epoch_secret)),
            keys.scope_x25519_key(scope, world.keeper.secret(scope.encoded())),
            opening.read_session_body(part.session)[0],
            opening.read_scope_body(part.scope),
        )
        wrap = part.sealed.wrap_for(ABUSE)
        assert wrap is not None
        key = opening.unwrap(chain, wrap, owner, part.sealed.header)
        contents.append(bytes(opening.open_content(part.sealed, key, owner)))
    return contents


@pytest.fixture
async def world() -> World:
    world = World()
    await world.recorder.tick()
    assert world.recorder.ready() is None
    return world


async def test_a_record_opens_with_the_keys_of_its_cell(world: World) -> None:
    record, _ = await exchange(world.recorder, ALICE, b"what is it?", b"it is this")
    await exchange(world.recorder, BOB, b"another's", b"answer")
    await close_journals(world)
    stored = await reading(world).find_record(record)
    assert stored.complete
    assert opened(world, stored, ALICE) == [b"what is it?", b"it is this"]
    with pytest.raises(TamperedContent):
        opened(world, stored, BOB)


async def test_the_receipt_commits_to_the_bytes_on_the_wire(world: World) -> None:
    recording = await world.recorder.open(ALICE, 0, CHAT)
    recording.prompt(b"request")
    recording.answer(b"ans", 200, final=False)
    recording.answer(b"wer", 200, final=True)
    await recording.durable()
    await close_journals(world)
    stored = await reading(world).find_record(recording.record)
    digest = hashlib.sha256
    expected = receipt_commitment(
        recording.receipt_key, digest(b"request").digest(), digest(b"answer").digest()
    )
    commitments = [part.header.receipt_commitment for part in stored.parts]
    assert commitments == [bytes(32), bytes(32), expected]
    assert [part.header.flags for part in stored.parts] == [0, 0, FLAG_FINAL]


async def test_headers_name_nobody(world: World) -> None:
    record, _ = await exchange(world.recorder)
    await close_journals(world)
    (path,) = world.files.list("journals")
    data = world.files.read(path)
    assert data.count(ALICE.tenant) == data.count(ALICE.project) == 0
    stored = await reading(world).find_record(record)
    assert stored.parts[0].header.tenant_pseudonym == stored.parts[1].header.tenant_pseudonym


async def test_an_answer_joins_its_prompts_epoch_through_later_journals(world: World) -> None:
    world.clock.advance(29 * MINUTE_MS + 50_000)
    recording = await world.recorder.open(ALICE, 0, CHAT)
    recording.prompt(b"late")
    await recording.durable()
    await close_journals(world)
    assert epoch_of(world.clock.now()) == recording.record.epoch + 1
    recording.answer(b"one", 200, final=False)
    await recording.durable()
    await world.recorder.tick()
    with pytest.raises(NotYet):
        await reading(world).find_record(recording.record)
    await close_journals(world)
    recording.answer(b"two", 200, final=True)
    await recording.durable()
    await close_journals(world)
    stored = await reading(world).find_record(recording.record)
    assert len({part.journal.journal for part in stored.parts}) == 3
    assert {part.journal.epoch for part in stored.parts} == {recording.record.epoch}
    assert opened(world, stored, ALICE) == [b"late", b"one", b"two"]


async def test_a_stream_ends_with_its_epoch_and_its_recordings(world: World) -> None:
    recording = await world.recorder.open(ALICE, 0, CHAT)
    recording.prompt(b"x")
    await recording.durable()
    world.clock.advance(31 * MINUTE_MS)
    await world.recorder.tick()
    assert len(world.recorder._streams) == 1
    recording.answer(b"x", 200, final=True)
    await recording.durable()
    await close_journals(world)
    assert world.recorder._streams == {}


async def test_a_session_ends_after_4096_parts(world: World) -> None:
    for _ in range(2100):
        recording = await world.recorder.open(ALICE, 0, CHAT)
        recording.prompt(b"x")
        recording.answer(b"y", 200, final=True)
    await recording.durable()
    await close_journals(world)
    stored = await reading(world).find_record(recording.record)
    first = await reading(world).find_record(recording.record._replace(frame=0))
    assert session_of(stored.parts[0].session) != session_of(first.parts[0].session)
    assert opened(world, stored, ALICE) == [b"x", b"y"]
    chains = [part.sealed.wrap_for(ABUSE) for part in stored.parts]
    assert [chain.chain_index for chain in chains if chain] == [4198 - 4096, 4199 - 4096]


async def test_journals_close_by_size(world: World) -> None:
    world.start(max_journal_bytes=20_000)
    await world.recorder.tick()
    records = [(await exchange(world.recorder, prompt=bytes(range(256)) * 9))[0] for _ in range(20)]
    assert len({record.journal for record in records}) > 1
    await close_journals(world)
    for record in records:
        assert (await reading(world).find_record(record)).complete


async def test_the_ledger_learns_of_open_journals_and_of_their_closing(world: World) -> None:
    record, _ = await exchange(world.recorder)
    with pytest.raises(NotYet):
        await reading(world).find_record(record)
    await world.recorder.tick()
    assert world.database.tables.journals[record.journal].state is JournalState.OPEN
    await close_journals(world)
    assert world.database.tables.journals[record.journal].state is JournalState.CLOSED
    assert len(world.database.tables.entries) == 1


async def test_recording_outlives_the_ledger_for_the_grace(world: World) -> None:
    record, _ = await exchange(world.recorder)
    world.database.available = False
    await close_journals(world)
    await exchange(world.recorder)
    world.clock.advance(61_000)
    await world.recorder.tick()
    with pytest.raises(Unavailable, match="database"):
        await world.recorder.open(ALICE, 0, CHAT)
    assert "database" in str(world.recorder.ready())
    world.database.available = True
    await world.recorder.tick()
    await exchange(world.recorder)
    assert world.recorder.ready() is None
    assert (await reading(world).find_record(record)).complete


async def test_the_keepers_absence_stops_nobody_whose_keys_are_known(world: World) -> None:
    await exchange(world.recorder)
    world.keeper.available = False
    world.clock.advance(90 * MINUTE_MS)
    await world.recorder.tick()
    await exchange(world.recorder)
    with pytest.raises(Unavailable):
        await world.recorder.open(BOB, 0, CHAT)
    world.clock.advance(60 * MINUTE_MS)
    with pytest.raises(Unavailable):
        await world.recorder.open(ALICE, 0, CHAT)
    assert "keys" in str(world.recorder.ready())


async def test_a_destroyed_scope_is_refused_within_minutes(world: World) -> None:
    await exchange(world.recorder)
    world.keeper.destroyed.add(ScopeKeyName(US, ABUSE, ALICE.project, 0))
    world.clock.advance(11 * MINUTE_MS)
    await world.recorder.tick()
    with pytest.raises(DestroyedKey):
        await world.recorder.open(ALICE, 0, CHAT)
    await exchange(world.recorder, BOB)


async def test_keys_of_another_keeper_are_refused(world: World) -> None:
    world.recorder._keys._identity = b"another keeper's key............"
    with pytest.raises(TamperedContent):
        await world.recorder.open(BOB, 0, CHAT)


async def test_a_full_journal_refuses_prompts_and_then_recovers(world: World) -> None:
    world.start(max_waiting_bytes=10_000)
    await world.recorder.tick()
    waiting = await world.recorder.open(ALICE, 0, CHAT)
    waiting.prompt(b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 2)
    with pytest.raises(Unavailable, match="full"):
        await world.recorder.open(ALICE, 0, CHAT)
    waiting.answer(b"an answer is owed", 200, final=True)
    await waiting.durable()
    await exchange(world.recorder)


async def test_a_failed_journal_is_replaced_and_what_was_acknowledged_kept(world: World) -> None:
    kept, _ = await exchange(world.recorder)
    recording = await world.recorder.open(ALICE, 0, CHAT)
    recording.prompt(b"lost")
    world.faults.fail("files.sync", OSError(errno.EIO, "the disk"))
    with pytest.raises(Unavailable):
        await recording.durable()
    await world.recorder.tick()
    with pytest.raises(Unavailable, match="second"):
        await world.recorder.open(ALICE, 0, CHAT)
    world.clock.advance(1_500)
    later, _ = await exchange(world.recorder)
    assert later.journal != kept.journal
    await close_journals(world)
    assert (await reading(world).find_record(kept)).complete
    assert (await reading(world).find_record(later)).complete


async def test_draining_ends_open_recordings_as_broken(world: World) -> None:
    recording = await world.recorder.open(ALICE, 0, CHAT)
    recording.prompt(b"x")
    recording.answer(b"half an ans", 200, final=False)
    await world.recorder.drain()
    stored = await reading(world).find_record(recording.record)
    assert stored.complete
    assert stored.parts[-1].header.flags == FLAG_FINAL | FLAG_BROKEN
    with pytest.raises(Unavailable, match="shutting down"):
        await world.recorder.open(ALICE, 0, CHAT)


async def test_the_background_work_runs_and_stops(world: World) -> None:
    running = asyncio.create_task(world.recorder.run())
    await exchange(world.recorder)
    for _ in range(40):
        world.clock.advance(1_000)
        for _ in range(30):
            await asyncio.sleep(0)
    assert len(world.database.tables.entries) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_parts_come_in_their_order(world: World) -> None:
    recording = await world.recorder.open(ALICE, 0, CHAT)
    with pytest.raises(Conflict):
        recording.answer(b"x", 200, final=True)
    recording.prompt(b"x")
    with pytest.raises(Conflict):
        recording.prompt(b"x")
    recording.answer(b"x", 200, final=True)
    with pytest.raises(Conflict):
        recording.answer(b"x", 200, final=True)


async def test_what_never_was_is_not_found(world: World) -> None:
    record, _ = await exchange(world.recorder)
    await close_journals(world)
    for other in (
        record._replace(frame=1),
        record._replace(frame=77),
        RecordId(Epoch(record.epoch - 1), record.journal, 0),
        RecordId(record.epoch, record.journal, 2**32 - 1),
    ):
        with pytest.raises(NotFound):
            await reading(world).find_record(other)


async def test_only_known_endpoints_are_recorded(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.recorder.open(ALICE, 0, "/v1/unknown")


def test_a_journal_may_not_stay_open_for_longer_than_a_minute() -> None:
    with pytest.raises(InvalidInput):
        World().start(close_after_s=61)
    assert isinstance(World().start(close_after_s=60), Recorder)
    assert START % (30 * MINUTE_MS) == 0

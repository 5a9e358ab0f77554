"""What a recorder seals for training: exactly while sharing stands, and never at a call's cost."""

from dataclasses import dataclass, field

import pytest
from tests.fixtures.custody_world import ALICE, BOB, CHAT, US, World, exchange

from bailee.custody.journal import reader
from bailee.custody.journal.places import journal_path
from bailee.custody.keeper import keys
from bailee.custody.seal import opening
from bailee.custody.seal.part import PartHeader, SealedPart
from bailee.kernel.ids import EpochKeyName, Purpose, RecordId, ScopeKeyName
from bailee.kernel.instants import EPOCH_LENGTH_MS, Instant, epoch_of

TRAINING = Purpose.TRAINING
BOTH = {Purpose.ABUSE_MONITORING, TRAINING}


@dataclass
class Standing:
    """Stands over one stretch, and is asked each time."""

    since: int
    until: int
    generation: int = 0
    asked: list[Instant] = field(default_factory=list)

    def stands(self, now: Instant) -> bool:
        self.asked.append(now)
        return self.since <= now < self.until


@pytest.fixture
async def world() -> World:
    world = World()
    await world.recorder.tick()
    return world


async def always(world: World) -> Standing:
    return Standing(0, 1 << 62)


async def parts_of(world: World, record: RecordId) -> list[tuple[PartHeader, SealedPart]]:
    """A record's parts as its journals hold them."""
    await world.recorder.drain()
    found = []
    for path in world.files.list("journals"):
        scanned = reader.scan(world.files, path)
        assert scanned is not None
        assert scanned.flaw is None
        assert scanned.closed
        for placed in scanned.parts:
            if placed.record == record.packed():
                sealed = reader.read_part(world.files, path, placed)
                found.append((PartHeader.decode(sealed.header), sealed))
    return sorted(found, key=lambda part: part[0].part)


def purposes(sealed: SealedPart) -> set[Purpose]:
    return {Purpose.from_code(wrap[0]) for wrap in sealed.wraps}


def opened_for_training(world: World, record: RecordId, sealed: SealedPart) -> bytes:
    """The content of a part, with the private keys of its cell for training."""
    epoch = EpochKeyName(US, TRAINING, record.epoch)
    wrap = sealed.wrap_for(TRAINING)
    assert wrap is not None
    path = journal_path(US, record.epoch, record.journal)
    scanned = reader.scan(world.files, path)
    assert scanned is not None
    session, purpose = opening.read_session_body(scanned.sessions[wrap.session])
    frame = opening.read_scope_body(scanned.scopes[wrap.session, wrap.scope_number])
    assert purpose is TRAINING
    scope = ScopeKeyName(US, TRAINING, ALICE.project, frame.generation)
    secret = world.keeper.secret(epoch.encoded())
    chain = opening.first_chain_key(
        epoch,
        scope,
        (keys.epoch_mlkem_key(epoch, secret), keys.epoch_x25519_key(epoch, secret)),
        keys.scope_x25519_key(scope, world.keeper.secret(scope.encoded())),
        session,
        frame,
    )
    key = opening.unwrap(chain, wrap, ALICE, sealed.header)
    return bytes(opening.open_content(sealed, key, ALICE))


async def test_a_shared_record_has_a_wrap_for_each_purpose(world: World) -> None:
    await exchange(world.recorder, ALICE, b"not shared", b"before")
    recording = await world.recorder.open(ALICE, 0, CHAT, await always(world))
    recording.prompt(b"what is it?")
    recording.answer(b"it is", 200, final=False)
    recording.answer(b" this", 200, final=True)
    await recording.durable()
    kept, _ = await exchange(world.recorder, BOB, b"another's", b"not shared")
    parts = await parts_of(world, recording.record)
    assert [purposes(sealed) for _, sealed in parts] == [BOTH] * 3
    opened = [opened_for_training(world, recording.record, sealed) for _, sealed in parts]
    assert opened == [b"what is it?", b"it is", b" this"]
    others = await parts_of(world, kept)
    assert [purposes(sealed) for _, sealed in others] == [{Purpose.ABUSE_MONITORING}] * 2


async def test_each_journal_can_be_read_alone(world: World) -> None:
    """Chains go on from journal to journal, and each begins them anew."""
    shared = await always(world)
    first = await world.recorder.open(ALICE, 0, CHAT, shared)
    first.prompt(b"one")
    first.answer(b"two", 200, final=True)
    await first.durable()
    world.clock.advance(31_000)
    await world.recorder.tick()
    second = await world.recorder.open(ALICE, 0, CHAT, shared)
    second.prompt(b"three")
    second.answer(b"four", 200, final=True)
    await second.durable()
    assert first.record.journal != second.record.journal
    for recording, contents in ((first, [b"one", b"two"]), (second, [b"three", b"four"])):
        parts = await parts_of(world, recording.record)
        opened = [opened_for_training(world, recording.record, sealed) for _, sealed in parts]
        assert opened == contents


async def test_the_instants_are_exact_and_an_end_is_for_good(world: World) -> None:
    now = world.clock.now()
    shared = Standing(now, now + 1000)
    recording = await world.recorder.open(ALICE, 0, CHAT, shared)
    recording.prompt(b"within")
    world.clock.advance(999)
    recording.answer(b"within", 200, final=False)
    world.clock.advance(1)
    recording.answer(b"at the end", 200, final=False)
    shared.until = 1 << 62
    recording.answer(b"given again", 200, final=True)
    await recording.durable()
    parts = await parts_of(world, recording.record)
    wrapped = [purposes(sealed) == BOTH for _, sealed in parts]
    assert wrapped == [True, True, False, False]
    assert [header.sealed_at for header, _ in parts[:3]] == shared.asked
    early = await world.start().open(ALICE, 0, CHAT, Standing(world.clock.now() + 1, 1 << 62))
    early.prompt(b"before")
    world.clock.advance(1)
    early.answer(b"after", 200, final=True)
    await early.durable()
    assert [purposes(sealed) for _, sealed in await parts_of(world, early.record)] == [
        {Purpose.ABUSE_MONITORING}
    ] * 2, "a record obeys what stood when it was submitted"


async def test_generations_do_not_mix(world: World) -> None:
    for generation in (0, 1):
        shared = Standing(0, 1 << 62, generation)
        recording = await world.recorder.open(ALICE, 0, CHAT, shared)
        recording.prompt(b"which?")
        recording.answer(b"this", 200, final=True)
        await recording.durable()
        world.keeper.destroyed.add(ScopeKeyName(US, TRAINING, ALICE.project, 0))
    parts = await parts_of(world, recording.record)
    assert opened_for_training(world, recording.record, parts[0][1]) == b"which?"


async def test_a_key_that_is_away_or_gone_fails_no_call(world: World) -> None:
    world.keeper.destroyed.add(ScopeKeyName(US, TRAINING, ALICE.project, 0))
    recording = await world.recorder.open(ALICE, 0, CHAT, await always(world))
    recording.prompt(b"what?")
    recording.answer(b"this", 200, final=True)
    await recording.durable()
    parts = await parts_of(world, recording.record)
    assert [purposes(sealed) for _, sealed in parts] == [{Purpose.ABUSE_MONITORING}] * 2


async def test_keys_are_fetched_ahead_for_whoever_shares_and_for_nobody_else(world: World) -> None:
    await exchange(world.recorder, ALICE, b"what?", b"this")
    idle = world.keeper.calls
    await world.recorder.tick()
    assert world.keeper.calls == idle, "nobody shares"
    await world.recorder.open(ALICE, 0, CHAT, await always(world))
    await world.recorder.tick()
    world.keeper.available = False
    world.clock.advance(EPOCH_LENGTH_MS)
    recording = await world.recorder.open(ALICE, 0, CHAT, await always(world))
    recording.prompt(b"in the next half hour")
    recording.answer(b"shared", 200, final=True)
    await recording.durable()
    assert recording.record.epoch == epoch_of(world.clock.now())
    parts = await parts_of(world, recording.record)
    assert [purposes(sealed) for _, sealed in parts] == [BOTH] * 2

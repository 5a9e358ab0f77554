"""What is kept is sealed, found by its owner alone, and gone when it is deleted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest
from tests.support.keeper_world import World
from tests.unit.application_state.conftest import MINE, OTHERS, House

from bailee.application_state.keeping import New
from bailee.application_state.model import HeldObject, Kind
from bailee.custody.seal.held import CHUNK_BYTES, KeyBlock
from bailee.kernel.errors import (
    Conflict,
    DestroyedKey,
    Forbidden,
    NotFound,
    NotYet,
    TamperedContent,
    Unavailable,
)
from bailee.kernel.ids import Purpose
from bailee.kernel.instants import HOUR_MS, Instant, epoch_of
from bailee.kernel.redacted import Secret
from bailee.ports.keeper import WorkGrant
from bailee.ports.objects import StoredObject
from bailee.transparency import entry

WORDS = b"words that nobody may find at rest "
CONTENT = (WORDS * 20_000)[: 2 * CHUNK_BYTES + 5]
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(CONTENT)]


async def pieces(content: bytes, size_bytes: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size_bytes):
        yield content[at : at + size_bytes]


async def keep(house: House, content: bytes = CONTENT, expires_at: int | None = None) -> HeldObject:
    until = None if expires_at is None else Instant(expires_at)
    new = New(Kind.FILE, b'{"filename":"secret-name.txt"}', "assistants", until)
    return await house.keeping.keep(MINE, new, pieces(content))


async def read(house: House, held: HeldObject, *bounds: int) -> bytes:
    return b"".join([part async for part in house.keeping.content(MINE, held, *bounds)])


@pytest.mark.parametrize("size", SIZES)
async def test_content_comes_back_whole_and_in_part(house: House, size: int) -> None:
    held = await keep(house, CONTENT[:size])
    assert (held.size_bytes, await read(house, held)) == (size, CONTENT[:size])
    for first, last in (
        (0, 0),
        (size // 2, size),
        (CHUNK_BYTES - 1, CHUNK_BYTES),
        (size, size + 9),
    ):
        assert await read(house, held, first, last) == CONTENT[:size][first : last + 1]
    opened = await house.keeping.read(MINE, Kind.FILE, held.public_id)
    assert opened.details == b'{"filename":"secret-name.txt"}'
    stored = house.bucket.objects[held.blob].data
    assert WORDS[:16] not in stored
    rows = await house.database.as_owner("SELECT * FROM held_objects")
    assert "secret-name" not in str([tuple(row) for row in rows])


async def test_another_project_finds_and_opens_nothing(house: House) -> None:
    held = await keep(house)
    with pytest.raises(NotFound):
        await house.keeping.find(OTHERS, Kind.FILE, held.public_id)
    assert (await house.keeping.page(OTHERS, Kind.FILE)).objects == []
    with pytest.raises(Forbidden):
        await house.keeping.opened(OTHERS, [held])
    await house.deletion.delete(OTHERS, [held])
    assert await read(house, held) == CONTENT
    with pytest.raises(NotFound) as unknown:
        await house.keeping.find(MINE, Kind.FILE, "what a customer wrote")
    assert "customer" not in str(unknown.value)


@pytest.mark.parametrize("often", [False, True], ids=["alone", "made ahead"])
async def test_nothing_is_sealed_to_keys_that_another_keeper_signed(
    house: House, often: bool
) -> None:
    elsewhere = await World(seed=5).begin()
    keeping = replace(house.keeping, keeper=elsewhere.keeper.for_role("gateway"))
    until = Instant(house.world.clock.now() + HOUR_MS)
    with pytest.raises(TamperedContent):
        await keeping.keep(MINE, New(Kind.FILE, b"{}", expires_at=until, often=often), pieces(b"a"))
    assert house.bucket.objects == {}
    assert await house.database.as_owner("SELECT * FROM held_objects") == []


async def test_a_copy_for_monitoring_ends_with_its_epoch(house: House) -> None:
    epoch = epoch_of(house.world.clock.now())
    monitored = await house.keeping.keep(
        MINE._replace(monitored_in=epoch), New(Kind.FILE, b"{}"), pieces(b"a")
    )
    wrap = KeyBlock.decode(monitored.key_block).wrap_for(Purpose.ABUSE_MONITORING)
    assert wrap.epoch == epoch
    with pytest.raises(DestroyedKey):
        KeyBlock.decode((await keep(house)).key_block).wrap_for(Purpose.ABUSE_MONITORING)


async def test_a_list_leaves_out_what_has_no_secret_any_more(house: House) -> None:
    """As after an older database was restored: the keyring knows more than the rows."""
    kept = [await keep(house, b"x") for _ in range(3)]
    await house.world.keeper.for_role("clerk").destroy_objects([kept[1].name])
    with pytest.raises(NotFound):
        await house.keeping.opened(MINE, kept)
    page = await house.keeping.page(MINE, Kind.FILE)
    found = await house.keeping.listed(MINE, page.objects)
    assert [one.held.object for one in found] == [kept[2].object, kept[0].object]


async def test_a_changed_byte_is_noticed(house: House) -> None:
    held = await keep(house)
    stored = house.bucket.objects[held.blob]
    changed = bytearray(stored.data)
    changed[-1] ^= 1
    house.bucket.objects[held.blob] = StoredObject(bytes(changed), "t")
    assert await read(house, held, 0, CHUNK_BYTES) == CONTENT[: CHUNK_BYTES + 1]
    with pytest.raises(TamperedContent):
        await read(house, held)
    house.bucket.objects[held.blob] = StoredObject(stored.data[: -(5 + 16)], "t")
    with pytest.raises(TamperedContent):
        await read(house, held)


async def test_lists_are_paged_by_arrival(house: House) -> None:
    made = [await keep(house, b"%d" % number) for number in range(5)]
    ids = [one.public_id for one in made]
    page = await house.keeping.page(MINE, Kind.FILE, limit=2)
    assert ([one.public_id for one in page.objects], page.has_more) == (ids[:2:-1], True)
    page = await house.keeping.page(MINE, Kind.FILE, limit=9, after=ids[3])
    assert ([one.public_id for one in page.objects], page.has_more) == (ids[2::-1], False)
    page = await house.keeping.page(MINE, Kind.FILE, limit=2, after=ids[1], descending=False)
    assert [one.public_id for one in page.objects] == ids[2:4]
    assert (await house.keeping.page(MINE, Kind.FILE, label="batch")).objects == []
    assert (await house.keeping.page(MINE, Kind.BATCH)).objects == []


async def test_details_change_and_a_race_is_told(house: House) -> None:
    held = await keep(house)
    first = await house.keeping.read(MINE, Kind.FILE, held.public_id)
    await house.keeping.change(MINE, first, b"new", "user_data")
    with pytest.raises(Conflict):
        await house.keeping.change(MINE, first, b"newer")
    again = await house.keeping.read(MINE, Kind.FILE, held.public_id)
    assert (again.details, again.held.label) == (b"new", "user_data")


async def test_deletion_is_final_logged_and_takes_the_parts_along(house: House) -> None:
    held, other = await keep(house), await keep(house)
    part = await house.keeping.keep(MINE, New(Kind.ITEMS, b"part", parent=held.object))
    await house.deletion.delete(MINE, [held])
    for gone in (held, part):
        with pytest.raises(NotFound):
            await house.keeping.find(MINE, gone.kind, gone.public_id)
        with pytest.raises(NotFound):
            await house.keeping.opened(MINE, [gone])
        with pytest.raises(NotYet):
            await house.deletion.receipt(MINE.owner, gone.public_id)
    assert set(house.bucket.objects) == {other.blob}
    rows = await house.database.as_owner("SELECT leaf FROM outbox ORDER BY position")
    said = [(fields["type"], fields.get("subject")) for fields in map(_fields, rows)]
    both = {held.name.subject, part.name.subject}
    assert {subject for kind, subject in said[:2] if kind == "destruction_intended"} == both
    assert {subject for kind, subject in said[2:] if kind == "destroyed"} == both
    left = await house.database.as_owner(
        "SELECT key_block, details FROM held_objects WHERE state = 'destroyed'"
    )
    assert [tuple(row) for row in left] == [(b"", b"")] * 2
    await house.deletion.delete(MINE, [held])
    assert len(await house.database.as_owner("SELECT leaf FROM outbox")) == 4
    with pytest.raises(NotFound):
        await house.deletion.receipt(OTHERS.owner, held.public_id)
    assert await read(house, other) == CONTENT


async def test_what_is_past_its_deadline_is_not_found_and_then_destroyed(house: House) -> None:
    now = house.world.clock.now()
    held = await keep(house, CONTENT, now + HOUR_MS)
    house.world.clock.set(Instant(now + HOUR_MS))
    with pytest.raises(NotFound):
        await house.keeping.find(MINE, Kind.FILE, held.public_id)
    await house.clerk.finish()
    assert house.bucket.objects == {}
    states = await house.database.as_owner("SELECT state FROM held_objects")
    assert [row["state"] for row in states] == ["destroyed"]


async def test_content_that_breaks_off_is_never_found(house: House) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_BYTES
        raise Unavailable("the client has left")

    with pytest.raises(Unavailable):
        await house.keeping.keep(MINE, New(Kind.FILE, b"{}"), broken())
    assert (await house.keeping.page(MINE, Kind.FILE)).objects == []
    assert house.bucket.objects == {}
    await house.clerk.finish()
    assert await _states(house) == ["pending"], "it might still be arriving"
    house.world.clock.advance(HOUR_MS + 1)
    await house.clerk.finish()
    assert await _states(house) == ["destroyed"]


@pytest.mark.parametrize("crash", ["keeper", "objects", "row"])
async def test_a_deletion_that_broke_off_is_finished_by_the_clerk(
    house: House, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await keep(house)
    target = {
        "keeper": (house.world.keeper, "destroy_own_objects"),
        "objects": (type(house.deletion.objects), "delete"),
        "row": (type(house.deletion), "_enter"),
    }[crash]

    async def dies(*_: object, **__: object) -> None:
        raise Unavailable("dead")

    with monkeypatch.context() as patched:
        patched.setattr(*target, dies)
        with pytest.raises(Unavailable):
            await house.deletion.delete(MINE, [held])
    with pytest.raises(NotFound):
        await house.keeping.find(MINE, Kind.FILE, held.public_id)
    await house.clerk.finish()
    await house.clerk.finish()
    assert (await _states(house), house.bucket.objects) == (["destroyed"], {})
    rows = await house.database.as_owner("SELECT leaf FROM outbox ORDER BY position")
    assert [_fields(row)["type"] for row in rows] == ["destruction_intended", "destroyed"]
    receipts = await house.database.as_owner("SELECT subject FROM receipts")
    assert [row["subject"] for row in receipts] == [held.name.subject]


async def test_keys_made_ahead_are_made_together_and_die_unused(house: House) -> None:
    now = house.world.clock.now()
    until = Instant(now + HOUR_MS)
    before = (await house.world.keeper.status()).generation
    made = []
    for _ in range(20):
        await house.keeping.keep(MINE, New(Kind.RESPONSE, b"{}", expires_at=until, often=True))
        made.append(len(house.world.keeper._keyring.state.objects))
    assert made[0] == 1, "nothing ahead for who keeps one thing"
    assert len(set(made)) <= 6, "few writings for many"
    assert made[-1] <= 40, "no more in vain than are used"
    house.world.clock.set(until)
    await house.clerk.finish()
    await house.clerk.finish()
    assert house.world.keeper._keyring.state.objects == {}
    assert (await house.world.keeper.status()).generation > before
    rows = await house.database.as_owner("SELECT leaf FROM outbox")
    said = [_fields(row) for row in rows]
    assert len({one["subject"] for one in said if one["type"] == "destroyed"}) == made[-1]
    assert len([one for one in said if one["type"] == "destroyed"]) == made[-1], "each once"
    receipts = await house.database.as_owner("SELECT subject FROM receipts")
    assert len(receipts) == made[-1]


async def test_a_grant_reads_and_deletes_nothing(house: House) -> None:
    held = await keep(house)
    until = Instant(house.world.clock.now() + HOUR_MS)
    packed = await house.keeping.grant(MINE, [held], "batch/x", until)
    grant = msgspec.msgpack.decode(packed, type=WorkGrant)
    working = MINE._replace(right=grant)
    house.keeping.keeper = house.world.keeper.for_role("worker")
    parts = [part async for part in house.keeping.content(working, held)]
    assert b"".join(parts) == CONTENT
    with pytest.raises(Forbidden):
        await house.deletion.delete(working, [held])
    with pytest.raises(Conflict):
        await house.keeping.grant(working, [held], "batch/x", until)


async def test_many_at_once(house: House) -> None:
    made = await asyncio.gather(*(keep(house, b"%d" % number) for number in range(30)))
    assert len({one.public_id for one in made}) == 30
    generation = (await house.world.keeper.status()).generation
    await house.deletion.delete(MINE, list(made))
    assert (await house.world.keeper.status()).generation == generation + 1, "one roll for all"
    assert isinstance(MINE.right, Secret)


def _fields(row: object) -> dict[str, object]:
    return entry.parse(row["leaf"])  # type: ignore[index]


async def _states(house: House) -> list[str]:
    rows = await house.database.as_owner("SELECT state FROM held_objects")
    return [row["state"] for row in rows]

"""The contract of `ports.objects`."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bailee.kernel.errors import Conflict, NotFound
from bailee.ports.objects import Objects


async def test_an_object_is_read_back_whole_and_in_part(objects: Objects) -> None:
    tag = await objects.put("a/b", b"0123456789")
    assert await objects.get("a/b") == (b"0123456789", tag)
    assert await objects.get_range("a/b", 2, 3) == b"234"
    assert await objects.get_range("a/b", 8, 10) == b"89"
    assert await objects.get_range("a/b", 10, 1) == b""


async def test_an_empty_object_is_an_object(objects: Objects) -> None:
    await objects.put("empty", b"")
    assert (await objects.get("empty")).data == b""


async def test_what_is_absent_is_not_found(objects: Objects) -> None:
    with pytest.raises(NotFound):
        await objects.get("a")
    with pytest.raises(NotFound):
        await objects.get_range("a", 0, 1)
    await objects.put("a/b", b"c")
    for above_or_below in ("a", "a/b/c"):
        with pytest.raises(NotFound):
            await objects.get(above_or_below)


async def test_put_replaces_and_changes_the_tag(objects: Objects) -> None:
    first = await objects.put("a", b"1")
    second = await objects.put("a", b"22")
    assert first != second
    assert await objects.get("a") == (b"22", second)


async def test_put_if_absent_makes_once(objects: Objects) -> None:
    assert await objects.put_if_absent("a", b"1")
    assert not await objects.put_if_absent("a", b"2")
    assert (await objects.get("a")).data == b"1"


async def test_put_if_matches_replaces_only_that_version(objects: Objects) -> None:
    first = await objects.put_if_matches("a", b"1", None)
    with pytest.raises(Conflict):
        await objects.put_if_matches("a", b"x", None)
    second = await objects.put_if_matches("a", b"2", first)
    with pytest.raises(Conflict):
        await objects.put_if_matches("a", b"x", first)
    assert await objects.get("a") == (b"2", second)


async def test_put_if_matches_of_an_absent_object_conflicts(objects: Objects) -> None:
    tag = await objects.put("a", b"1")
    await objects.delete("a")
    with pytest.raises(Conflict):
        await objects.put_if_matches("a", b"2", tag)
    assert await objects.list("") == []


async def test_of_many_writers_with_one_tag_one_wins(objects: Objects) -> None:
    tag = await objects.put("a", b"start")

    async def replace(number: int) -> int:
        try:
            await objects.put_if_matches("a", b"%d" % number, tag)
        except Conflict:
            return 0
        return 1

    assert sum(await asyncio.gather(*(replace(number) for number in range(8)))) == 1


async def test_deleting_twice_succeeds(objects: Objects) -> None:
    await objects.put("a", b"1")
    await objects.delete("a")
    await objects.delete("a")
    with pytest.raises(NotFound):
        await objects.get("a")


async def test_keys_are_listed_below_a_folder(objects: Objects) -> None:
    for key in ("seg/us/2", "seg/us/1", "seg/use", "log/x"):
        await objects.put(key, b"x")
    assert await objects.list("seg/us") == ["seg/us/1", "seg/us/2"]
    assert await objects.list("seg/us/") == ["seg/us/1", "seg/us/2"]
    assert await objects.list("absent") == []
    assert await objects.list("") == ["log/x", "seg/us/1", "seg/us/2", "seg/use"]


async def test_a_stream_becomes_an_object(objects: Objects) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(40):
            yield bytes((number,)) * 300_000

    await objects.put("a/big", b"before")
    await objects.put_stream("a/big", chunks())
    whole = (await objects.get("a/big")).data
    assert whole == b"".join(bytes((number,)) * 300_000 for number in range(40))
    assert await objects.get_range("a/big", 299_999, 2) == b"\x00\x01"


async def test_a_stream_that_breaks_leaves_nothing(objects: Objects) -> None:
    async def broken(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1_000_000
        raise NotFound("the client has left")

    await objects.put("kept", b"before")
    for count in (0, 1, 12):
        for key in ("kept", "fresh"):
            with pytest.raises(NotFound):
                await objects.put_stream(key, broken(count))
    assert (await objects.get("kept")).data == b"before"
    assert await objects.list("") == ["kept"]

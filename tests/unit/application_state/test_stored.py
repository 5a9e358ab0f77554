"""Responses, conversations and chat completions, with a real database and a real keeper."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.application_state.conftest import MINE, OTHERS, House

from bailee.application_state.chat_completions import ChatCompletions, StoredChat, Wanted
from bailee.application_state.conversations import Conversations
from bailee.application_state.items import page_of, shown_item
from bailee.application_state.responses import Responses, StoredResponse
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.instants import HOUR_MS, Instant

WORDS = "words that nobody may find at rest"


def stored(name: str, *chain: str, status: str = "completed") -> StoredResponse:
    output = [{"type": "message", "role": "assistant", "content": f"said {name}"}]
    response = {"id": f"resp_{name}", "status": status, "output": output, "text": WORDS}
    own = [{"id": f"msg_{name}", "type": "message", "role": "user", "content": f"asked {name}"}]
    return StoredResponse(response, own, [f"resp_{before}" for before in chain])


def said(items: list[dict[str, Any]]) -> list[str]:
    return [item["content"] for item in items]


def user(text: str, name: str) -> dict[str, Any]:
    return shown_item({"role": "user", "content": text}, name, 0)


async def test_a_chain_is_opened_in_order_and_breaks_where_it_was_deleted(house: House) -> None:
    responses = Responses(house.keeping, house.deletion)
    for one in (stored("a"), stored("b", "a"), stored("c", "a", "b")):
        await responses.keep(MINE, one, None)
    context = await responses.context(MINE, "resp_c")
    assert said(context.items) == ["asked a", "said a", "asked b", "said b", "asked c", "said c"]
    assert context.chain == ["resp_a", "resp_b", "resp_c"]
    await responses.delete(MINE, "resp_a")
    with pytest.raises(NotFound):
        await responses.context(MINE, "resp_c")
    with pytest.raises(NotFound):
        await responses.delete(MINE, "resp_a")
    rows = await house.database.as_owner("SELECT * FROM held_objects")
    assert WORDS not in str([tuple(row) for row in rows])


async def test_a_response_is_its_owners_alone_and_ends_in_time(house: House) -> None:
    responses = Responses(house.keeping, house.deletion)
    await responses.keep(MINE, stored("a"), Instant(house.world.clock.now() + HOUR_MS))
    with pytest.raises(NotFound):
        await responses.read(OTHERS, "resp_a")
    with pytest.raises(NotFound):
        await responses.context(OTHERS, "resp_a")
    house.world.clock.advance(HOUR_MS)
    with pytest.raises(NotFound):
        await responses.read(MINE, "resp_a")


async def test_an_unfinished_response_is_no_context(house: House) -> None:
    responses = Responses(house.keeping, house.deletion)
    await responses.keep(MINE, stored("a", status="in_progress"), None)
    assert await responses.status(MINE, "resp_a") == "in_progress"
    with pytest.raises(InvalidInput):
        await responses.context(MINE, "resp_a")


async def test_items_of_a_conversation_end_one_by_one_or_with_it(house: House) -> None:
    conversations = Conversations(house.keeping, house.deletion)
    made = await conversations.create(MINE, {"a": "b"}, [user("one", "1")])
    held = await conversations.find(MINE, made["id"])
    await conversations.append(MINE, held, [user("two", "2"), user("three", "3")])
    items = await conversations.items(MINE, held)
    texts = [item["content"][0]["text"] for item in items]
    assert texts == ["one", "two", "three"]
    page = await conversations.page(MINE, held, None, 2, descending=True)
    assert ([item["id"] for item in page.items], page.has_more) == (
        [items[2]["id"], items[1]["id"]],
        True,
    )
    assert await conversations.delete_item(MINE, made["id"], items[1]["id"]) == made
    assert await conversations.items(MINE, held) == [items[0], items[2]]
    with pytest.raises(NotFound):
        await conversations.item(MINE, made["id"], items[1]["id"])
    other = await conversations.create(MINE, {}, [user("four", "4")])
    with pytest.raises(NotFound):
        await conversations.item(MINE, other["id"], items[0]["id"])
    with pytest.raises(NotFound):
        await conversations.read(OTHERS, made["id"])
    await conversations.delete(MINE, made["id"])
    for gone in (conversations.read(MINE, made["id"]), conversations.find(MINE, made["id"])):
        with pytest.raises(NotFound):
            await gone
    states = await house.database.as_owner("SELECT state FROM held_objects ORDER BY position")
    assert [row[0] for row in states] == ["destroyed"] * 4 + ["kept"] * 2


async def test_chat_completions_are_listed_by_what_their_owner_said_of_them(house: House) -> None:
    chats = ChatCompletions(house.keeping, house.deletion)
    for number in range(5):
        completion = {"id": f"chatcmpl-{number}", "model": "m", "metadata": {"n": str(number % 2)}}
        await chats.keep(MINE, StoredChat(completion, []), None)
    even = Wanted("m", {"n": "0"})
    found, more = await chats.page(MINE, even, None, 2, descending=False)
    assert ([one["id"] for one in found], more) == (["chatcmpl-0", "chatcmpl-2"], True)
    found, more = await chats.page(MINE, even, "chatcmpl-2", 2, descending=False)
    assert ([one["id"] for one in found], more) == (["chatcmpl-4"], False)
    assert await chats.page(MINE, Wanted("other", {}), None, 2, descending=True) == ([], False)
    assert await chats.page(OTHERS, even, None, 2, descending=True) == ([], False)


@given(st.integers(0, 9), st.integers(1, 4), st.booleans())
def test_pages_put_together_are_the_list(count: int, limit: int, descending: bool) -> None:
    items = [{"id": str(number)} for number in range(count)]
    seen: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = page_of(items, after, limit, descending=descending)
        seen += page.items
        if not page.has_more:
            break
        after = page.items[-1]["id"]
    assert seen == (items[::-1] if descending else items)

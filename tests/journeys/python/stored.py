"""What is kept for its owner until it is deleted: chat completions, Responses, conversations."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response
from tests.journeys.python.asking import ended


async def take(client: AsyncOpenAI, real: str, mirror: str) -> None:
    """The whole journey."""
    await _chat(client, real)
    await _responses(client, real)
    await _background(client, real, mirror)
    await _conversations(client, real)


def _short(real: str) -> Any:
    return {"model": real, "temperature": 0, "max_output_tokens": 16, "extra_body": {"seed": 7}}


async def _chat(client: AsyncOpenAI, real: str) -> None:
    completions = client.chat.completions
    made = await completions.create(
        model=real,
        messages=[{"role": "user", "content": "Say hi"}],
        max_tokens=4,
        store=True,
        metadata={"of": "python"},
    )
    assert (await completions.retrieve(made.id)).choices[0].message == made.choices[0].message
    assert [one.id async for one in completions.list(metadata={"of": "python"})] == [made.id]
    changed = await completions.update(made.id, metadata={"of": "p"})
    assert changed.to_dict()["metadata"] == {"of": "p"}
    (message,) = [one async for one in completions.messages.list(made.id)]
    assert (message.role, message.content) == ("user", "Say hi")
    assert (await completions.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await completions.retrieve(made.id)


async def _responses(client: AsyncOpenAI, real: str) -> None:
    short = _short(real)
    first = await client.responses.create(input="Name a fruit.", **short)
    assert (await client.responses.retrieve(first.id)).output == first.output
    async with client.responses.stream(input="Name a fruit.", **short) as stream:
        assert (await stream.get_final_response()).output_text == first.output_text != ""
    alone = await client.responses.create(input="Another.", **short)
    linked = await client.responses.create(input="Another.", previous_response_id=first.id, **short)
    assert _told(linked) > _told(alone)
    (item,) = [one async for one in client.responses.input_items.list(first.id)]
    assert item.to_dict()["content"] == [{"type": "input_text", "text": "Name a fruit."}]
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(first.id)


async def _background(client: AsyncOpenAI, real: str, mirror: str) -> None:
    queued = await client.responses.create(input="Say hi", background=True, **_short(real))
    assert queued.status == "queued"
    over = await ended(
        lambda: client.responses.retrieve(queued.id), "completed", "incomplete", "failed"
    )
    assert over.output_text
    endless = await client.responses.create(model=mirror, input="[wait]", background=True)
    assert (await client.responses.cancel(endless.id)).status == "cancelled"
    assert (await client.responses.retrieve(endless.id)).status == "cancelled"


async def _conversations(client: AsyncOpenAI, real: str) -> None:
    conversations = client.conversations
    made = await conversations.create(metadata={"topic": "fruit"})
    await conversations.items.create(
        made.id, items=[{"type": "message", "role": "user", "content": "I like lemons."}]
    )
    alone = await client.responses.create(input="And?", **_short(real))
    said = await client.responses.create(input="And?", conversation=made.id, **_short(real))
    assert _told(said) > _told(alone)
    items: Any = [one async for one in conversations.items.list(made.id, order="asc")]
    assert [item.role for item in items] == ["user", "user", "assistant"]
    assert items[2].content[0].text == said.output_text
    name = items[1].id
    assert await conversations.items.retrieve(name, conversation_id=made.id) == items[1]
    await conversations.items.delete(name, conversation_id=made.id)
    with pytest.raises(openai.NotFoundError):
        await conversations.items.retrieve(name, conversation_id=made.id)
    await conversations.update(made.id, metadata={"topic": "more"})
    assert (await conversations.retrieve(made.id)).metadata == {"topic": "more"}
    assert (await conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await conversations.retrieve(made.id)


def _told(response: Response) -> int:
    assert response.usage is not None
    return response.usage.input_tokens

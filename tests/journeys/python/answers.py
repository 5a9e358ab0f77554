"""What the local models answer: chat, text, vectors, judgements.

A mirror stands in for a model that can use tools.
"""

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
        },
    },
}


async def take(client: AsyncOpenAI, real: str, embedder: str, mirror: str) -> None:
    """The whole journey."""
    names = [model.id async for model in client.models.list()]
    assert {real, embedder} <= set(names)
    assert (await client.models.retrieve(embedder)).owned_by == "bailee"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("none")
    await _chat(client, real)
    await _tools(client, mirror)
    await _text(client, real)
    given: Any = {"model": embedder, "input": ["one", "two"]}
    usual = await client.embeddings.create(**given)
    floats = await client.embeddings.create(encoding_format="float", **given)
    for one, other in zip(usual.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    calm, threat = "What a lovely morning.", "I will find you and break your legs."
    judged = await client.moderations.create(input=[calm, threat])
    assert [result.flagged for result in judged.results] == [False, True]


async def _chat(client: AsyncOpenAI, real: str) -> None:
    asked: Any = {"model": real, "temperature": 0, "seed": 7}
    messages: Any = [{"role": "user", "content": "What is the weather in Busan?"}]
    whole = await client.chat.completions.create(messages=messages, max_tokens=6, **asked)
    chunks = await client.chat.completions.create(
        messages=messages, max_tokens=6, stream=True, **asked
    )
    words = [chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices]
    assert "".join(words) == whole.choices[0].message.content != ""


async def _tools(client: AsyncOpenAI, mirror: str) -> None:
    messages: Any = [{"role": "user", "content": "What is the weather in Busan?"}]
    wish = await client.chat.completions.create(model=mirror, messages=messages, tools=[WEATHER])
    (call,) = wish.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Busan"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "fog"}
    messages += [wish.choices[0].message, result]
    told = await client.chat.completions.create(model=mirror, messages=messages)
    assert told.choices[0].message.content == "you said fog"


async def _text(client: AsyncOpenAI, real: str) -> None:
    asked: Any = {"model": real, "prompt": "1 2 3 4 5", "max_tokens": 4, "temperature": 0}
    whole = await client.completions.create(**asked)
    parts = [part async for part in await client.completions.create(stream=True, **asked)]
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text != ""

"""Files, uploads in parts, and batches."""

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from tests.fixtures.batches import OVER, jsonl, line
from tests.journeys.python.asking import ended


async def take(client: AsyncOpenAI, real: str, mirror: str) -> None:
    """The whole journey."""
    await _files_and_a_batch(client, real)
    await _a_cancelled_batch(client, mirror)
    await _uploads(client)


def _lines(model: str, prompt: str) -> bytes:
    lines = [line(name, prompt, max_tokens=4, temperature=0, seed=7) for name in ("one", "two")]
    for entry in lines:
        entry["body"]["model"] = model
    return jsonl(lines)


async def _begun(client: AsyncOpenAI, content: bytes) -> tuple[str, str]:
    file = await client.files.create(file=("lines.jsonl", content), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    return file.id, batch.id


async def _files_and_a_batch(client: AsyncOpenAI, real: str) -> None:
    content = _lines(real, "Say hi")
    file, batch = await _begun(client, content)
    found = await client.files.retrieve(file)
    assert (found.filename, found.bytes, found.purpose) == ("lines.jsonl", len(content), "batch")
    assert file in [one.id async for one in client.files.list(purpose="batch", limit=1)]
    assert (await client.files.content(file)).content == content
    done = await ended(lambda: client.batches.retrieve(batch), *OVER)
    assert (done.status, done.request_counts.completed) == ("completed", 2)
    output = (await client.files.content(done.output_file_id)).text.splitlines()
    answers = {told["custom_id"]: told["response"]["body"] for told in map(json.loads, output)}
    alone = await client.chat.completions.create(
        model=real,
        messages=[{"role": "user", "content": "Say hi"}],
        max_tokens=4,
        temperature=0,
        seed=7,
    )
    told = {name: body["choices"][0]["message"]["content"] for name, body in answers.items()}
    assert told == dict.fromkeys(("one", "two"), alone.choices[0].message.content)
    for name in (file, done.output_file_id):
        assert (await client.files.delete(name)).deleted
        with pytest.raises(openai.NotFoundError):
            await client.files.content(name)


async def _a_cancelled_batch(client: AsyncOpenAI, mirror: str) -> None:
    _, batch = await _begun(client, _lines(mirror, "[wait]"))
    await client.batches.cancel(batch)
    done = await ended(lambda: client.batches.retrieve(batch), *OVER)
    assert (done.status, done.request_counts.completed) == ("cancelled", 0)
    assert batch in [one.id async for one in client.batches.list(limit=1)]


async def _uploads(client: AsyncOpenAI) -> None:
    halves = (b"the first half, ", b"the second half")
    asked: Any = {
        "filename": "whole.txt",
        "purpose": "user_data",
        "mime_type": "text/plain",
        "bytes": sum(map(len, halves)),
    }
    upload = await client.uploads.create(**asked)
    parts = [
        (await client.uploads.parts.create(upload.id, data=half)).id for half in reversed(halves)
    ]
    done = await client.uploads.complete(upload.id, part_ids=parts[::-1])
    assert done.file is not None
    assert (await client.files.content(done.file.id)).content == b"".join(halves)
    unwanted = await client.uploads.create(**asked)
    assert (await client.uploads.cancel(unwanted.id)).status == "cancelled"
    with pytest.raises(openai.ConflictError):
        await client.uploads.parts.create(unwanted.id, data=halves[0])

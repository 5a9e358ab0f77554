"""The embedded model: a real llama.cpp in its own process, behind the same contract."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.fixtures.model import small_model

from bailee.drivers.backend_llama import LlamaBackend, ModelProcess, ModelRunning
from bailee.drivers.backend_openai import Limits, OpenAiBackend, parse_target
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.kernel.errors import Unavailable
from bailee.ports.backend import BackendCall

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[ModelRunning]:
    process = ModelProcess(small_model(), SystemRandomness())
    yield await process.start()
    await process.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def backend(running: ModelRunning) -> AsyncIterator[LlamaBackend]:
    client = OpenAiBackend(parse_target(running.base_url), running.api_key, Limits(), SystemClock())
    made = LlamaBackend(client)
    yield made
    await made.close()


def call(stream: bool = False, **members: object) -> BackendCall:
    document = {
        "model": "m", "messages": [{"role": "user", "content": "Say hi"}], "stream": stream,
        "max_tokens": 8, "seed": 1, "temperature": 0, **members,
    }  # fmt: skip
    return BackendCall("/chat/completions", json.dumps(document).encode(), stream)


async def test_it_answers_whole_and_streamed(backend: LlamaBackend) -> None:
    await backend.check()
    answer = await backend.send(call())
    document = json.loads(await answer.read())
    assert answer.status == 200
    assert document["choices"][0]["message"]["content"]
    stream = await backend.send(call(stream=True))
    events = b"".join([part async for part in stream.chunks()])
    assert stream.content_type.startswith("text/event-stream")
    assert events.endswith(b"data: [DONE]\n\n")


async def test_more_choices_than_it_has_places_are_one_answer(backend: LlamaBackend) -> None:
    alone = json.loads(await (await backend.send(call())).read())
    document = json.loads(await (await backend.send(call(n=3))).read())
    assert [choice["index"] for choice in document["choices"]] == [0, 1, 2]
    assert document["choices"][0] == alone["choices"][0]
    usage = document["usage"]
    assert usage["prompt_tokens"] == alone["usage"]["prompt_tokens"]
    assert usage["completion_tokens"] == 3 * alone["usage"]["completion_tokens"]


@pytest.mark.parametrize("stream", [False, True])
async def test_texts_go_on_each_with_its_log_probabilities(
    backend: LlamaBackend, stream: bool
) -> None:
    asked = {"prompt": ["one two", "red blue"], "max_tokens": 4, "temperature": 0, "logprobs": 2}
    asked |= {"stream": stream, "stream_options": {"include_usage": True}}
    answer = await backend.send(BackendCall("/completions", json.dumps(asked).encode(), stream))
    if stream:
        events = (await answer.read()).decode().split("\n\n")
        told = [json.loads(event.removeprefix("data: ")) for event in events if "{" in event]
        usage = told.pop()["usage"]
        choices = [choice for one in told for choice in one["choices"]]
    else:
        document = json.loads(await answer.read())
        usage, choices = document["usage"], document["choices"]
    assert usage["completion_tokens"] == 8
    for index in (0, 1):
        text = "".join(one["text"] for one in choices if one["index"] == index)
        told = [one["logprobs"] for one in choices if one["index"] == index and one["logprobs"]]
        tokens = [token for one in told for token in one["tokens"]]
        assert len(tokens) == 4
        assert "".join(tokens) == text
        tops = [tops for one in told for tops in one["top_logprobs"]]
        assert all(top[token] == max(top.values()) for top, token in zip(tops, tokens, strict=True))
        starts = [at for one in told for at in one["text_offset"]]
        assert starts == [sum(map(len, tokens[:number])) for number in range(4)]


@pytest.mark.parametrize(
    "asks", ['"cache_prompt"', '"cache\\u005fprompt"'], ids=["plain", "escaped"]
)
async def test_nobody_learns_how_anothers_prompt_began(backend: LlamaBackend, asks: str) -> None:
    """llama.cpp keeps the last prompt of a slot. Asked to, it would go on from what both share,
    and tell how much that is."""
    await (await backend.send(call())).read()
    plain = call().body
    curious = plain[:-1] + f', {asks}: true, "id_slot": 0, "timings_per_token": true}}'.encode()
    answer = await backend.send(BackendCall("/chat/completions", curious, False))
    document = json.loads(await answer.read())
    assert answer.status == 200
    cached = document.get("timings", {}).get("cache_n", 0)
    details = document["usage"].get("prompt_tokens_details") or {}
    assert (cached, details.get("cached_tokens", 0)) == (0, 0)


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {field: {"type": "string", "maxLength": 12}},
                "required": [field],
                "additionalProperties": False,
            },
        },
    }
    for name, field in (("weather", "city"), ("clock", "zone"))
]
CLOCK = {"type": "function", "function": {"name": "clock"}}


@pytest.mark.parametrize("choice", ["required", CLOCK], ids=["required", "named"])
async def test_a_call_that_is_forced_is_made(backend: LlamaBackend, choice: object) -> None:
    forced: dict[str, Any] = {"tools": TOOLS, "tool_choice": choice, "max_tokens": 64}
    (whole,) = json.loads(await (await backend.send(call(**forced))).read())["choices"]
    assert whole["finish_reason"] == "tool_calls"
    (made,) = whole["message"]["tool_calls"]
    field = {"weather": "city", "clock": "zone"}[made["function"]["name"]]
    assert list(json.loads(made["function"]["arguments"])) == [field]
    if choice is CLOCK:
        assert field == "zone"
    usage = {"include_usage": True}
    stream = await backend.send(call(stream=True, stream_options=usage, **forced))
    assert stream.content_type.startswith("text/event-stream")
    lines = b"".join([part async for part in stream.chunks()]).split(b"\n\n")
    assert lines[-2:] == [b"data: [DONE]", b""]
    first, ended, last = (json.loads(line.removeprefix(b"data: ")) for line in lines[:-2])
    (again,) = first["choices"][0]["delta"]["tool_calls"]
    assert (again["index"], again["function"]) == (0, made["function"])
    assert ended["choices"][0]["finish_reason"] == "tool_calls"
    assert last["usage"]["completion_tokens"] > 0


async def test_what_cannot_be_forced_names_its_field(backend: LlamaBackend) -> None:
    answer = await backend.send(call(tools=[], tool_choice="required"))
    assert answer.status == 400
    assert json.loads(await answer.read())["error"]["param"] == "tools"
    answer = await backend.send(call(tools=TOOLS, tool_choice="auto"))
    (choice,) = json.loads(await answer.read())["choices"]
    assert choice["message"]["content"], "it answers in words, as it was taught"


async def test_its_errors_are_openais(backend: LlamaBackend) -> None:
    long = [{"role": "user", "content": "hi " * 2000}]
    answer = await backend.send(call(messages=long))
    error = json.loads(await answer.read())["error"]
    assert (answer.status, error["code"], error["param"], error["type"]) == (
        400,
        "context_length_exceeded",
        "messages",
        "invalid_request_error",
    )


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SCHEMA = {"name": "a", "schema": {"type": "SECRET"}}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"n": 129}, "n"),
        ({"seed": "SECRET"}, "seed"),
        ({"response_format": {"type": "json_schema", "json_schema": SCHEMA}}, "response_format"),
        ({"messages": [{"role": "assistant", "content": "SECRET"}] * 2}, "messages"),
        ({"unknown": 10**400}, None),
    ],
)
async def test_a_mistake_of_the_caller_is_told_in_words_of_ours(
    backend: LlamaBackend, members: dict[str, Any], field: str | None
) -> None:
    answer = await backend.send(call(**members))
    error = json.loads(await answer.read())["error"]
    assert (answer.status, error["param"], error["code"]) == (400, field, None)
    assert error["type"] == "invalid_request_error"
    for word in ("json.exception", "template", "SECRET", "00000"):
        assert word not in error["message"]


async def test_an_answer_without_a_limit_ends_with_the_context(backend: LlamaBackend) -> None:
    long = [{"role": "user", "content": "hi " * 190}]
    answer = await backend.send(call(messages=long, max_tokens=None, ignore_eos=True))
    document = json.loads(await answer.read())
    assert document["choices"][0]["finish_reason"] == "length"
    assert document["usage"]["total_tokens"] == small_model().context_tokens


async def test_whoever_leaves_an_answer_without_a_limit_stops_it() -> None:
    """The next one gets the only place, which the first would have held for minutes."""
    alone = small_model()._replace(context_tokens=8192, parallel=1)
    process = ModelProcess(alone, SystemRandomness())
    running = await process.start()
    client = OpenAiBackend(parse_target(running.base_url), running.api_key, Limits(), SystemClock())
    left = LlamaBackend(client)
    try:
        answer = await left.send(call(stream=True, max_tokens=None, ignore_eos=True))
        await anext(answer.chunks())
        answer.abandon()
        async with asyncio.timeout(30):
            assert (await left.send(call())).status == 200
    finally:
        await left.close()
        await process.stop()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_text_completion_has_a_name_of_its_own(backend: LlamaBackend, stream: bool) -> None:
    asked = {"model": "m", "prompt": "Once", "max_tokens": 2, "stream": stream}
    answer = await backend.send(BackendCall("/completions", json.dumps(asked).encode(), stream))
    told = (await answer.read()).split(b"\n\n")
    documents = [json.loads(one.removeprefix(b"data: ")) for one in told if b"{" in one]
    assert documents
    assert all(document["id"].startswith("cmpl-") for document in documents)


async def test_nobody_else_on_this_machine_is_answered(running: ModelRunning) -> None:
    origin = running.base_url.removesuffix("/v1")
    async with httpx.AsyncClient() as client:
        for path in ("/v1/models", "/slots", "/props", "/metrics", "/lora-adapters"):
            assert (await client.get(origin + path)).status_code == 401
        refused = await client.post(
            running.base_url + "/chat/completions",
            content=call().body,
            headers={"authorization": "Bearer guess"},
        )
        assert refused.status_code == 401


async def test_nothing_that_shows_content_is_served(running: ModelRunning) -> None:
    origin = running.base_url.removesuffix("/v1")
    key = {"authorization": f"Bearer {bytes(running.api_key).decode()}"}
    async with httpx.AsyncClient(headers=key) as client:
        for path in ("/slots", "/metrics", "/"):
            assert (await client.get(origin + path)).status_code in (404, 501)


async def test_weights_with_another_digest_are_refused() -> None:
    wrong = small_model()._replace(sha256="0" * 64)
    with pytest.raises(Unavailable, match="SHA-256"):
        await ModelProcess(wrong, SystemRandomness()).start()


async def test_missing_weights_are_named() -> None:
    missing = small_model()._replace(file=small_model().file.with_name("none.gguf"))
    with pytest.raises(Unavailable, match=r"none\.gguf are missing"):
        await ModelProcess(missing, SystemRandomness()).start()

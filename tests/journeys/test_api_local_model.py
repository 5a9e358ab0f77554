"""The embedded model: a real llama.cpp in its own process, behind the same contract."""

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
    answer = await backend.send(call(messages="x"))
    error = json.loads(await answer.read())["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
    assert error["code"] is None


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

"""The text runner: what it answers, whom, and how it starts and ends."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.fixtures.text_models import KEY, NAME, backend, text_server

from bailee.drivers.backend_llama import ModelProcess, ModelSpecification
from bailee.drivers.backend_openai import OpenAiBackend
from bailee.drivers.system import SystemRandomness
from bailee.drivers.text_runner import TextProcess, TextSpecification
from bailee.kernel.errors import Unavailable
from bailee.ports.backend import BackendCall, BackendFailure
from bailee.wiring.model_process import TEXT_RUNNER


@pytest.fixture
async def runner() -> AsyncIterator[OpenAiBackend]:
    async with text_server() as port:
        made = backend(port)
        yield made
        await made.close()


async def asked(runner: OpenAiBackend, path: str = "/embeddings", **members: Any) -> Any:
    body = json.dumps({"model": NAME, **members}).encode()
    answer = await runner.send(BackendCall(path, body, stream=False))
    return answer.status, json.loads(await answer.read())


async def vectors(runner: OpenAiBackend, **members: Any) -> Any:
    status, document = await asked(runner, **members)
    assert status == 200, document
    return numpy.array([part["embedding"] for part in document["data"]])


async def refusal(runner: OpenAiBackend, path: str = "/embeddings", **members: Any) -> Any:
    status, document = await asked(runner, path, **members)
    assert status == 400
    return document["error"]


async def test_floats_and_base64_are_the_same_numbers(runner: OpenAiBackend) -> None:
    floats = await vectors(runner, input=["one", "둘"])
    status, coded = await asked(runner, input=["one", "둘"], encoding_format="base64")
    assert (status, coded["object"], coded["model"]) == (200, "list", NAME)
    for row, part in zip(floats, coded["data"], strict=True):
        decoded = numpy.frombuffer(base64.b64decode(part["embedding"]), dtype="<f4")
        assert numpy.array_equal(decoded, row.astype("<f4"))
    assert [part["index"] for part in coded["data"]] == [0, 1]
    assert coded["usage"]["prompt_tokens"] == coded["usage"]["total_tokens"] > 2


async def test_shorter_vectors_are_the_beginning_with_length_one(runner: OpenAiBackend) -> None:
    whole = (await vectors(runner, input="one"))[0]
    short = (await vectors(runner, input="one", dimensions=64))[0]
    assert numpy.allclose(short, whole[:64] / numpy.linalg.norm(whole[:64]), atol=1e-6)
    assert (await vectors(runner, input="one", dimensions=384))[0].tolist() == whole.tolist()
    for wrong in (385, 0, -1):
        error = await refusal(runner, input="one", dimensions=wrong)
        assert (error["param"], error["type"]) == ("dimensions", "invalid_request_error")


async def test_the_role_is_named_or_written_before_the_text(runner: OpenAiBackend) -> None:
    usual = await vectors(runner, input=["bread", "query: bread"])
    assert numpy.array_equal(usual[0], usual[1])
    passage = await vectors(runner, input=["bread", "query: bread"], input_type="passage")
    written = await vectors(runner, input=["passage: bread"])
    assert numpy.array_equal(passage[0], written[0])
    assert numpy.array_equal(passage[1], usual[0])
    assert not numpy.allclose(passage[0], usual[0])


async def test_tokens_are_refused_saying_why(runner: OpenAiBackend) -> None:
    for tokens in ([1, 2, 3], [[1, 2], [3]]):
        error = await refusal(runner, input=tokens)
        assert error["param"] == "input"
        assert "tokenizer of another model" in error["message"]


async def test_too_long_a_text_is_refused_with_its_place(runner: OpenAiBackend) -> None:
    error = await refusal(runner, input=["short", "word " * 9000])
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
    assert "input 1" in error["message"]


@pytest.mark.parametrize("given", ["", [], ["a", ""], ["a"] * 2049, {"a": 1}, None])
async def test_what_cannot_be_embedded_is_refused(runner: OpenAiBackend, given: Any) -> None:
    assert "input" in (await refusal(runner, input=given))["message"]


async def test_moderations_are_answered_in_shape(runner: OpenAiBackend) -> None:
    status, document = await asked(runner, "/moderations", input="I want to kill myself.")
    assert status == 200
    (found,) = document["results"]
    assert found["flagged"]
    assert found["categories"]["self-harm"]
    assert found["category_applied_input_types"]["self-harm"] == ["text"]


async def test_other_operations_are_not_there(runner: OpenAiBackend) -> None:
    await runner.check()
    status, document = await asked(runner, "/chat/completions", messages=[])
    assert (status, document["error"]["code"]) == (404, "unknown_url")


async def test_nobody_without_the_key_is_answered() -> None:
    async with text_server() as port:
        stranger = backend(port, KEY + "x")
        with pytest.raises(BackendFailure):
            await stranger.check()
        await stranger.close()


async def test_a_short_request_does_not_wait_for_a_long_one(runner: OpenAiBackend) -> None:
    long = asyncio.ensure_future(asked(runner, input=["word " * 400] * 40))
    await asked(runner, input="short")
    assert not long.done()
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    assert (await asked(runner, input="still there"))[0] == 200


async def test_the_process_answers_and_starts_again_where_it_was() -> None:
    process = TextProcess(TextSpecification(TEXT_RUNNER, NAME, 1), SystemRandomness())
    first = await process.start()
    port = int(first.base_url.rpartition(":")[2].removesuffix("/v1"))
    reached = backend(port, first.api_key.decode())
    assert (await asked(reached, input="hello"))[0] == 200
    await process.stop()
    again = await process.start()
    assert (again.base_url, again.api_key) == (first.base_url, first.api_key)
    assert (await asked(reached, input="hello"))[0] == 200
    await reached.close()
    await process.stop()


@pytest.mark.parametrize("kind", ["text", "model"])
async def test_one_that_ended_before_it_was_told_anything_is_no_other_trouble(kind: str) -> None:
    made: TextProcess | ModelProcess
    if kind == "text":
        made = TextProcess(TextSpecification("bailee.nowhere", NAME, 1), SystemRandomness())
    else:
        made = ModelProcess(ModelSpecification(Path("none"), "0" * 64, NAME), SystemRandomness())
    ended = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ""), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    await ended.wait()
    assert "libraries" in (await made._instruct(ended)).error


async def test_a_process_that_cannot_start_says_what_to_do() -> None:
    process = TextProcess(TextSpecification("bailee.nowhere", NAME, 1), SystemRandomness())
    with pytest.raises(Unavailable, match="libraries"):
        await process.start()

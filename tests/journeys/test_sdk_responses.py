"""The Responses API on a real installation with its real model, by the official SDK."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from tests.fixtures.clients import REAL, Mirror, await_model, backend, in_client_environment
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file

pytestmark = pytest.mark.journey

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object"},
    "strict": True,
}


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with Mirror().running() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mirror: Mirror) -> Iterator[Installation]:
    with installation(
        tmp_path_factory.mktemp("responses"),
        model_file=model_file(),
        settings=backend("mirror", mirror.url, {"mirror": "mirror"}),
    ) as made:
        await_model(made)
        with in_client_environment(made):
            yield made


@pytest.fixture
def client(place: Installation) -> Iterator[OpenAI]:
    with OpenAI(max_retries=0) as made:
        yield made


def test_the_real_model_answers(client: OpenAI) -> None:
    options: Any = {"model": REAL, "input": "Say hi", "temperature": 0, "extra_body": {"seed": 7}}
    raw = client.responses.with_raw_response.create(max_output_tokens=4, **options)
    whole = raw.parse()
    assert whole.output_text
    assert (whole.status, whole.usage and whole.usage.output_tokens) == ("incomplete", 4)
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert raw.headers["bailee-record"].startswith("rec_")
    with client.responses.stream(max_output_tokens=4, **options) as stream:
        events = list(stream)
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.output_text == whole.output_text
    assert events[-1].response.usage == whole.usage


async def test_the_real_model_answers_the_async_client(place: Installation) -> None:
    async with AsyncOpenAI(max_retries=0) as client:
        answer = await client.responses.create(
            model=REAL,
            instructions="Answer in one word.",
            input=[{"role": "user", "content": [{"type": "input_text", "text": "Say hi"}]}],
            max_output_tokens=16,
            include=["message.output_text.logprobs"],
            top_logprobs=2,
        )
    (message,) = answer.output
    assert message.type == "message"
    (text,) = message.content
    assert text.type == "output_text"
    assert len((text.logprobs or [])[0].top_logprobs) == 2


def test_the_real_model_keeps_to_a_schema(client: OpenAI) -> None:
    schema: Any = {"type": "json_schema", "name": "x", "schema": {"enum": ["a lock", "a tide"]}}
    answer = client.responses.create(
        model=REAL, input="Say hi", max_output_tokens=16, text={"format": schema}
    )
    assert json.loads(answer.output_text) in ("a lock", "a tide")


def test_a_tool_of_the_mirror_is_called(client: OpenAI) -> None:
    answer = client.responses.create(model="mirror", input="Weather in Busan?", tools=[TOOL])
    (call,) = answer.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Busan"}

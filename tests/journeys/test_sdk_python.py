"""The official Python SDK, unchanged, with nothing but what `bailee env` prints.

Real: the installation, TLS, the embedded model. Where an answer must be known beforehand, a mirror
stands in for the model.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from tests.fixtures.clients import REAL, Mirror, await_model, backend, in_client_environment
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file

pytestmark = pytest.mark.journey

HI: Any = [{"role": "user", "content": "Say hi"}]
NO_MODEL = f"ft:{REAL}:nobody::0123456789abcdef"
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with Mirror().running() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mirror: Mirror) -> Iterator[Installation]:
    dark = 'concurrency = 1\n[models."lighter"]\nbackends = ["dark", "mirror"]\n'
    with installation(
        tmp_path_factory.mktemp("python-sdk"),
        model_file=model_file(),
        settings=backend("mirror", mirror.url, {"mirror": "mirror", "lighter": "mirror"})
        + backend("dark", mirror.url, {"dark": "dark", "lighter": "dark"}, terms="", more=dark),
    ) as made:
        await_model(made)
        with in_client_environment(made):
            yield made


@pytest.fixture
def client(place: Installation) -> Iterator[OpenAI]:
    with OpenAI(max_retries=0) as made:
        yield made


def said(content: str) -> Any:
    return [{"role": "user", "content": content}]


# Answers of the real model.


def test_models_are_listed_and_retrieved(client: OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    # `dark` declares no terms: what may not be called is not offered.
    assert set(listed) == {REAL, "echo", "mirror", "lighter"}
    assert client.models.retrieve(REAL) == listed[REAL]
    assert (listed[REAL].object, listed[REAL].owned_by) == ("model", "bailee")


def test_the_real_model_answers_with_every_header(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=REAL, messages=HI, max_tokens=4, seed=7, temperature=0, logprobs=True, top_logprobs=2
    )
    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4
    assert answer.choices[0].logprobs is not None
    first = (answer.choices[0].logprobs.content or [])[0]
    assert len(first.top_logprobs) == 2
    headers = raw.headers
    assert headers["bailee-record"].startswith("rec_")
    assert len(bytes.fromhex(headers["bailee-receipt-key"])) == 32
    assert headers["bailee-policy"]
    assert headers["bailee-handling"].startswith("abuse_monitoring=(")
    assert headers["openai-organization"].startswith("org_")
    assert int(headers["openai-processing-ms"]) >= 0
    assert answer._request_id == headers["x-request-id"]
    again = client.chat.completions.create(
        model=REAL, messages=HI, max_tokens=4, seed=7, temperature=0
    )
    assert again.choices[0].message.content == answer.choices[0].message.content


def test_the_real_model_completes_text_and_stops(client: OpenAI) -> None:
    options: Any = {"model": REAL, "prompt": "1 2 3 4 5 6 7 8", "seed": 1, "temperature": 0}
    whole = client.completions.create(max_tokens=6, **options)
    word = whole.choices[0].text.split()[0]
    stopped = client.completions.create(max_tokens=6, stop=[word], **options)
    assert stopped.object == "text_completion"
    assert stopped.choices[0].finish_reason == "stop"
    assert word not in stopped.choices[0].text
    parts = list(client.completions.create(max_tokens=3, stream=True, **options))
    assert whole.choices[0].text.startswith("".join(part.choices[0].text for part in parts))


def test_the_real_model_keeps_to_a_schema_and_gives_choices(client: OpenAI) -> None:
    schema: Any = {"name": "x", "schema": {"enum": ["a lock", "a tide"]}}
    answer = client.chat.completions.create(
        model=REAL,
        messages=HI,
        max_tokens=8,
        n=2,
        response_format={"type": "json_schema", "json_schema": schema},
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert json.loads(choice.message.content or "") in ("a lock", "a tide")


async def test_the_real_model_streams_to_the_async_client(place: Installation) -> None:
    async with AsyncOpenAI(max_retries=0) as client:
        options: Any = {
            "model": REAL, "messages": HI, "max_tokens": 4, "seed": 7, "temperature": 0,
        }  # fmt: skip
        whole = await client.chat.completions.create(**options)
        stream = await client.chat.completions.create(
            stream=True, stream_options={"include_usage": True}, **options
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4
    assert chunks[-1].choices == []


def test_a_prompt_beyond_the_context_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=REAL, messages=said("hi " * 3000), max_tokens=4)
    assert refused.value.code == "context_length_exceeded"
    assert refused.value.param == "messages"


# What is passed through, shown by a mirror.


def test_a_request_reaches_the_model_byte_for_byte(client: OpenAI, mirror: Mirror) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="mirror",
        messages=HI,
        tools=TOOLS,
        tool_choice="required",
        response_format={"type": "json_object"},
        logprobs=True,
        top_logprobs=3,
        n=2,
        stop=["\n"],
        seed=11,
        metadata={"for": "tests"},
        safety_identifier="somebody",
        extra_body={"unheard_of": {"a": [1, 2.50, None]}},
    )
    assert mirror.calls()[-1].body == raw.http_request.content
    answer = raw.parse()
    assert len(answer.choices) == 2
    calls = answer.choices[1].message.tool_calls or []
    assert [call.type for call in calls] == ["function"]
    assert json.loads(calls[0].function.arguments) == {"city": "Busan"}  # type: ignore[union-attr]
    sent = mirror.calls()[-1].headers
    assert "authorization" not in sent, "a caller's key stays here"
    assert os.environ["OPENAI_API_KEY"] not in str(sent)


def test_an_alias_changes_the_model_name_alone(client: OpenAI, mirror: Mirror) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="lighter", messages=HI, extra_body={"x": 1.50}
    )
    sent = json.loads(raw.http_request.content)
    assert json.loads(mirror.calls()[-1].body) == sent | {"model": "mirror"}


async def test_many_at_once_each_get_their_own_answer(place: Installation) -> None:
    async def whole(client: AsyncOpenAI, number: int) -> str:
        answer = await client.chat.completions.create(
            model="mirror", messages=said(f"number-{number}")
        )
        return answer.choices[0].message.content or ""

    async def streamed(client: AsyncOpenAI, number: int) -> str:
        stream = await client.chat.completions.create(
            model="mirror", messages=said(f"number-{number}"), stream=True
        )
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return " ".join(words).strip()

    async with AsyncOpenAI(max_retries=0) as client:
        asked = [(whole if number % 2 else streamed)(client, number) for number in range(40)]
        assert await asyncio.gather(*asked) == [f"you said number-{n}" for n in range(40)]


# Failures, as the SDK's exceptions.


def test_wrong_and_missing_keys_are_authentication_errors(place: Installation) -> None:
    wrong = ("sk-bailee-0123456789abcdef-" + "A" * 43, "nonsense")
    for key in wrong:
        with (
            OpenAI(api_key=key, max_retries=0) as client,
            pytest.raises(openai.AuthenticationError) as refused,
        ):
            client.models.list()
        assert refused.value.code == "invalid_api_key"
        assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("sk-admin-0123456789abcdef-" + "A" * 43, "an admin key"),
        ("sess-0123456789abcdef-" + "A" * 43, "the session of a person"),
    ],
)
def test_a_key_of_another_kind_is_told_apart_by_its_form(
    place: Installation, key: str, kind: str
) -> None:
    with OpenAI(api_key=key, max_retries=0) as client:
        calls = (
            lambda: client.chat.completions.create(model="mirror", messages=HI),
            client.files.list,
        )
        for call in calls:
            with pytest.raises(openai.AuthenticationError, match=kind) as refused:
                call()
            assert refused.value.code == "invalid_api_key"
            assert "a project's API key" in str(refused.value)
            assert key not in str(refused.value)


def test_refusals_are_the_sdks_exceptions(client: OpenAI) -> None:
    no_messages: Any = "hi"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-none", messages=HI)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert unknown.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-none")
    for kept, told in ((REAL, "Only fine-tuned models of this project"), (NO_MODEL, NO_MODEL)):
        with pytest.raises(openai.NotFoundError, match=told) as undeletable:
            client.models.delete(kept)
        assert (undeletable.value.code, undeletable.value.param) == ("model_not_found", "model")
        assert "adapter" not in str(undeletable.value)
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="mirror", messages=no_messages)
    assert (wrong.value.code, wrong.value.param) == ("invalid_type", "messages")
    with pytest.raises(openai.NotFoundError, match="OpenAPI document"):
        client.images.generate(model="mirror", prompt="hi")


def test_failures_of_the_model_are_the_sdks_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="mirror", messages=said("[429]"))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="mirror", messages=said("[fail]"))
    stream = client.chat.completions.create(model="mirror", messages=said("[break]"), stream=True)
    with pytest.raises(openai.APIError) as broken:
        list(stream)
    assert broken.value.code == "backend_broken"


def test_a_stranger_to_the_local_authority_is_not_served(
    place: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with OpenAI(max_retries=0) as client, pytest.raises(openai.APIConnectionError) as refused:
        client.models.list()
    assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value.__cause__)


# Terms of backends.


def test_a_backend_of_undeclared_terms_gets_nothing(client: OpenAI, mirror: Mirror) -> None:
    before = len(mirror.calls())
    with pytest.raises(openai.PermissionDeniedError, match=r"clause C\d\d") as refused:
        client.chat.completions.create(model="dark", messages=HI)
    assert refused.value.code == "backend_terms"
    assert "`dark`" in str(refused.value)
    assert len(mirror.calls()) == before


def test_fallback_obeys_the_same_rule(client: OpenAI, mirror: Mirror) -> None:
    before = len(mirror.calls())
    answer = client.chat.completions.create(model="lighter", messages=HI)
    assert answer.choices[0].message.content == "you said Say hi"
    assert [json.loads(call.body)["model"] for call in mirror.calls()[before:]] == ["mirror"]

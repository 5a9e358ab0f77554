"""Embeddings and moderations through the official Python SDK, sync and async.

Real: the installation, TLS, the embedded embedding model and classifier. A mirror stands in for
upstreams.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from tests.fixtures.clients import Mirror, await_model, backend, in_client_environment, run_command
from tests.fixtures.installation import Installation, installation
from tests.fixtures.waiting import until

from bailee.ports.classifier import CATEGORIES

pytestmark = pytest.mark.journey

LOCAL: Any = "multilingual-e5-small"
JUDGE: Any = "bailee-moderation"
IMAGE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TEXT: Any = {"type": "text", "text": "a picture of my cat"}


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with Mirror().running() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mirror: Mirror) -> Iterator[Installation]:
    judges = 'moderation_models = { "mirror-judge" = "omni" }'
    dark = 'moderation_models = { "dark-judge" = "omni" }'
    with installation(
        tmp_path_factory.mktemp("embeddings"),
        text_models=True,
        settings=backend("mirror", mirror.url, {"mirror": "mirror"}, more=judges)
        + backend("dark", mirror.url, {"dark": "dark"}, terms="", more=dark),
    ) as made:
        await_model(made, "embedded-text")
        with in_client_environment(made):
            yield made


@pytest.fixture
def client(place: Installation) -> Iterator[OpenAI]:
    with OpenAI(max_retries=0) as made:
        yield made


def nearness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_the_local_models_are_listed(client: OpenAI) -> None:
    listed = {model.id: model.owned_by for model in client.models.list()}
    assert listed[LOCAL] == listed[JUDGE] == listed["omni-moderation-latest"] == "bailee"
    assert listed["mirror-judge"] == "mirror"


def test_the_sdk_embeds_as_it_does_by_default_and_as_floats(client: OpenAI) -> None:
    texts = ["When does the train leave?", "기차는 언제 출발하나요?", "고양이가 우유를 마신다."]
    raw = client.embeddings.with_raw_response.create(model=LOCAL, input=texts, user="somebody")
    answer = raw.parse()
    assert (answer.object, answer.model, len(answer.data)) == ("list", LOCAL, 3)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 10
    train, korean, cat = (part.embedding for part in answer.data)
    assert len(train) == 384
    assert nearness(train, korean) > nearness(train, cat)
    assert raw.headers["bailee-record"].startswith("rec_")
    assert "abuse_monitoring" in raw.headers["bailee-handling"]
    floats = client.embeddings.create(model=LOCAL, input=texts[0], encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(train, abs=1e-6)
    short = client.embeddings.create(model=LOCAL, input=texts[0], dimensions=32)
    assert len(short.data[0].embedding) == 32
    assert nearness(short.data[0].embedding, short.data[0].embedding) == pytest.approx(1, abs=1e-5)


def test_the_owner_reads_what_was_embedded_and_nobody_else(place: Installation) -> None:
    owner, stranger = place.tenant("embedder"), place.tenant("stranger")
    with OpenAI(api_key=owner.key, max_retries=0) as client:
        raw = client.embeddings.with_raw_response.create(model=LOCAL, input="my own words")
    with place.client() as http:
        record = place.opened(http, owner, raw.headers["bailee-record"])
        assert record["endpoint"] == "/v1/embeddings"
        assert "my own words" in record["request"]
        assert place.read(http, stranger, record["id"]).status_code == 404


async def test_async_clients_get_their_own_answers(place: Installation) -> None:
    async with AsyncOpenAI(max_retries=0) as client:
        texts = [f"sentence number {number}" for number in range(12)]
        asked = (client.embeddings.create(model=LOCAL, input=text) for text in texts)
        alone = [answer.data[0].embedding for answer in await asyncio.gather(*asked)]
        together = await client.embeddings.create(model=LOCAL, input=texts)
        moderated = await client.moderations.create(input="I want to kill myself.")
    for one, part in zip(alone, together.data, strict=True):
        assert nearness(one, part.embedding) == pytest.approx(1, abs=1e-4)
    assert moderated.results[0].categories.self_harm_intent


@pytest.mark.parametrize(
    ("given", "said", "field"),
    [
        ({"input": ""}, "empty", "input"),
        ({"input": []}, "empty", "input"),
        ({"input": ["a", ""]}, r"input\[1\]", "input"),
        ({"input": ["a"] * 2049}, "2048", "input"),
        ({"input": [1, 2, 3]}, "tokenizer of another model", "input"),
        ({"input": [[1], [2, 3]]}, "tokenizer of another model", "input"),
        ({"input": "a", "dimensions": 385}, "1 to 384", "dimensions"),
        ({"input": "word " * 9000}, "maximum context length", "input"),
        ({"input": 7}, "expected string", "input"),
    ],
)
def test_what_cannot_be_embedded_is_a_bad_request(
    client: OpenAI, given: Any, said: str, field: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=said) as refused:
        client.embeddings.create(model=LOCAL, **given)
    assert refused.value.param == field


def test_each_model_serves_its_own_operations(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
        client.chat.completions.create(
            model=LOCAL, messages=[{"role": "user", "content": "hi"}]
        )  # fmt: skip
    with pytest.raises(openai.NotFoundError, match="/v1/moderations"):
        client.embeddings.create(model=JUDGE, input="hi")
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
        client.moderations.create(model=LOCAL, input="hi")
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.moderations.create(model="text-moderation-stable", input="hi")


def test_an_upstreams_embeddings_pass_through_tokens_too(client: OpenAI, mirror: Mirror) -> None:
    raw = client.embeddings.with_raw_response.create(
        model="mirror", input=[[1, 2], [3]], dimensions=2, extra_body={"unheard_of": 1}
    )
    assert mirror.calls()[-1].body == raw.http_request.content
    assert mirror.calls()[-1].path.endswith("/embeddings")
    assert raw.parse().model == "mirror-embedding"


# Moderations.


def test_a_moderation_names_no_model_and_gets_every_category(client: OpenAI) -> None:
    raw = client.moderations.with_raw_response.create(input="I will find you and break your legs.")
    answer = raw.parse()
    assert answer.id.startswith("modr-")
    assert answer.model == "bailee-moderation-1"
    (found,) = answer.results
    assert found.flagged
    assert found.categories.harassment_threatening
    assert found.categories.harassment
    assert not found.categories.sexual
    written = found.model_dump(by_alias=True)
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert set(written[part]) == set(CATEGORIES)
    assert found.category_applied_input_types.violence == ["text"]


def test_moderations_hold_nothing(client: OpenAI) -> None:
    raw = client.moderations.with_raw_response.create(input="hello")
    assert "bailee-record" not in raw.headers
    assert "bailee-receipt-key" not in raw.headers
    assert "abuse_monitoring" not in raw.headers["bailee-handling"]


def test_each_string_has_its_result_and_an_array_of_objects_one(client: OpenAI) -> None:
    strings = client.moderations.create(model=JUDGE, input=["오늘 날씨 어때?", "씨발 새끼야."])
    assert [found.flagged for found in strings.results] == [False, True]
    objects = client.moderations.create(model=JUDGE, input=[TEXT, TEXT])
    assert [found.flagged for found in objects.results] == [False]


def test_an_image_that_nobody_looked_at_is_not_called_harmless(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Send text alone") as refused:
        client.moderations.create(model=JUDGE, input=[TEXT, IMAGE])
    assert (refused.value.param, refused.value.code) == ("input", "invalid_value")
    assert "unsupported_input" not in str(refused.value)


def test_an_upstream_judges_images_and_the_kinds_are_what_it_says(
    client: OpenAI, mirror: Mirror
) -> None:
    answer = client.moderations.create(model="mirror-judge", input=[TEXT, IMAGE])
    assert answer.model == "mirror-moderation"
    (found,) = answer.results
    assert found.category_applied_input_types.violence == ["image"]
    assert found.category_applied_input_types.hate == []
    assert (found.category_scores.violence, found.category_scores.hate) == (0.75, 0.0)
    assert b"data:image/png" in mirror.calls()[-1].body


@pytest.mark.parametrize(
    "given", [[], ["a"] * 2049, ["a", TEXT], [{"type": "text"}], [{"type": "sound"}], 7, None]
)
def test_what_cannot_be_moderated_is_a_bad_request(client: OpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.moderations.create(input=given)
    assert refused.value.param in ("input", "input[...]")


def test_undeclared_terms_forbid_embeddings_and_moderations_alike(
    client: OpenAI, mirror: Mirror
) -> None:
    before = len(mirror.calls())
    with pytest.raises(openai.PermissionDeniedError, match=r"clause C\d\d"):
        client.embeddings.create(model="dark", input="hi")
    with pytest.raises(openai.PermissionDeniedError, match=r"clause C\d\d"):
        client.moderations.create(model="dark-judge", input="hi")
    assert len(mirror.calls()) == before


def test_under_zero_retention_both_answer_and_nothing_is_recorded(place: Installation) -> None:
    tenant = place.tenant("zero")
    run_command(place, "projects", "set", tenant.project, "--retention", "zero_data_retention")
    with OpenAI(api_key=tenant.key, max_retries=0) as client:

        def unrecorded() -> bool:
            made = client.embeddings.with_raw_response.create(model=LOCAL, input="unheld")
            return "bailee-record" not in made.headers

        until(unrecorded, "the project is under zero retention")
        raw = client.embeddings.with_raw_response.create(model=LOCAL, input="unheld")
        assert len(raw.parse().data[0].embedding) == 384
        assert "bailee-record" not in raw.headers
        assert "abuse_monitoring" not in raw.headers["bailee-handling"]
        judged = client.moderations.with_raw_response.create(input="unheld")
        assert not judged.parse().results[0].flagged
        assert "bailee-record" not in judged.headers


def test_the_runner_returns_after_a_crash(place: Installation, client: OpenAI) -> None:
    place.restart("model-runner")
    await_model(place, "embedded-text")
    assert len(client.embeddings.create(model=LOCAL, input="again").data) == 1

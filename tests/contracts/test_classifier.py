"""The contract of `ports.classifier`, for every driver."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.fixtures.text_models import backend, classifier, text_server
from tests.fixtures.upstream import Reply, Upstream

from bailee.drivers.backend_openai import Limits, OpenAiBackend, parse_target
from bailee.drivers.classifier_openai import OpenAiClassifier
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import InvalidInput
from bailee.ports.backend import BackendFailure
from bailee.ports.classifier import CATEGORIES, Classification, Classifier, Piece, Subject

KIND: Subject = (Piece("text", "What is a good name for a bakery?"),)
THREAT: Subject = (Piece("text", "I will find you and break your legs."),)
KOREAN: Subject = (Piece("text", "죽고 싶어, 자살할 거야."),)
IMAGE = Piece("image", "data:image/png;base64,AAAA")


@pytest.fixture(params=["embedded", "openai"])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Classifier]:
    """The embedded classifier, and the upstream driver on a real server that serves it."""
    if request.param == "embedded":
        yield classifier()
        return
    async with text_server() as port:
        reached = backend(port)
        yield OpenAiClassifier(reached, "any")
        await reached.close()


async def test_each_subject_has_its_classification_in_order(driver: Classifier) -> None:
    classified = await driver.classify([KIND, THREAT, KOREAN])
    assert [result.flagged for result in classified.results] == [False, True, True]
    assert classified.results[1].categories["harassment/threatening"]
    assert classified.results[2].categories["self-harm/intent"]
    assert classified.model == "bailee-moderation-1"


async def test_every_category_is_answered_within_bounds(driver: Classifier) -> None:
    for result in (await driver.classify([KIND, THREAT])).results:
        assert tuple(result.categories) == CATEGORIES
        assert tuple(result.category_scores) == CATEGORIES
        assert tuple(result.category_applied_input_types) == CATEGORIES
        assert all(0 <= score <= 1 for score in result.category_scores.values())
        assert result.flagged is any(result.categories.values())


async def test_the_kinds_of_input_are_those_that_were_looked_at(driver: Classifier) -> None:
    result = (await driver.classify([KIND])).results[0]
    assert all(kinds == ["text"] for kinds in result.category_applied_input_types.values())


async def test_a_subject_is_judged_as_a_whole(driver: Classifier) -> None:
    result = (await driver.classify([(*KIND, *THREAT)])).results
    assert [one.flagged for one in result] == [True]


async def test_what_cannot_be_judged_is_refused(driver: Classifier) -> None:
    with pytest.raises(InvalidInput) as refused:
        await driver.classify([(*KIND, IMAGE)])
    assert refused.value.field == "input"
    assert "AAAA" not in str(refused.value)


async def test_odd_texts_are_judged(driver: Classifier) -> None:
    odd = ["", "\0", " \n ", "\ufdfa" * 500, "a" * 5000, "🔥" * 300]
    classified = await driver.classify([(Piece("text", text),) for text in odd])
    assert len(classified.results) == len(odd)


# The upstream driver, before servers that are not what they should be.


def result(categories: dict[str, bool], types: object = None) -> dict[str, object]:
    scores = {name: 0.9 if flag else 0.1 for name, flag in categories.items()}
    made: dict[str, object] = {
        "flagged": any(categories.values()), "categories": categories, "category_scores": scores,
    }  # fmt: skip
    return made if types is None else made | {"category_applied_input_types": types}


def answering(*results: dict[str, object], status: int = 200) -> Reply:
    return Reply(status, parts=[msgspec.json.encode({"model": "m-1", "results": results})])


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def asking(upstream: Upstream) -> AsyncIterator[OpenAiClassifier]:
    reached = OpenAiBackend(parse_target(upstream.url), None, Limits(), SystemClock())
    yield OpenAiClassifier(reached, "omni")
    await reached.close()


async def judged(asking: OpenAiClassifier, *subjects: Subject) -> list[Classification]:
    return (await asking.classify(subjects)).results


async def test_texts_go_in_one_request_and_each_mixture_in_its_own(
    upstream: Upstream, asking: OpenAiClassifier
) -> None:
    upstream.script.append(answering(result({"hate": False}), result({"hate": True})))
    found = await judged(asking, KIND, THREAT)
    assert [one.flagged for one in found] == [False, True]
    upstream.script.append(answering(result({"violence": True}, {"violence": ["image"]})))
    (found_of_image,) = await judged(asking, (*KIND, IMAGE))
    assert found_of_image.category_applied_input_types["violence"] == ["image"]
    first, second = (msgspec.json.decode(received.body) for received in upstream.received)
    assert first == {"model": "omni", "input": [KIND[0].value, THREAT[0].value]}
    assert second["input"][1] == {"type": "image_url", "image_url": {"url": IMAGE.value}}


async def test_a_category_that_nobody_looked_at_is_neither_flagged_nor_scored(
    upstream: Upstream, asking: OpenAiClassifier
) -> None:
    types = {"hate": [], "sexual": ["text", "smell"]}
    upstream.script.append(answering(result({"hate": True, "sexual": True}, types)))
    (found,) = await judged(asking, KIND)
    assert (found.categories["hate"], found.category_scores["hate"]) == (False, 0.0)
    assert found.category_applied_input_types["sexual"] == ["text"]
    assert found.category_applied_input_types["illicit"] == []
    assert found.flagged


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(401, parts=[b"{}"]), "unreachable"),
        (Reply(429, parts=[b"{}"]), "overloaded"),
        (Reply(500, parts=[b"{}"]), "broken"),
        (Reply(parts=[b"<html>"]), "broken"),
        (answering(), "broken"),
    ],
)
async def test_failures_are_failures_of_a_backend(
    upstream: Upstream, asking: OpenAiClassifier, reply: Reply, reason: str
) -> None:
    upstream.script.append(reply)
    with pytest.raises(BackendFailure) as failed:
        await asking.classify([KIND])
    assert (failed.value.reason, failed.value.retry_safe) == (reason, True)


async def test_an_upstreams_words_are_not_repeated(
    upstream: Upstream, asking: OpenAiClassifier
) -> None:
    body = b'{"error": {"message": "bad: SECRET", "code": "image_too_large"}}'
    upstream.script.append(Reply(400, parts=[body]))
    with pytest.raises(InvalidInput) as refused:
        await asking.classify([KIND])
    told = str(refused.value)
    assert not [word for word in ("SECRET", "image_too_large", "400") if word in told]
    assert told.endswith("Send text alone, or ask a model that reads images.")

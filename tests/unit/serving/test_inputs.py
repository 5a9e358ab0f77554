"""What may be embedded and moderated, and what a refusal says."""

import json

import pytest

from bailee.serving.call import EMBEDDINGS, MODERATIONS, Operation, parse
from bailee.serving.errors import Because, CallRefused

IMAGE = {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}
TEXT = {"type": "text", "text": "hello"}


def body(given: object, **more: object) -> bytes:
    return json.dumps({"model": "m", "input": given, **more}).encode()


def refusal(operation: Operation, given: object) -> CallRefused:
    with pytest.raises(CallRefused) as refused:
        parse(operation, body(given))
    assert refused.value.because is Because.WRONG_TYPE
    return refused.value


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2], [[1], [2, 3]], ["a"] * 2048])
def test_what_may_be_embedded(given: object) -> None:
    call = parse(EMBEDDINGS, body(given, dimensions=3, user="u", unheard_of=1))
    assert (call.model, call.stream, call.body) == (
        "m", False, body(given, dimensions=3, user="u", unheard_of=1),
    )  # fmt: skip


@pytest.mark.parametrize("given", ["", [], ["a", ""], [[1], []], ["a", 1], ["a"] * 2049])
def test_what_may_not_be_embedded(given: object) -> None:
    assert refusal(EMBEDDINGS, given).field == "input"


@pytest.mark.parametrize("given", ["", "a", ["a", ""], [TEXT], [TEXT, IMAGE], [IMAGE]])
def test_what_may_be_moderated(given: object) -> None:
    assert parse(MODERATIONS, body(given)).model == "m"


@pytest.mark.parametrize(
    "given", [[], ["a", TEXT], [{"type": "text"}], [{"text": "a"}], [{}], ["a"] * 2049]
)
def test_what_may_not_be_moderated(given: object) -> None:
    assert refusal(MODERATIONS, given).field == "input"


def test_a_moderation_needs_no_model_and_an_embedding_does() -> None:
    assert parse(MODERATIONS, b'{"input": "a"}').model == "omni-moderation-latest"
    with pytest.raises(CallRefused) as refused:
        parse(EMBEDDINGS, b'{"input": "a"}')
    assert refused.value.field == "model"
    for operation in (EMBEDDINGS, MODERATIONS):
        with pytest.raises(CallRefused) as missing:
            parse(operation, b'{"model": "m"}')
        assert missing.value.name == "missing_required_parameter"


def test_a_refusal_quotes_nothing() -> None:
    for operation in (EMBEDDINGS, MODERATIONS):
        assert "SECRET" not in str(refusal(operation, ["SECRET", {"SECRET": "SECRET"}]))

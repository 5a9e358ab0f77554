"""A word that is none of a few is refused with the few, and is not quoted."""

import enum
from typing import Annotated, Literal

import msgspec
import pytest

from bailee.api.bailee_v1.agreements import BeginAgreement, ReviewAgreement
from bailee.policy.explain import Question
from bailee.serving.call import read_as
from bailee.serving.choices import choices_at
from bailee.serving.errors import CallRefused


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


class Inner(msgspec.Struct):
    side: Side | None = None


class Outer(msgspec.Struct):
    role: Literal["user", "assistant"] = "user"
    inner: Inner | None = None
    several: list[Inner] = []
    named: dict[str, Side] = {}
    number: Annotated[int, msgspec.Meta(ge=1)] = 1


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        (b'{"role":"SECRET"}', "role", "assistant, user"),
        (b'{"inner":{"side":"SECRET"}}', "inner.side", "left, right"),
        (b'{"several":[{},{"side":"SECRET"}]}', "several[1].side", "left, right"),
        (b'{"named":{"a":"SECRET"}}', "named[...]", "left, right"),
    ],
)
def test_the_choices_are_named(body: bytes, place: str, words: str) -> None:
    with pytest.raises(CallRefused) as refused:
        read_as(Outer, body)
    assert refused.value.field == place
    assert f"'{place}': it is one of {words}." in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("place", ["number", "nowhere", "inner", "role.deeper", "several[0]", ""])
def test_other_places_name_no_words(place: str) -> None:
    assert choices_at(Outer, place) == ()


@pytest.mark.parametrize(
    ("kind", "body", "field", "among"),
    [
        (BeginAgreement, {"kind": "x"}, "kind", "data_processing_addendum"),
        (
            BeginAgreement,
            {"kind": "enterprise_agreement", "language": "fr"},
            "language",
            "english, korean",
        ),
        (ReviewAgreement, {"decision": "perhaps"}, "decision", "accept, begin, decline"),
        (
            Question,
            {"endpoint": "/v1/responses", "retention_mode": "zdr"},
            "retention_mode",
            "zero_data_retention",
        ),
    ],
)
def test_bodies_of_operations_name_field_and_choices(
    kind: type[msgspec.Struct], body: dict[str, str], field: str, among: str
) -> None:
    with pytest.raises(CallRefused) as refused:
        read_as(kind, msgspec.json.encode(body))
    assert (refused.value.field, refused.value.name) == (field, "invalid_value")
    assert among in str(refused.value)

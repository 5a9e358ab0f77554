"""A word that is none of a few is refused with the few, and is not quoted."""

import enum
from typing import Annotated, Literal

import msgspec
import pytest

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

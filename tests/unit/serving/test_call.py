"""Reading a request's body, and what a backend is sent."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailee.serving.call import CHAT_COMPLETIONS, COMPLETIONS, forwarded_body, parse, read_as
from bailee.serving.errors import Because, CallRefused

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_any_json_is_parsed_or_refused_and_never_quoted(value: object) -> None:
    body = json.dumps(value).encode()
    with pytest.raises(CallRefused) as raised:
        parse(CHAT_COMPLETIONS, body)
    assert raised.value.because in {Because.BAD_JSON, Because.WRONG_TYPE}


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(CallRefused):
        parse(COMPLETIONS, b"\xff" + body)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_members_survive_an_alias(more: dict[str, object]) -> None:
    more = {k: v for k, v in more.items() if k not in {"model", "messages", "store", "stream"}}
    body = json.dumps({"extra": more, "model": "a", "messages": [more]}).encode()
    sent = json.loads(forwarded_body(parse(CHAT_COMPLETIONS, body), "b"))
    assert sent == {"extra": more, "model": "b", "messages": [more]}


def test_the_same_name_means_the_same_object() -> None:
    body = b' {"model":"a","messages":[]}'
    assert forwarded_body(parse(CHAT_COMPLETIONS, body), "a") is body


def test_a_message_with_a_secret_of_the_wrong_type_does_not_reach_the_refusal() -> None:
    with pytest.raises(CallRefused) as raised:
        parse(CHAT_COMPLETIONS, b'{"model":"a","messages":{"SECRET":1}}')
    assert "SECRET" not in str(raised.value)
    assert raised.value.field == "messages"


class _Inner(msgspec.Struct, forbid_unknown_fields=True):
    known: int = 0


class _Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: _Inner | None = None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"project": 1}', "project"),
        (b'{"inner": {"other": 1}}', "inner.other"),
        (b'{"SECRET words": 1}', None),
        (b'{"inner": {"` - at `$.SECRET`": 1}}', None),
    ],
)
def test_an_unknown_field_is_named_unless_it_may_be_content(body: bytes, field: str | None) -> None:
    with pytest.raises(CallRefused) as raised:
        read_as(_Outer, body)
    assert (raised.value.field, raised.value.name) == (field, "unknown_parameter")
    assert "SECRET" not in str(raised.value)


def test_tokens_are_estimated_from_size_and_allowance() -> None:
    body = b'{"model":"a","messages":[],"max_tokens":100,"n":3}'
    assert parse(CHAT_COMPLETIONS, body).estimated_tokens() == len(body) // 4 + 300

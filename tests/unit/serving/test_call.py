"""Reading a request's body, and what a backend is sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailee.serving.call import CHAT_COMPLETIONS, COMPLETIONS, forwarded_body, parse
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


def test_tokens_are_estimated_from_size_and_allowance() -> None:
    body = b'{"model":"a","messages":[],"max_tokens":100,"n":3}'
    assert parse(CHAT_COMPLETIONS, body).estimated_tokens() == len(body) // 4 + 300

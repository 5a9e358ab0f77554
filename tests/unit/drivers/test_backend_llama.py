"""What reaches the local model of a request: nothing that leads to what another left there."""

import json
from typing import Any

import pytest

from bailee.drivers.backend_llama.backend import apart
from bailee.drivers.backend_llama.tools import Forced, ForcingRefused, forced


@pytest.mark.parametrize(
    "asked",
    [
        b'{"model":"m"}',
        b'{"model":"m","cache_prompt":true}',
        b'{"model":"m","cache\\u005fprompt":true,"cache_prompt":true}',
        b'{"cache_prompt":false,"model":"m","id_slot":0,"n_cache_reuse":1}',
    ],
)
def test_whatever_is_asked_nothing_earlier_is_gone_on_from(asked: bytes) -> None:
    assert json.loads(apart(asked)) == {"model": "m", "cache_prompt": False}
    assert apart(asked).count(b"cache") == 1


CITY: Any = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/City"}},
    "$defs": {"City": {"type": "string"}},
}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "clock"}},
]
NAMED: Any = {"type": "function", "function": {"name": "clock"}}


def asked(choice: Any, **more: Any) -> bytes:
    messages = [{"role": "user", "content": "hello"}]
    said = {"messages": messages, "tools": TOOLS, "tool_choice": choice, **more}
    return json.dumps({name: one for name, one in said.items() if one is not None}).encode()


def forcing(choice: Any, **more: Any) -> Forced:
    found = forced(asked(choice, **more))
    assert found is not None
    return found


def told(found: Forced, content: str, reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choices = [{"index": 0, "finish_reason": reason, "message": message}]
    body = json.dumps({"id": "chatcmpl-abc", "choices": choices}).encode()
    (choice,) = json.loads(found.answer(body)[1])["choices"]
    return dict(choice)


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_what_forces_no_call_goes_on_as_it_came(choice: Any) -> None:
    assert forced(asked(choice)) is None


def test_a_forced_call_is_held_by_its_schema() -> None:
    asked = json.loads(forcing("required", stream=True, response_format={"type": "text"}).body())
    assert (asked["stream"], "tools" in asked, "tool_choice" in asked) == (False, False, False)
    schema = asked["response_format"]["json_schema"]["schema"]
    assert [one["properties"]["name"] for one in schema["anyOf"]] == [
        {"const": "weather"},
        {"const": "clock"},
    ]
    moved = schema["$defs"]["f0"]["properties"]["city"]
    assert moved == {"$ref": "#/$defs/f0/$defs/City"}, "references hold where they stand now"
    assert [one["role"] for one in asked["messages"]] == ["system", "user"]
    assert "weather" in asked["messages"][0]["content"]


def test_a_system_message_stays_the_only_one() -> None:
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    first, second = json.loads(forcing(NAMED, messages=said).body())["messages"]
    assert first["content"].startswith("Be brief.")
    assert ("clock" in first["content"], "weather" in first["content"]) == (True, False)
    assert second == said[1]


def test_what_the_model_writes_is_told_as_a_call() -> None:
    choice = told(forcing("required"), '{ "name": "weather", "arguments": {"city": "Ulm"} }')
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Ulm"}'}
    assert told(forcing(NAMED), "{}")["message"]["tool_calls"][0]["function"]["name"] == "clock"


def test_a_call_that_was_cut_off_says_so() -> None:
    cut = told(forcing("required"), '{"name": "weather", "arguments": {"ci', "length")
    assert cut["finish_reason"] == "length"
    assert cut["message"]["tool_calls"][0]["function"]["arguments"] == '{"ci'
    assert "tool_calls" not in told(forcing("required"), '{"na', "length")["message"]


@pytest.mark.parametrize(
    ("choice", "more", "field"),
    [
        ("required", {"tools": []}, "tools"),
        ("required", {"tools": None}, "tools"),
        ("required", {"tools": [{"type": "custom"}]}, "tools[0]"),
        ("required", {"tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"type": "function", "function": {"name": "other"}}, {}, "tools"),
        ({"type": "allowed_tools"}, {}, "tool_choice"),
    ],
)
def test_what_cannot_be_forced_is_refused(choice: Any, more: dict[str, Any], field: str) -> None:
    with pytest.raises(ForcingRefused) as refused:
        forced(asked(choice, **more))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("depth", "functions", "fits"),
    [(50, 1, True), (50, 2, True), (900, 2, False), (5_000, 1, False), (5_000, 2, False)],
)
def test_schemas_nested_without_end_are_refused(depth: int, functions: int, fits: bool) -> None:
    """Two functions' schemas are moved into one, and what is moved is walked."""
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    one = b'{"type":"function","function":{"name":"f","parameters":%s}}' % nested
    body = b'{"messages":[],"tool_choice":"required","tools":[%s]}' % b",".join([one] * functions)

    def sent() -> bytes:
        found = forced(body)
        return b"" if found is None else found.body()

    if fits:
        assert nested in sent()
        return
    with pytest.raises(ForcingRefused, match="nested") as refused:
        sent()
    assert refused.value.field == "tools"

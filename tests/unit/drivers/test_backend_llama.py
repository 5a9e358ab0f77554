"""What reaches the local model of a request: nothing that leads to what another left there."""

import json
import re
from typing import Any

import msgspec
import pytest

from bailee.drivers.backend_llama.backend import apart
from bailee.drivers.backend_llama.errors import openai_error
from bailee.drivers.backend_llama.requests import RequestRefused, check
from bailee.drivers.backend_llama.tools import Forced, forced


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
    sent = msgspec.json.encode(apart(asked))
    assert json.loads(sent) == {"model": "m", "cache_prompt": False}
    assert sent.count(b"cache") == 1


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
        ({"type": "function", "function": {"name": "other"}}, {}, "tools"),
        ({"type": "allowed_tools"}, {}, "tool_choice"),
    ],
)
def test_what_cannot_be_forced_is_refused(choice: Any, more: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestRefused) as refused:
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
    with pytest.raises(RequestRefused, match="nested") as refused:
        sent()
    assert refused.value.field == "tools"


def parts(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def calling(call: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}


IMAGE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        (parts({"type": "text", "text": "a"}, IMAGE), "messages[0].content[1]"),
        (parts({"type": "input_image", "image_url": "SECRET"}), "messages[0].content[0]"),
        (parts({"type": "input_audio", "input_audio": {}}), "messages[0].content[0]"),
        (parts("SECRET"), "messages[0].content[0]"),
        (parts({"type": "text", "text": 3}), "messages[0].content[0].text"),
        ({"messages": []}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{"role": "SECRET", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a", "name": 3}]}, "messages[0].name"),
        (calling(3), "messages[0].tool_calls[0]"),
        (
            calling({"type": "function", "function": {"arguments": "{}"}}),
            "messages[0].tool_calls[0].function.name",
        ),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "custom"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": 3}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "SECRET"}, "tool_choice"),
        ({"response_format": 3}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"max_tokens": (1 << 32) + 5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_p": "SECRET"}, "top_p"),
        ({"stop": 3}, "stop"),
        ({"stop": ["a", 3]}, "stop"),
        ({"logprobs": "SECRET"}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 0, "logprobs": False}, "top_logprobs"),
    ],
)
def test_a_mistake_of_the_caller_names_its_place(members: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        check("/chat/completions", apart(json.dumps(members).encode()))
    assert refused.value.field == field
    assert f"'{field}'" in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("value", [b"1e999", b'"\\ud800"', b"[" * 5_000 + b"]" * 5_000])
def test_what_json_lets_pass_and_no_number_or_text_is_refused(value: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        check("/chat/completions", {"stop": msgspec.Raw(value)})
    assert refused.value.field == "stop"


def test_what_openai_allows_and_what_is_not_known_goes_on() -> None:
    none = dict.fromkeys(("temperature", "top_p", "n", "max_tokens", "stop", "tools", "unknown"))
    function = {"name": "f", "arguments": "{}"}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": "a", "name": "b"},
        *calling({"id": "c", "type": "function", "function": function})["messages"],
        {"role": "tool", "content": "a", "tool_call_id": "c"},
    ]
    most: dict[str, Any] = {"logprobs": True, "top_logprobs": 20}
    most |= {"temperature": 2, "top_p": 1.0, "n": 2, "max_tokens": 1, "stop": ["a"], "min_p": "x"}
    for members in ({**none, "messages": messages}, {**most, "tools": TOOLS, "tool_choice": NAMED}):
        check("/chat/completions", apart(json.dumps(members).encode()))


def test_a_completion_needs_a_prompt() -> None:
    for prompt in (b"[]", b"null", b"3"):
        with pytest.raises(RequestRefused) as refused:
            check("/completions", {"prompt": msgspec.Raw(prompt)})
        assert refused.value.field == "prompt"
    check("/completions", apart(b'{"prompt":["a",[1,2]],"messages":[]}'))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"echo": True}, "echo"),
        ({"echo": "SECRET"}, "echo"),
        ({"suffix": "SECRET"}, "suffix"),
        ({"suffix": ["SECRET"]}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"best_of": 3, "n": 2}, "best_of"),
        ({"best_of": "SECRET"}, "best_of"),
    ],
)
def test_what_a_completion_cannot_do_is_refused_and_not_left_out(
    members: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        check("/completions", apart(json.dumps({"prompt": "a", **members}).encode()))
    assert refused.value.field == field
    assert f"'{field}'" in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    "members",
    [
        {"echo": False, "suffix": None, "best_of": 1},
        {"echo": None, "suffix": "", "best_of": None, "n": 2},
        {"best_of": 2, "n": 2, "logprobs": 2},
    ],
)
def test_what_asks_a_completion_for_nothing_more_goes_on(members: dict[str, Any]) -> None:
    check("/completions", apart(json.dumps({"prompt": "a", **members}).encode()))


def test_a_schema_without_a_grammar_says_where_to_look() -> None:
    body = json.dumps({"error": {"message": "JSON schema error at #: SECRET"}}).encode()
    error = json.loads(openai_error(400, body, "/chat/completions", "tools").body)["error"]
    assert error["param"] == "tools"
    for word in ("'tools'", "grammar", "'type'", "'$ref'", "'enum'"):
        assert word in error["message"]


@pytest.mark.parametrize(
    ("status", "message", "told", "field"),
    [
        (400, "Field 'min_p': [json.exception.type_error.302] SECRET", 400, "min_p"),
        (400, "Field 'n': Value must be between 1 <= value <= 2, but got 3", 400, "n"),
        (
            500,
            "Failed to parse messages: [json.exception.out_of_range.403] SECRET",
            400,
            "messages",
        ),
        (500, "Failed to parse tools: SECRET", 400, "tools"),
        (500, "Failed to parse input at pos 0: SECRET", 500, None),
        (
            400,
            "Unable to generate parser for this template. JSON schema error at #: SECRET",
            400,
            "response_format",
        ),
        (400, "[json.exception.out_of_range.406] number overflow parsing SECRET", 400, None),
        (501, "This server does not support SECRET", 400, None),
    ],
)
def test_no_word_of_llama_cpp_is_passed_on(
    status: int, message: str, told: int, field: str | None
) -> None:
    body = json.dumps({"error": {"code": status, "message": message, "type": "x"}}).encode()
    found = openai_error(status, body, "/chat/completions")
    error = json.loads(found.body)["error"]
    assert (found.status, error["param"]) == (told, field)
    assert not {"SECRET", "json.exception", "template"} & set(
        re.split(r"[ :\[\]]", error["message"])
    )
    if field == "n":
        assert "from 1 to 2" in error["message"]

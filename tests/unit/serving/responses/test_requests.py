"""What a chat backend is asked when a client asks for a Response."""

import json
from typing import Any

import pytest

from bailee.serving.errors import CallRefused
from bailee.serving.responses.request import read_request

TOOL: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
CALL: Any = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}


def chat(before: list[Any] | None = None, **members: Any) -> dict[str, Any]:
    body = json.dumps({"model": "m", "input": "hi", **members}).encode()
    asked: dict[str, Any] = json.loads(read_request(body).chat_body("upstream", before or []))
    return asked


def refusal(**members: Any) -> CallRefused:
    with pytest.raises(CallRefused) as refused:
        chat(**members)
    assert "SECRET" not in str(refused.value)
    assert str(refused.value).endswith(".")
    return refused.value


def test_the_smallest_request() -> None:
    assert chat() == {"model": "upstream", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        (
            [{"role": "developer", "content": "be kind"}, {"role": "user", "content": "hi"}],
            [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
        ),
        (
            [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}],
            [{"role": "user", "content": "a"}],
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "what is this?"},
                        {"type": "input_image", "image_url": "data:x", "detail": "low"},
                        {"type": "input_file", "file_data": "data:y", "filename": "a.pdf"},
                        {"type": "input_audio", "input_audio": {"data": "z", "format": "wav"}},
                    ],
                }
            ],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what is this?"},
                        {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}},
                        {"type": "file", "file": {"file_data": "data:y", "filename": "a.pdf"}},
                        {"type": "input_audio", "input_audio": {"data": "z", "format": "wav"}},
                    ],
                }
            ],
        ),
        (
            [
                {"role": "user", "content": "weather?"},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {
                    "type": "message",
                    "id": "msg_1",
                    "status": "completed",
                    "role": "assistant",
                    "content": [
                        {"type": "output_text", "text": "Let me", "annotations": []},
                        {"type": "output_text", "text": " see.", "annotations": []},
                    ],
                },
                CALL,
                CALL | {"call_id": "c2"},
                {"type": "function_call_output", "call_id": "c1", "output": "rain"},
                {
                    "type": "function_call_output",
                    "call_id": "c2",
                    "output": [{"type": "input_text", "text": "sun"}],
                },
            ],
            [
                {"role": "user", "content": "weather?"},
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [
                        {
                            "id": name,
                            "type": "function",
                            "function": {"name": "weather", "arguments": "{}"},
                        }
                        for name in ("c1", "c2")
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "rain"},
                {"role": "tool", "tool_call_id": "c2", "content": "sun"},
            ],
        ),
        (
            [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
            [{"role": "assistant", "content": None, "refusal": "No."}],
        ),
    ],
)
def test_items_become_messages(items: list[Any], messages: list[Any]) -> None:
    assert chat(input=items)["messages"] == messages
    assert chat(input=items, instructions="first")["messages"] == [
        {"role": "system", "content": "first"},
        *messages,
    ]


def test_what_came_before_stands_between_instructions_and_input() -> None:
    before = [{"role": "assistant", "content": "earlier"}]
    assert [m["content"] for m in chat(before, instructions="now", input="hi")["messages"]] == [
        "now",
        "earlier",
        "hi",
    ]


def test_a_refused_item_is_counted_within_the_request() -> None:
    before = [{"role": "assistant", "content": "earlier"}]
    with pytest.raises(CallRefused) as refused:
        chat(before, input=[{"role": "robot", "content": "SECRET"}])
    assert refused.value.field == "input[0].role"


def test_options_have_chats_names() -> None:
    asked = chat(
        max_output_tokens=7,
        reasoning={"effort": "low"},
        text={"verbosity": "low", "format": {"type": "json_object"}},
        top_logprobs=2,
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        stream=True,
    )
    del asked["messages"], asked["model"]
    assert asked == {
        "max_completion_tokens": 7,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_object"},
        "logprobs": True,
        "top_logprobs": 2,
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_schema_is_carried_over() -> None:
    wanted = {"type": "json_schema", "name": "x", "schema": {"enum": [1, 2.50]}, "strict": True}
    assert chat(text={"format": wanted})["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"enum": [1, 2.50]}, "strict": True},
    }


def test_other_fields_are_carried_byte_for_byte_and_some_stay_here() -> None:
    body = (
        b'{"model":"m","input":"hi","temperature":0.70000000000000001,"seed":9007199254740993,'
        b'"top_p":1.0,"user":"u","safety_identifier":"s","prompt_cache_key":"k","unheard_of":{"x":'
        b'[1,2.50,null]},"metadata":{"a":"b"},"store":true,"include":[],"truncation":"auto",'
        b'"stream_options":{"include_obfuscation":false}}'
    )
    asked = read_request(body).chat_body("m", [])
    for kept in (
        b'"temperature":0.70000000000000001',
        b'"seed":9007199254740993',
        b'"unheard_of":{"x":[1,2.50,null]}',
        b'"user":"u"',
        b'"safety_identifier":"s"',
        b'"prompt_cache_key":"k"',
    ):
        assert kept in asked
    assert set(json.loads(asked)).isdisjoint(
        {"metadata", "store", "include", "truncation", "stream_options", "input"}
    )


def test_allowed_tools_leave_the_others_out() -> None:
    choice = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "weather"}],
    }
    asked = chat(tools=[TOOL, TOOL | {"name": "other"}], tool_choice=choice)
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather"]
    assert asked["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("members", "field", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": ["SECRET"]}, "input[0]", "invalid_type"),
        ({"input": [{"type": "SECRET" * 20}]}, "input[0].type", "unsupported_parameter"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type", "unsupported_parameter"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
            "unsupported_parameter",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "SECRET"}]}]},
            "input[0].content[0].type",
            "invalid_value",
        ),
        (
            {"input": [{"type": "function_call_output", "output": "x"}]},
            "input[0].call_id",
            "missing_required_parameter",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_parameter"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type", "unsupported_parameter"),
        ({"tool_choice": "sometimes"}, "tool_choice", "invalid_value"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "SECRET"}},
            "tool_choice.name",
            "invalid_value",
        ),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_parameter"),
        ({"messages": []}, "messages", "unsupported_parameter"),
        ({"response_format": {}}, "response_format", "unsupported_parameter"),
        ({"text": {"format": {"type": "SECRET"}}}, "text.format.type", "invalid_value"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x"}}},
            "text.format.schema",
            "missing_required_parameter",
        ),
        ({"metadata": {"a": 1}}, "metadata[...]", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"a": "SECRET" * 100}}, "metadata", "invalid_value"),
        ({"max_output_tokens": "SECRET"}, "max_output_tokens", "invalid_type"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    members: dict[str, Any], field: str, code: str
) -> None:
    refused = refusal(**members)
    assert (refused.field, refused.name) == (field, code)


def test_a_native_backend_gets_everything_but_what_is_kept_here() -> None:
    body = json.dumps(
        {
            "model": "m",
            "input": "hi",
            "tools": [{"type": "web_search"}],
            "store": True,
            "previous_response_id": "resp_1",
            "background": False,
            "metadata": {"a": "b"},
        }
    ).encode()
    before = [{"role": "user", "content": "earlier"}]
    assert json.loads(read_request(body).native_body("up", before)) == {
        "model": "up",
        "input": [
            *before,
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        ],
        "tools": [{"type": "web_search"}],
        "store": False,
        "metadata": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("messages", "input"),
        ("messages[0].content", "instructions.content"),
        ("messages[1].content", "input[-1].content"),
        ("messages[2].content[1]", "input[0].content[1]"),
        ("messages[4].content", "input[3].content"),
        ("messages[9].content", "messages[9].content"),
        ("max_completion_tokens", "max_output_tokens"),
        ("response_format", "text.format"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("tools[0].function.parameters", "tools[0].parameters"),
        ("temperature", "temperature"),
    ],
)
def test_what_a_chat_backend_refuses_is_named_as_the_client_knows_it(
    field: str, place: str
) -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}] * 2},
        CALL,
        {**CALL, "call_id": "c2"},
        {"role": "user", "content": "b"},
    ]
    body = json.dumps({"model": "m", "input": items, "instructions": "be kind"}).encode()
    request = read_request(body)
    request.chat_body("m", [{"role": "user", "content": "before"}])
    assert request.place_of(field) == place

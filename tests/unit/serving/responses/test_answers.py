"""Chat answers told as Responses: whole and streamed say the same, in the official SDK's types."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from bailee.application_state.responses import Context, StoredResponse
from bailee.kernel.event_streams import data_of
from bailee.serving.errors import Because, CallRefused
from bailee.serving.responses.events import ResponseEnding, ResponseEvents
from bailee.serving.responses.frame import Made
from bailee.serving.responses.replay import replayed
from bailee.serving.responses.request import read_request
from bailee.serving.responses.translation import ResponseTranslation

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MADE = Made("ab" * 24, 1_800_000_000, store=False)
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
LOGPROB: Any = {
    "token": "a",
    "logprob": -0.5,
    "bytes": [97],
    "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None}],
}


def request(**members: Any) -> Any:
    return read_request(json.dumps({"model": "m", "input": "hi", **members}).encode())


def completion(
    message: dict[str, Any], finish: str = "stop", logprobs: Any = None
) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return {"choices": [choice], "usage": USAGE}


def deltas(parts: list[dict[str, Any]], finish: str = "stop") -> list[dict[str, Any]]:
    """Chunks of a stream, the last with the usage alone."""
    said: list[Any] = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    said += [{"choices": [{"index": 0, "delta": part}], "usage": None} for part in parts]
    said.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return [*said, {"choices": [], "usage": USAGE}]


def whole(chat: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The Response of a whole answer, checked against the SDK's type."""
    translation = ResponseTranslation(request(**members), MADE, lambda: 1_800_000_001)
    document: dict[str, Any] = json.loads(translation.whole(json.dumps(chat).encode()))
    Response.model_validate(document, strict=True)
    return document


def streamed(chunks: list[dict[str, Any]], **members: Any) -> list[dict[str, Any]]:
    """The events of a streamed answer, each checked against the SDK's type."""
    translation = ResponseTranslation(request(stream=True, **members), MADE, lambda: 1_800_000_001)
    told = translation.begin()
    for chunk in chunks:
        told += translation.take(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    told += translation.take(b"data: [DONE]\n\n") + translation.end()
    events = [json.loads(data) for data in data_of(told)]
    names = [line[7:].decode() for line in told.split(b"\n") if line.startswith(b"event: ")]
    assert names == [event["type"] for event in events]
    for event in events:
        EVENTS.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def reassembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What the SDK's own helper makes of the events; deltas must add up to what is done."""
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(EVENTS.validate_python(event))
    response: dict[str, Any] = state._completed_response.model_dump()
    return response


TEXTS = st.text(min_size=1, max_size=12)


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """A chat answer, the same cut into deltas, and its finish reason."""
    reasoning, content, refusal = (draw(st.lists(TEXTS, max_size=3)) for _ in range(3))
    message: dict[str, Any] = {"role": "assistant", "content": "".join(content) or None}
    parts: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in reasoning]
    parts += [{"content": piece} for piece in content] + [{"refusal": piece} for piece in refusal]
    if reasoning:
        message["reasoning_content"] = "".join(reasoning)
    if refusal:
        message["refusal"] = "".join(refusal)
    calls = draw(st.lists(st.lists(TEXTS, max_size=3), max_size=3))
    for index in range(len(calls)):
        head = {"index": index, "id": f"call_{index}", "type": "function"}
        parts.append({"tool_calls": [head | {"function": {"name": f"f{index}", "arguments": ""}}]})
    # Backends may interleave the arguments of parallel calls, each in its own order.
    for index in draw(st.permutations(range(len(calls)))):
        for argument in calls[index]:
            parts.append({"tool_calls": [{"index": index, "function": {"arguments": argument}}]})
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": f"f{index}", "arguments": "".join(arguments)},
            }
            for index, arguments in enumerate(calls)
        ]
    return message, parts, draw(st.sampled_from(["stop", "length", "content_filter"]))


@given(answers())
def test_a_stream_adds_up_to_the_whole_answer(
    answer: tuple[dict[str, Any], list[dict[str, Any]], str],
) -> None:
    message, parts, finish = answer
    events = streamed(deltas(parts, finish))
    expected = whole(completion(message, finish))
    assert events[-1]["response"] == expected
    done = {
        event["output_index"]: event["item"]
        for event in events
        if event["type"] == "response.output_item.done"
    }
    assert [done[index] for index in sorted(done)] == expected["output"]
    grown: dict[tuple[str, int], str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            place = (event["item_id"], event.get("content_index", -1))
            grown[place] = grown.get(place, "") + event["delta"]
    for item in expected["output"]:
        if item["type"] == "function_call":
            assert grown.get((item["id"], -1), "") == item["arguments"]
        else:
            for index, part in enumerate(item["content"]):
                text = part.get("text", part.get("refusal"))
                assert grown[item["id"], index] == text


def test_the_sequence_of_events() -> None:
    parts = [{"content": "Hel"}, {"content": "lo"}]
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    events = streamed(deltas([*parts, {"tool_calls": [call]}], "tool_calls"))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    response = reassembled(events)
    assert [item["type"] for item in response["output"]] == ["message", "function_call"]
    assert response["usage"]["total_tokens"] == 8


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_finish_reasons_become_states(finish: str, status: str, reason: str | None) -> None:
    response = whole(completion({"content": "x"}, finish))
    assert response["status"] == response["output"][0]["status"] == status
    details = response["incomplete_details"]
    assert (details and details["reason"]) == reason
    assert streamed(deltas([{"content": "x"}], finish))[-1]["type"] == f"response.{status}"


def test_an_empty_answer_is_an_empty_message() -> None:
    response = whole(completion({"content": ""}))
    assert response["output"][0]["content"][0]["text"] == ""
    assert streamed(deltas([]))[-1]["response"] == response


def test_log_probabilities_are_given_when_asked_for() -> None:
    chat = completion({"content": "a"}, logprobs={"content": [LOGPROB]})
    given_ = whole(chat, include=["message.output_text.logprobs"])["output"][0]["content"][0]
    assert given_["logprobs"] == [
        LOGPROB | {"top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": []}]}
    ]
    assert whole(chat)["output"][0]["content"][0]["logprobs"] == []


def test_the_request_is_repeated() -> None:
    members: dict[str, Any] = {
        "instructions": "be brief",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "top_p": 1,
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": "required",
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
    }
    response = whole(completion({"content": "{}"}), **members)
    plain = {name: value for name, value in members.items() if name not in ("tools", "reasoning")}
    assert {name: response[name] for name in plain} == plain
    assert response["tools"][0]["name"] == "f"
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["model"] == "m"


def test_a_broken_answer_ends_with_failed_and_what_there_was() -> None:
    events = ResponseEvents(request(stream=True), MADE)
    told = events.begin() + events.take(deltas([{"content": "Hel"}])[1])
    told += events.fail(CallRefused(Because.UPSTREAM_BROKEN, "It broke. Try again."))
    last = [json.loads(data) for data in data_of(told)][-1]
    EVENTS.validate_python(last)
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "It broke. Try again."}
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert last["response"]["output"][0]["content"][0]["text"] == "Hel"


@given(st.integers(0, 400))
def test_the_last_event_is_found_wherever_a_block_begins(cut: int) -> None:
    events = ResponseEvents(request(stream=True), MADE)
    hostile = 'event: response.completed\ndata: {"type":"response.completed"'
    body = events.begin() + events.take(completion({"content": hostile}))
    last = events.end(1)
    ends = [at + 2 for at in range(len(body)) if body[at : at + 2] == b"\n\n"]
    at = ends[cut % len(ends)]
    ending = ResponseEnding()
    assert ending.find(body[:at]) is None
    rest = body[at:] + last
    assert ending.find(rest) == (b"\n" + rest).rindex(b"\nevent: response.completed\n")
    assert ending.seen


def test_content_is_in_no_repr() -> None:
    made = request(input="SECRET", instructions="SECRET")
    assert "SECRET" not in repr(made) + repr(made.fields)
    stored = StoredResponse({"output": "SECRET"}, [{"content": "SECRET"}], [])
    assert "SECRET" not in repr(stored) + repr(Context([{"content": "SECRET"}], []))


def test_a_whole_answer_that_cannot_be_given_fails_without_a_gap() -> None:
    events = ResponseEvents(request(stream=True), MADE)
    sent = events.begin() + events.take(completion({"content": "x"}))
    events.end(1)
    sent += events.fail(CallRefused(Because.RECORDING_IMPOSSIBLE, "Try again."))
    numbers = [json.loads(data)["sequence_number"] for data in data_of(sent)]
    assert numbers == list(range(len(numbers)))


@given(answers(), st.integers(-1, 6))
def test_a_finished_response_is_told_again(
    answer: tuple[dict[str, Any], list[dict[str, Any]], str], after: int
) -> None:
    response = whole(completion(answer[0], answer[2]))
    told = [json.loads(data) for data in data_of(replayed(response))]
    for event in told:
        EVENTS.validate_python(event)
    assert told[-1]["response"] == response
    if response["status"] == "completed":
        assert reassembled(told) == reassembled(streamed(deltas(answer[1], answer[2])))
    rest = [json.loads(data) for data in data_of(replayed(response, after))]
    assert rest == told[after + 1 :]


@pytest.mark.parametrize(
    ("finish", "status"),
    [("stop", "completed"), ("length", "incomplete"), ("content_filter", "incomplete")],
)
def test_a_stream_ends_as_its_response_did(finish: str, status: str) -> None:
    """The live one and the one that is told again."""
    live = streamed(deltas([{"content": "Hel"}], finish))
    response = whole(completion({"content": "Hel"}, finish))
    failed = response | {"status": "failed", "error": {"code": "server_error", "message": "It."}}
    told = [json.loads(data) for data in data_of(replayed(response))]
    for events in (live, told):
        last = events[-1]
        assert (last["type"], last["response"]["status"]) == (f"response.{status}", status)
    assert json.loads(list(data_of(replayed(failed)))[-1])["type"] == "response.failed"

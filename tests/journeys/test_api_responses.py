"""The Responses API over HTTP: by the official SDK, and byte for byte."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import ResponseFunctionToolCall
from pydantic import BaseModel
from tests.fixtures.gateway import KEY, LIMITED_KEY, ZERO_KEY, RunningGateway
from tests.fixtures.upstream import DONE, USAGE_EVENT, Reply, Wait, chunk, streamed

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object"},
    "strict": True,
}
USER_SAYS_HI = [{"role": "user", "content": "hi"}]


class Verdict(BaseModel):
    """A structured answer."""

    word: str


def sdk(gateway: RunningGateway, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)


def post(gateway: RunningGateway, key: str = KEY, **members: Any) -> httpx.Response:
    body = json.dumps({"model": "plain", "input": "hi", **members}).encode()
    headers = HEADERS | {"authorization": f"Bearer {key}"}
    url = gateway.base_url + "/responses"
    return httpx.post(url, content=body, headers=headers, timeout=20)


def script(gateway: RunningGateway, *replies: Reply) -> None:
    gateway.do(lambda: gateway.upstream.script.extend(replies))


def chat_answer(message: dict[str, Any]) -> Reply:
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }
    return Reply(parts=[json.dumps(document).encode()])


def stream_of(*texts: bytes | asyncio.Event) -> Reply:
    return streamed(*texts, chunk(None, "stop"), USAGE_EVENT, DONE)


def last_sent(gateway: RunningGateway) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(gateway.upstream.received[-1].body)
    return sent


def test_the_sdk_gets_a_response(gateway: RunningGateway) -> None:
    with sdk(gateway) as client:
        raw = client.responses.with_raw_response.create(
            model="plain", input="hi", instructions="be brief", metadata={"a": "b"}
        )
    response = raw.parse()
    assert response.output_text == "Hello there."
    assert (response.status, response.object, response.model) == ("completed", "response", "plain")
    assert response.metadata == {"a": "b"}
    assert response.usage is not None
    assert response.usage.total_tokens == 8
    assert gateway.upstream.received[0].path == "/v1/chat/completions"
    assert last_sent(gateway) == {
        "model": "plain",
        "messages": [{"role": "system", "content": "be brief"}, *USER_SAYS_HI],
    }
    recorded = gateway.last()
    assert recorded.endpoint == "/v1/responses"
    assert recorded.request == raw.http_request.content
    assert recorded.answer == raw.content
    assert raw.headers["bailee-record"] == str(recorded.record)


def test_the_sdk_gets_a_stream(gateway: RunningGateway) -> None:
    script(gateway, stream_of(chunk("Hel"), chunk("lo")))
    with sdk(gateway) as client, client.responses.stream(model="plain", input="hi") as stream:
        deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert deltas == ["Hel", "lo"]
    assert final.output_text == "Hello"
    assert final.usage is not None
    assert final.usage.total_tokens == 7
    assert last_sent(gateway)["stream_options"] == {"include_usage": True}


async def test_the_async_sdk_gets_both(gateway: RunningGateway) -> None:
    script(gateway, stream_of(chunk("a")))
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client:
        stream = await client.responses.create(model="plain", input="hi", stream=True)
        events = [event async for event in stream]
        whole = await client.responses.create(model="plain", input="hi")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert whole.output_text == "Hello there."


def test_a_tool_is_called_and_answered(gateway: RunningGateway) -> None:
    call = {"id": "call_9", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    script(gateway, chat_answer({"role": "assistant", "content": None, "tool_calls": [call]}))
    with sdk(gateway) as client:
        asked = client.responses.create(model="plain", input=[*USER_SAYS_HI], tools=[TOOL])  # type: ignore[list-item]
        (called,) = asked.output
        assert isinstance(called, ResponseFunctionToolCall)
        assert (called.name, called.call_id) == ("weather", "call_9")
        output = {"type": "function_call_output", "call_id": "call_9", "output": "rain"}
        context: Any = [*USER_SAYS_HI, called.to_dict(), output]
        client.responses.create(model="plain", input=context, tools=[TOOL])
    assert last_sent(gateway)["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_9", "content": "rain"},
    ]


def test_structured_answers_are_parsed(gateway: RunningGateway) -> None:
    script(gateway, chat_answer({"role": "assistant", "content": '{"word":"yes"}'}))
    with sdk(gateway) as client:
        parsed = client.responses.parse(model="plain", input="hi", text_format=Verdict)
    assert parsed.output_parsed == Verdict(word="yes")
    wanted = last_sent(gateway)["response_format"]
    assert (wanted["type"], wanted["json_schema"]["name"]) == ("json_schema", "Verdict")
    assert wanted["json_schema"]["strict"] is True


def test_what_is_recorded_of_a_stream_is_what_was_sent(gateway: RunningGateway) -> None:
    script(gateway, stream_of(chunk("Hel"), chunk("lo")))
    got = post(gateway, stream=True)
    assert got.headers["content-type"].startswith("text/event-stream")
    recorded = gateway.last()
    assert recorded.answer == got.content
    assert recorded.durable_parts == 1 + len(recorded.answer_parts)
    assert b"chatcmpl" not in got.content


def test_the_last_event_waits_until_the_answer_is_durable(gateway: RunningGateway) -> None:
    rest = Wait()
    script(gateway, streamed(chunk("a"), rest, chunk(None, "stop"), USAGE_EVENT, DONE))
    with httpx.stream(
        "POST", gateway.base_url + "/responses", headers=HEADERS, timeout=20,
        content=json.dumps({"model": "plain", "input": "hi", "stream": True}),
    ) as got:  # fmt: skip
        parts = got.iter_raw()
        seen = b""
        while b"output_text.delta" not in seen:
            seen += next(parts)
        gateway.do(gateway.recorder.disk.clear)
        gateway.do(rest.set)
        recorded = gateway.last()
        while b"event: response.output_item.done" not in seen:
            seen += next(parts)
        assert b"response.completed" not in seen
        assert b"response.completed" in recorded.answer
        gateway.do(gateway.recorder.disk.set)
        seen += b"".join(parts)
    assert seen == recorded.answer
    assert seen.count(b"event: response.completed") == 1


def test_no_event_leaves_before_the_prompt_is_durable(gateway: RunningGateway) -> None:
    gateway.do(gateway.recorder.disk.clear)
    script(gateway, stream_of(chunk("a")))

    async def both() -> tuple[bool, httpx.Response]:
        async with httpx.AsyncClient(timeout=20) as client:
            body = json.dumps({"model": "plain", "input": "hi", "stream": True})
            url = gateway.base_url + "/responses"
            call = asyncio.ensure_future(client.post(url, content=body, headers=HEADERS))
            done, _ = await asyncio.wait({call}, timeout=0.3)
            gateway.do(gateway.recorder.disk.set)
            return bool(done), await call

    early, got = asyncio.run(both())
    assert not early
    assert got.content == gateway.last().answer


def test_a_broken_backend_ends_the_stream_with_failed(gateway: RunningGateway) -> None:
    script(gateway, streamed(chunk("a"), break_off=True))
    with sdk(gateway) as client:
        events = list(client.responses.create(model="plain", input="hi", stream=True))
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"
    assert last.response.output_text == "a"
    recorded = gateway.last()
    assert recorded.answer_parts[-1][2:] == (True, True)
    assert b"response.failed" in recorded.answer


def test_what_breaks_off_behind_the_end_breaks_nothing(gateway: RunningGateway) -> None:
    script(gateway, streamed(chunk("a"), chunk(None, "stop"), DONE, break_off=True))
    got = post(gateway, stream=True)
    assert got.content.count(b"event: response.completed") == 1
    assert b"response.failed" not in got.content
    assert gateway.last().answer_parts[-1][2:] == (True, False)


def test_an_error_within_a_stream_ends_it_with_failed(gateway: RunningGateway) -> None:
    script(gateway, streamed(chunk("a"), b'data: {"error":{"message":"SECRET"}}\n\n'))
    got = post(gateway, stream=True)
    assert got.content.count(b"event: response.failed") == 1
    assert b"SECRET" not in got.content


@pytest.mark.parametrize("model", ["plain", "native"])
def test_a_stream_that_cannot_be_recorded_does_not_complete(
    gateway: RunningGateway, model: str
) -> None:
    rest = Wait()
    events = (
        (chunk("a"), rest, chunk(None, "stop"), DONE)
        if model == "plain"
        else (*NATIVE[:2], rest, NATIVE[2])
    )
    script(gateway, streamed(*events))
    with httpx.stream(
        "POST", gateway.base_url + "/responses", headers=HEADERS, timeout=20,
        content=json.dumps({"model": model, "input": "hi", "stream": True}),
    ) as got:  # fmt: skip
        parts = got.iter_raw()
        seen = b""
        while b"output_text.delta" not in seen:
            seen += next(parts)

        def break_disk() -> None:
            gateway.recorder.broken = True

        gateway.do(break_disk)
        gateway.do(rest.set)
        seen += b"".join(parts)
    assert b"response.completed" not in seen
    assert b"response.failed" in seen or b"event: error" in seen


def test_a_client_that_leaves_stops_the_backend_and_not_the_recording(
    gateway: RunningGateway,
) -> None:
    script(gateway, streamed(chunk("a"), Wait()))
    with httpx.stream(
        "POST", gateway.base_url + "/responses", headers=HEADERS, timeout=20,
        content=json.dumps({"model": "plain", "input": "hi", "stream": True}),
    ) as got:  # fmt: skip
        parts = got.iter_raw()
        seen = b""
        while b"output_text.delta" not in seen:
            seen += next(parts)
    gateway.run(lambda: asyncio.wait_for(gateway.upstream.left.wait(), 10))
    recorded = gateway.last()
    assert recorded.answer == seen
    assert recorded.answer_parts[-1][2:] == (True, True)


def test_errors_of_a_backend_are_the_sdks_exceptions(gateway: RunningGateway) -> None:
    error = {"message": "Too long.", "type": "invalid_request_error", "param": "messages"}
    body = json.dumps({"error": error | {"code": "context_length_exceeded"}}).encode()
    script(gateway, Reply(status=400, parts=[body]))
    with sdk(gateway) as client, pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="plain", input="hi")
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")
    script(gateway, Reply(parts=[b"not json"]))
    with sdk(gateway) as client, pytest.raises(openai.InternalServerError) as broken:
        client.responses.create(model="plain", input="hi")
    assert broken.value.code == "backend_broken"


def test_a_fallback_answers(gateway: RunningGateway) -> None:
    script(gateway, Reply(status=503, parts=[b"{}"]))
    assert post(gateway, model="two").json()["status"] == "completed"
    assert gateway.second.received[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": None}, "input"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_cannot_be_done_is_refused(
    gateway: RunningGateway, members: dict[str, Any], param: str
) -> None:
    got = post(gateway, **members)
    assert (got.status_code, got.json()["error"]["param"]) == (400, param)
    assert gateway.upstream.received == []


def test_zero_retention_leaves_no_record(gateway: RunningGateway) -> None:
    got = post(gateway, ZERO_KEY)
    assert got.json()["store"] is False
    assert got.headers["bailee-handling"] == "none, application_state=?0"
    script(gateway, stream_of(chunk("a")))
    assert b"response.completed" in post(gateway, ZERO_KEY, stream=True).content
    assert gateway.recorder.records == []


def test_rate_limits_count(gateway: RunningGateway) -> None:
    got = post(gateway, LIMITED_KEY)
    assert got.headers["x-ratelimit-limit-requests"] == "2"


RESPONSE = (
    b'{"id":"resp_up","object":"response","created_at":1,"status":"completed","model":"native",'
    b'"output":[],"parallel_tool_calls":true,"tool_choice":"auto","tools":[], "x":[1.50],'
    b'"usage":{"total_tokens":3}}'
)
NATIVE = (
    b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n',
    b"event: response.output_text.delta\ndata: "
    b'{"type":"response.output_text.delta","delta":"a"}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":'
    + RESPONSE
    + b"}\n\n",
)


def test_a_native_backend_is_passed_through(gateway: RunningGateway) -> None:
    script(gateway, Reply(parts=[RESPONSE]))
    got = post(gateway, model="native", tools=[{"type": "web_search"}])
    assert got.content == gateway.last().answer == RESPONSE
    assert gateway.upstream.received[0].path == "/v1/responses"
    assert last_sent(gateway) == {
        "model": "native", "input": "hi", "tools": [{"type": "web_search"}], "store": False,
    }  # fmt: skip
    script(gateway, streamed(*NATIVE))
    got = post(gateway, model="native", stream=True)
    assert got.content == gateway.last().answer == b"".join(NATIVE)


def test_a_native_stream_that_breaks_off_ends_with_an_error(gateway: RunningGateway) -> None:
    script(gateway, streamed(*NATIVE[:2], break_off=True))
    with sdk(gateway) as client, pytest.raises(openai.APIError) as broken:
        list(client.responses.create(model="native", input="hi", stream=True))
    assert broken.value.code == "backend_broken"

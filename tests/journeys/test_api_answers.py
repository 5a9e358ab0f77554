"""Answers, whole and streamed: by the official SDK, and byte for byte."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from tests.fixtures.gateway import KEY, ZERO_KEY, RunningGateway
from tests.fixtures.upstream import CHAT_ANSWER, DONE, USAGE_EVENT, Reply, chunk, streamed

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
CHAT = "/chat/completions"
USER: Any = [{"role": "user", "content": "안녕"}]


def sdk(gateway: RunningGateway, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)


def post(
    gateway: RunningGateway, body: bytes, path: str = CHAT, headers: dict[str, str] = HEADERS
) -> httpx.Response:
    return httpx.post(gateway.base_url + path, content=body, headers=headers, timeout=20)


def chat_body(model: str = "plain", **members: object) -> bytes:
    return json.dumps({"model": model, "messages": USER, **members}).encode()


def test_sdk_whole(gateway: RunningGateway) -> None:
    with sdk(gateway) as client:
        answer = client.chat.completions.create(model="plain", messages=USER)
    assert answer.choices[0].message.content == "Hello there."


def test_sdk_streamed(gateway: RunningGateway) -> None:
    gateway.do(
        lambda: gateway.upstream.script.append(
            streamed(chunk("Hel"), chunk("lo"), chunk(None, "stop"), USAGE_EVENT, DONE)
        )
    )
    with sdk(gateway) as client:
        stream = client.chat.completions.create(
            model="plain", messages=USER, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.total_tokens == 7


async def test_async_sdk_whole_and_streamed(gateway: RunningGateway) -> None:
    events = (chunk("a"), chunk(None, "stop"), DONE)
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client:
        whole = await client.chat.completions.create(model="plain", messages=USER)
        gateway.do(lambda: gateway.upstream.script.append(streamed(*events)))
        stream = await client.chat.completions.create(model="plain", messages=USER, stream=True)
        text = [c.choices[0].delta.content async for c in stream]
    assert whole.choices[0].message.content == "Hello there."
    assert text == ["a", None]


def test_completions(gateway: RunningGateway) -> None:
    document = {
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": " time", "logprobs": None, "finish_reason": "stop"}],
    }  # fmt: skip
    reply = Reply(parts=[json.dumps(document).encode()])
    gateway.do(lambda: gateway.upstream.script.append(reply))
    with sdk(gateway) as client:
        answer = client.completions.create(model="plain", prompt="Once upon a")
    assert answer.choices[0].text == " time"
    assert gateway.upstream.received[0].path == "/v1/completions"


def test_models(gateway: RunningGateway) -> None:
    with sdk(gateway) as client:
        names = [model.id for model in client.models.list()]
        assert client.models.retrieve("alias").id == "alias"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nothing")
    assert "plain" in names


def test_models_are_those_that_a_key_may_call(gateway: RunningGateway) -> None:
    def listed(key: str) -> set[str]:
        got = httpx.get(gateway.base_url + "/models", headers={"authorization": f"Bearer {key}"})
        return {model["id"] for model in got.json()["data"]}

    everybody, zero = listed(KEY), listed(ZERO_KEY)
    assert {"plain", "keeping", "keeping-first"} <= everybody
    assert everybody - zero == {"keeping"}, "its terms would break zero retention"
    for name, status in (("keeping", 404), ("keeping-first", 200)):
        got = httpx.get(
            f"{gateway.base_url}/models/{name}", headers={"authorization": f"Bearer {ZERO_KEY}"}
        )
        assert got.status_code == status


BODY_WITH_EVERYTHING = (
    b' {"messages" :[ {"role":"user","content":"\\uc548\\ub155 \xec\x95\x88"}], "model":"plain",'
    b'"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],'
    b'"tool_choice":"auto","response_format":{"type":"json_schema","json_schema":{"name":"x",'
    b'"schema":{}}},"logprobs":true,"top_logprobs":2,"n":2,"stop":["\\n"],"seed":9007199254740993,'
    b'"temperature":0.70000000000000001,"metadata":{"a":"b"},"user":"u","safety_identifier":"s",'
    b'"max_completion_tokens":7,"from_the_future":{"x":[1,2.50,null,"y"]}} '
)


def test_bodies_pass_byte_for_byte_in_both_directions(gateway: RunningGateway) -> None:
    answer = b'{"unknown" : [1.0,2],  "choices":[],"usage":{"total_tokens" : 3}}\n'
    gateway.do(lambda: gateway.upstream.script.append(Reply(parts=[answer])))
    got = post(gateway, BODY_WITH_EVERYTHING)
    assert got.content == answer
    assert gateway.upstream.received[0].body == BODY_WITH_EVERYTHING
    recorded = gateway.last()
    assert recorded.request == BODY_WITH_EVERYTHING
    assert recorded.answer == answer


def test_the_name_of_a_cache_is_the_project_s_own(gateway: RunningGateway) -> None:
    more = b',"prompt_cache_key":"mine","cache_salt":"stolen"} '
    post(gateway, BODY_WITH_EVERYTHING.rstrip().removesuffix(b"}") + more)
    sent = json.loads(gateway.upstream.received[0].body)
    assert "cache_salt" not in sent
    assert sent["prompt_cache_key"] not in ("", "mine")
    assert sent["from_the_future"] == {"x": [1, 2.5, None, "y"]}
    assert b"stolen" in gateway.last().request, "what came is what is held"


def test_an_alias_changes_the_model_and_no_other_byte_of_a_value(gateway: RunningGateway) -> None:
    post(gateway, BODY_WITH_EVERYTHING.replace(b'"plain"', b'"alias"'))
    sent = gateway.upstream.received[0].body
    assert json.loads(sent)["model"] == "upstream-model"
    for kept in (b'"temperature":0.70000000000000001', b"9007199254740993", b"[1,2.50,null,"):
        assert kept in sent
    assert gateway.last().request == BODY_WITH_EVERYTHING.replace(b'"plain"', b'"alias"')


def test_store_is_never_asked_of_a_backend_and_the_header_says_so(
    gateway: RunningGateway,
) -> None:
    got = post(gateway, chat_body(store=True))
    assert json.loads(gateway.upstream.received[0].body)["store"] is False
    assert "application_state=?0" in got.headers["bailee-handling"]
    post(gateway, b'{"model":"plain","messages":[],"store":true,"store":false}')
    assert gateway.upstream.received[1].body.count(b'"store":false') == 1
    assert b'"store":true' not in gateway.upstream.received[1].body


def test_the_callers_credential_does_not_travel_on(gateway: RunningGateway) -> None:
    post(gateway, chat_body())
    assert gateway.upstream.received[0].headers["authorization"] == "Bearer upstream"
    assert KEY not in str(gateway.upstream.received[0].headers)


def test_every_answer_says_how_it_is_handled(gateway: RunningGateway) -> None:
    got = post(gateway, chat_body())
    recorded = gateway.last()
    assert got.headers["bailee-record"] == str(recorded.record)
    assert got.headers["bailee-receipt-key"] == recorded.receipt_key.hex()
    assert got.headers["bailee-handling"].startswith("abuse_monitoring=(")
    assert got.headers["openai-organization"] == "org_" + b"t".hex() * 16
    assert got.headers["x-request-id"].startswith("req_")
    assert int(got.headers["openai-processing-ms"]) >= 0
    assert "strict-transport-security" in got.headers


def test_zero_retention_leaves_no_record(gateway: RunningGateway) -> None:
    got = post(gateway, chat_body(), headers={**HEADERS, "authorization": f"Bearer {ZERO_KEY}"})
    assert got.content == CHAT_ANSWER
    assert got.headers["bailee-handling"] == "none"
    assert "bailee-record" not in got.headers
    assert gateway.recorder.records == []


def test_nothing_leaves_before_it_is_durable(gateway: RunningGateway) -> None:
    gateway.do(gateway.recorder.disk.clear)

    async def both() -> tuple[bool, httpx.Response]:
        async with httpx.AsyncClient(timeout=20) as client:
            url = gateway.base_url + CHAT
            call = asyncio.ensure_future(client.post(url, content=chat_body(), headers=HEADERS))
            done, _ = await asyncio.wait({call}, timeout=0.3)
            gateway.do(gateway.recorder.disk.set)
            return bool(done), await call

    early, got = asyncio.run(both())
    assert not early
    assert got.status_code == 200
    assert gateway.last().durable_parts == 2


def test_a_stream_passes_events_at_once_and_holds_what_follows_the_finish(
    gateway: RunningGateway,
) -> None:
    first, rest = asyncio.Event(), asyncio.Event()
    finish = chunk(None, "stop")
    reply = streamed(chunk("a"), first, chunk("b"), finish, USAGE_EVENT, rest, DONE)
    gateway.do(lambda: gateway.upstream.script.append(reply))
    with httpx.stream(
        "POST", gateway.base_url + CHAT, content=chat_body(stream=True), headers=HEADERS, timeout=20
    ) as got:
        parts = got.iter_raw()
        assert next(parts) == chunk("a")
        gateway.do(first.set)
        seen = b""
        while finish not in seen:
            seen += next(parts)
        assert seen == chunk("b") + finish
        gateway.do(gateway.recorder.disk.clear)
        gateway.do(rest.set)
        assert gateway.last().answer == chunk("a") + seen + USAGE_EVENT + DONE
        gateway.do(gateway.recorder.disk.set)
        assert b"".join(parts) == USAGE_EVENT + DONE
    assert gateway.last().durable_parts == 1 + len(gateway.last().answer_parts)


def test_a_stream_does_not_begin_before_its_prompt_is_durable(gateway: RunningGateway) -> None:
    gateway.do(gateway.recorder.disk.clear)
    gateway.do(
        lambda: gateway.upstream.script.append(streamed(chunk("a"), chunk(None, "stop"), DONE))
    )

    async def both() -> tuple[bool, httpx.Response]:
        async with httpx.AsyncClient(timeout=20) as client:
            body = chat_body(stream=True)
            url = gateway.base_url + CHAT
            call = asyncio.ensure_future(client.post(url, content=body, headers=HEADERS))
            done, _ = await asyncio.wait({call}, timeout=0.3)
            gateway.do(gateway.recorder.disk.set)
            return bool(done), await call

    early, got = asyncio.run(both())
    assert not early
    assert got.content == chunk("a") + chunk(None, "stop") + DONE


def test_several_choices_are_held_back_only_after_the_last_finish(gateway: RunningGateway) -> None:
    rest = asyncio.Event()
    zero, one = chunk(None, "stop", 0), chunk(None, "stop", 1)
    reply = streamed(chunk("a"), zero, chunk("b", index=1), one, rest, DONE)
    gateway.do(lambda: gateway.upstream.script.append(reply))
    with httpx.stream(
        "POST", gateway.base_url + CHAT, content=chat_body(stream=True, n=2), headers=HEADERS,
        timeout=20,
    ) as got:  # fmt: skip
        parts = got.iter_raw()
        seen = b""
        while one not in seen:
            seen += next(parts)
        gateway.do(rest.set)
        assert b"".join(parts) == DONE


def test_events_are_whole_however_they_arrive(gateway: RunningGateway) -> None:
    whole = chunk("ab") + chunk("cd") + chunk(None, "stop") + DONE
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    gateway.do(lambda: gateway.upstream.script.append(streamed(*pieces)))
    assert post(gateway, chat_body(stream=True)).content == whole
    assert gateway.last().answer == whole


def test_a_long_stream_is_sealed_in_parts(gateway: RunningGateway) -> None:
    events = [chunk("x" * 10_000) for _ in range(20)] + [chunk(None, "stop"), DONE]
    gateway.do(lambda: gateway.upstream.script.append(streamed(*events)))
    assert post(gateway, chat_body(stream=True)).content == b"".join(events)
    recorded = gateway.last()
    assert len(recorded.answer_parts) >= 2
    assert recorded.answer == b"".join(events)
    assert [part[2] for part in recorded.answer_parts] == [False] * (
        len(recorded.answer_parts) - 1
    ) + [True]


def test_a_stalled_stream_is_sealed_after_a_second(gateway: RunningGateway) -> None:
    rest = asyncio.Event()
    reply = streamed(chunk("a"), rest, chunk(None, "stop"), DONE)
    gateway.do(lambda: gateway.upstream.script.append(reply))
    with httpx.stream(
        "POST", gateway.base_url + CHAT, content=chat_body(stream=True), headers=HEADERS, timeout=20
    ) as got:
        parts = got.iter_raw()
        next(parts)

        async def sealed() -> None:
            while not gateway.recorder.records[-1].answer_parts:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        gateway.run(lambda: asyncio.wait_for(sealed(), 5))
        assert gateway.recorder.records[-1].answer == chunk("a")
        gateway.do(rest.set)
        list(parts)
    assert gateway.last().answer_parts[0] == (chunk("a"), 200, False, False)


def test_a_stream_that_a_backend_does_not_stream_is_given_whole(gateway: RunningGateway) -> None:
    got = post(gateway, chat_body(stream=True))
    assert (got.headers["content-type"], got.content) == ("application/json", CHAT_ANSWER)

"""Every failure, as OpenAI's clients expect it, and what is recorded of it."""

import asyncio
import json
import socket
import threading
from typing import Any

import httpx
import openai
import pytest
from tests.fixtures.gateway import (
    BODY_LIMIT_BYTES,
    KEY,
    LIMITED_KEY,
    REVOKED_KEY,
    ZERO_KEY,
    RunningGateway,
    running_gateway,
)
from tests.fixtures.upstream import CHAT_ANSWER, DONE, Reply, chunk, streamed

from bailee.drivers.backend_openai import Limits as BackendLimits

CHAT = "/chat/completions"
GOOD = {"model": "plain", "messages": [{"role": "user", "content": "SECRET-CONTENT"}]}


def headers(key: str = KEY, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "content-type": "application/json", **more}


def post(gateway: RunningGateway, body: object = GOOD, **given: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given.setdefault("headers", headers())
    return httpx.post(gateway.base_url + CHAT, content=content, timeout=20, **given)


def expect(got: httpx.Response, status: int, code: str | None, param: str | None = None) -> None:
    error = got.json()["error"]
    assert (got.status_code, error["code"], error["param"]) == (status, code, param), error
    assert set(error) == {"message", "type", "param", "code"}
    assert got.headers["x-request-id"].startswith("req_")
    assert "bailee-policy" in got.headers
    assert "bailee-handling" in got.headers
    assert "SECRET-CONTENT" not in got.text


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", None, None),
        (b"", None, None),
        (b"[]", None, None),
        (b"\xff\xfe", None, None),
        (b"[" * 100_0, None, None),
        ({"messages": []}, "missing_required_parameter", "model"),
        ({"model": "plain"}, "missing_required_parameter", "messages"),
        ({"model": 7, "messages": []}, "invalid_type", "model"),
        ({"model": "plain", "messages": "x"}, "invalid_type", "messages"),
        ({**GOOD, "stream": "yes"}, "invalid_type", "stream"),
        ({**GOOD, "store": 1}, "invalid_type", "store"),
        (
            {**GOOD, "stream_options": {"include_usage": 3}},
            "invalid_type",
            "stream_options.include_usage",
        ),
        ({**GOOD, "safety_identifier": "x" * 65}, "string_above_max_length", "safety_identifier"),
    ],
)
def test_bad_bodies(
    gateway: RunningGateway, body: object, code: str | None, param: str | None
) -> None:
    expect(post(gateway, body), 400, code, param)
    assert gateway.upstream.received == []
    assert gateway.recorder.records == []


@pytest.mark.parametrize(
    ("key", "code"), [(REVOKED_KEY, "invalid_api_key"), ("sk-unknown", "invalid_api_key")]
)
def test_refused_keys(gateway: RunningGateway, key: str, code: str) -> None:
    expect(post(gateway, headers=headers(key)), 401, code)
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_no_key(gateway: RunningGateway) -> None:
    got = post(gateway, headers={"content-type": "application/json"})
    expect(got, 401, None)
    assert "You didn't provide an API key" in got.text


def test_organisation_and_project_headers_must_match(gateway: RunningGateway) -> None:
    mine = "org_" + b"t".hex() * 16
    assert post(gateway, headers=headers(**{"openai-organization": mine})).status_code == 200
    got = post(gateway, headers=headers(**{"openai-organization": "org_other"}))
    expect(got, 401, "mismatched_organization")
    got = post(gateway, headers=headers(**{"openai-project": "proj_other"}))
    expect(got, 401, "mismatched_project")


def test_unknown_model(gateway: RunningGateway) -> None:
    expect(post(gateway, {**GOOD, "model": "gpt-9"}), 404, "model_not_found", "model")


def test_unsupported_media_type(gateway: RunningGateway) -> None:
    got = post(gateway, headers=headers(**{"content-type": "text/plain"}))
    expect(got, 415, "unsupported_media_type")
    got = post(gateway, headers=headers(**{"content-encoding": "gzip"}))
    expect(got, 415, "unsupported_media_type")
    assert post(gateway, headers=headers(**{"content-encoding": "identity"})).status_code == 200


def test_wrong_method_and_unknown_operations(gateway: RunningGateway) -> None:
    got = httpx.delete(gateway.base_url + CHAT, headers=headers())
    expect(got, 405, "method_not_supported")
    assert got.headers["allow"] == "POST"
    got = httpx.post(gateway.base_url + "/images/generations", headers=headers(), json={})
    expect(got, 404, "unknown_url")
    assert "OpenAPI document" in got.text
    got = httpx.get(gateway.origin + "/nowhere")
    expect(got, 404, "unknown_url")
    assert gateway.upstream.received == []


def test_body_too_large_whether_its_length_is_stated_or_not(gateway: RunningGateway) -> None:
    big = b'{"model":"plain","messages":[],"x":"' + b"y" * BODY_LIMIT_BYTES + b'"}'
    expect(post(gateway, big), 413, "request_too_large")
    got = httpx.post(
        gateway.base_url + CHAT, content=(big[at : at + 4096] for at in range(0, len(big), 4096)),
        headers=headers(), timeout=20,
    )  # fmt: skip
    expect(got, 413, "request_too_large")


def test_a_chunked_body_within_the_limit_is_read(gateway: RunningGateway) -> None:
    body = json.dumps(GOOD).encode()
    got = httpx.post(
        gateway.base_url + CHAT, content=iter([body[:10], body[10:]]), headers=headers(), timeout=20
    )
    assert got.content == CHAT_ANSWER
    assert gateway.upstream.received[0].body == body


def test_context_too_long_passes_as_the_backend_says(gateway: RunningGateway) -> None:
    error = {"message": "too long", "type": "invalid_request_error", "param": "messages",
             "code": "context_length_exceeded"}  # fmt: skip
    reply = Reply(status=400, parts=[json.dumps({"error": error}).encode()])
    gateway.do(lambda: gateway.upstream.script.append(reply))
    expect(post(gateway), 400, "context_length_exceeded", "messages")
    assert gateway.last().answer_parts[-1][1] == 400


def test_backend_away(gateway: RunningGateway) -> None:
    gateway.do(lambda: gateway.upstream.script.append(Reply(silent=True)))
    gateway.do(lambda: gateway.upstream.script.append(Reply(silent=True)))
    got = post(gateway)
    expect(got, 502, "backend_broken")
    assert gateway.last().answer == got.content
    assert gateway.last().answer_parts[-1][1] == 502


def test_a_backend_that_refuses_our_credential_is_our_failure(gateway: RunningGateway) -> None:
    reply = Reply(status=401, parts=[b'{"error":{"message":"bad key"}}'])
    gateway.do(lambda: gateway.upstream.script.append(reply))
    expect(post(gateway), 502, "backend_failed")


def test_a_page_of_html_is_never_passed_on(gateway: RunningGateway) -> None:
    reply = Reply(status=503, content_type="text/html", parts=[b"<h1>SECRET-CONTENT</h1>"])
    gateway.do(lambda: gateway.upstream.script.append(reply))
    expect(post(gateway), 502, "backend_failed")


def test_a_stream_that_breaks_ends_with_an_error_event(gateway: RunningGateway) -> None:
    gateway.do(
        lambda: gateway.upstream.script.append(streamed(chunk("a"), chunk("b"), break_off=True))
    )
    got = post(gateway, {**GOOD, "stream": True})
    assert got.status_code == 200
    passed, _, last = got.content.rpartition(b"event: error\n")
    assert passed == chunk("a") + chunk("b")
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "backend_broken"
    recorded = gateway.last()
    assert recorded.answer == got.content
    assert recorded.answer_parts[-1][2:] == (True, True)


def test_the_sdk_raises_at_the_error_event(gateway: RunningGateway) -> None:
    gateway.do(lambda: gateway.upstream.script.append(streamed(chunk("a"), break_off=True)))
    with openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "x"}], stream=True
        )
        assert next(stream).choices[0].delta.content == "a"
        with pytest.raises(openai.APIError, match="stopped answering"):
            next(stream)


def test_a_stream_without_an_end_is_broken(gateway: RunningGateway) -> None:
    gateway.do(lambda: gateway.upstream.script.append(streamed(chunk("a"))))
    got = post(gateway, {**GOOD, "stream": True})
    assert b"event: error" in got.content
    assert gateway.last().answer_parts[-1][2:] == (True, True)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_the_backend_and_not_the_recording(
    gateway: RunningGateway, stream: bool
) -> None:
    never = asyncio.Event()
    reply = streamed(chunk("a"), never, DONE) if stream else Reply(parts=[never, CHAT_ANSWER])
    gateway.do(lambda: gateway.upstream.script.append(reply))
    body = json.dumps({**GOOD, "stream": stream}).encode()
    head = (
        f"POST /v1{CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        client.sendall(head.encode() + body)
        gateway.run(lambda: gateway.upstream.wait_for_requests(1))
        if stream:
            seen = b""
            while chunk("a") not in seen:
                seen += client.recv(4096)
    gateway.run(lambda: asyncio.wait_for(gateway.upstream.left.wait(), 10))
    recorded = gateway.last()
    assert recorded.request == body
    assert recorded.answer == (chunk("a") if stream else b"")
    assert recorded.answer_parts[-1][2:] == (True, True)


def test_recording_impossible_is_503_and_nothing_is_sent(gateway: RunningGateway) -> None:
    def fill() -> None:
        gateway.recorder.full = True

    gateway.do(fill)
    got = post(gateway)
    expect(got, 503, "recording_unavailable")
    assert got.headers["retry-after"] == "1"
    assert gateway.upstream.received == []
    assert post(gateway, headers=headers(ZERO_KEY)).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
def test_a_failed_journal_gives_no_answer(gateway: RunningGateway, stream: bool) -> None:
    def fail() -> None:
        gateway.recorder.broken = True
        gateway.upstream.script.append(
            streamed(chunk("SECRET-CONTENT"), chunk(None, "stop"), DONE) if stream else Reply()
        )

    gateway.do(fail)
    expect(post(gateway, {**GOOD, "stream": stream}), 503, "recording_unavailable")


def test_a_journal_that_fails_late_withholds_the_end(gateway: RunningGateway) -> None:
    rest = asyncio.Event()
    reply = streamed(chunk("a"), rest, chunk(None, "stop"), DONE)
    gateway.do(lambda: gateway.upstream.script.append(reply))

    def fail() -> None:
        gateway.recorder.broken = True
        rest.set()

    with httpx.stream(
        "POST", gateway.base_url + CHAT, json={**GOOD, "stream": True}, headers=headers(),
        timeout=20,
    ) as got:  # fmt: skip
        parts = got.iter_raw()
        assert next(parts) == chunk("a")
        gateway.do(fail)
        remaining = b"".join(parts)
    assert b"recording_unavailable" in remaining
    assert DONE not in remaining


def test_rate_limits(gateway: RunningGateway) -> None:
    first = post(gateway, headers=headers(LIMITED_KEY))
    if first.status_code == 200:
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert int(first.headers["x-ratelimit-remaining-tokens"]) < 10_000
        assert post(gateway, headers=headers(LIMITED_KEY)).status_code == 200
    got = post(gateway, headers=headers(LIMITED_KEY))
    expect(got, 429, "rate_limit_exceeded")
    assert 0 < int(got.headers["retry-after-ms"]) <= 60_000
    assert int(got.headers["retry-after"]) >= 1
    assert got.headers["x-ratelimit-limit-requests"] == "2"
    assert got.headers["x-ratelimit-remaining-requests"] == "0"
    assert 0 < int(got.headers["x-ratelimit-remaining-tokens"]) < 10_000


def test_fallback_goes_in_order_and_stops_at_the_first_answer(gateway: RunningGateway) -> None:
    body = {**GOOD, "model": "two"}
    assert post(gateway, body).status_code == 200
    assert (len(gateway.upstream.received), len(gateway.second.received)) == (1, 0)
    busy = Reply(status=503, parts=[b'{"error":{"message":"busy"}}'])
    gateway.do(lambda: gateway.upstream.script.append(busy))
    assert post(gateway, body).content == CHAT_ANSWER
    assert (len(gateway.upstream.received), len(gateway.second.received)) == (2, 1)


def test_a_broken_answer_is_not_asked_for_again_elsewhere(gateway: RunningGateway) -> None:
    gateway.do(lambda: gateway.upstream.script.append(Reply(break_off=True)))
    expect(post(gateway, {**GOOD, "model": "two"}), 502, "backend_broken")
    assert gateway.second.received == []


def test_terms_refuse_a_backend_by_name_and_clause(gateway: RunningGateway) -> None:
    got = post(gateway, {**GOOD, "model": "undeclared"})
    expect(got, 403, "backend_terms", "model")
    assert "`stranger`" in got.text
    assert "clause C" in got.text
    assert gateway.upstream.received == []


def test_terms_bind_fallback_too(gateway: RunningGateway) -> None:
    zero = headers(ZERO_KEY)
    assert post(gateway, {**GOOD, "model": "keeping"}).status_code == 200
    got = post(gateway, {**GOOD, "model": "keeping"}, headers=zero)
    expect(got, 403, "backend_terms", "model")
    assert "clause C08" in got.text
    assert post(gateway, {**GOOD, "model": "keeping-first"}, headers=zero).status_code == 200
    assert (len(gateway.upstream.received), len(gateway.second.received)) == (1, 1)


def test_a_defect_shows_a_request_id_and_nothing_else(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_arguments: object) -> None:
        raise ZeroDivisionError("SECRET-CONTENT")

    with monkeypatch.context() as patch:
        patch.setattr(gateway.application._answering.planner, "plan", defective)
        got = post(gateway)
    expect(got, 500, None)
    assert got.headers["x-request-id"] in got.text
    assert [type(error) for error in gateway.defects] == [ZeroDivisionError]
    gateway.defects.clear()


@pytest.mark.parametrize("server", ["http1", "granian"])
def test_a_slow_backend_times_out(server: str) -> None:
    limits = BackendLimits(idle_timeout_s=0.2)
    with running_gateway(server, backend_limits=limits) as gateway:
        gateway.do(lambda: gateway.upstream.script.append(Reply(raw=b"")))
        expect(post(gateway), 504, "backend_timeout")
        assert gateway.last().answer_parts[-1][1] == 504


@pytest.mark.parametrize("server", ["http1", "granian"])
def test_a_full_backend_says_when_to_come_back(server: str) -> None:
    limits = BackendLimits(concurrency=1, queue=0)
    with running_gateway(server, backend_limits=limits) as gateway:
        gate = asyncio.Event()
        gateway.do(lambda: gateway.upstream.script.append(Reply(parts=[gate, CHAT_ANSWER])))
        first: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: first.append(post(gateway)))
        waiting.start()
        gateway.run(lambda: gateway.upstream.wait_for_requests(1))
        got = post(gateway)
        expect(got, 503, "backend_overloaded")
        assert got.headers["retry-after"] == "1"
        gateway.do(gate.set)
        waiting.join(10)
        assert first[0].status_code == 200


@pytest.mark.parametrize("server", ["http1", "granian"])
def test_stopping_finishes_what_is_in_flight(server: str) -> None:
    first: list[httpx.Response] = []
    with running_gateway(server) as gateway:
        gate = asyncio.Event()
        gateway.do(lambda: gateway.upstream.script.append(Reply(parts=[gate, CHAT_ANSWER])))
        waiting = threading.Thread(target=lambda: first.append(post(gateway)))
        waiting.start()
        gateway.run(lambda: gateway.upstream.wait_for_requests(1))
        gateway.stop()
        gateway.do(gate.set)
        waiting.join(10)
    assert first[0].content == CHAT_ANSWER
    assert gateway.cut_off == 0


@pytest.mark.parametrize("server", ["http1", "granian"])
def test_stopping_cuts_off_what_does_not_end(server: str) -> None:
    with running_gateway(server, drain_s=0.2) as gateway:
        never = asyncio.Event()
        gateway.do(lambda: gateway.upstream.script.append(streamed(chunk("a"), never, DONE)))
        with httpx.stream(
            "POST", gateway.base_url + CHAT, json={**GOOD, "stream": True}, headers=headers(),
            timeout=20,
        ) as got:  # fmt: skip
            parts = got.iter_raw()
            assert next(parts) == chunk("a")
            gateway.stop()
            assert gateway.last().answer_parts[-1][2:] == (True, True)
            last = b"".join(parts)
    assert last.startswith(b"event: error\ndata: ")
    assert json.loads(last.partition(b"data: ")[2])["error"]["code"] == "stopping"
    assert gateway.cut_off == 1


@pytest.mark.parametrize("server", ["http1", "granian"])
def test_stopping_refuses_what_has_no_answer_in_time(server: str) -> None:
    first: list[httpx.Response] = []
    with running_gateway(server, drain_s=0.2) as gateway:
        never = asyncio.Event()
        gateway.do(lambda: gateway.upstream.script.append(Reply(parts=[never, CHAT_ANSWER])))
        waiting = threading.Thread(target=lambda: first.append(post(gateway)))
        waiting.start()
        gateway.run(lambda: gateway.upstream.wait_for_requests(1))
        gateway.stop()
        waiting.join(10)
    expect(first[0], 503, "stopping")
    assert first[0].headers["retry-after"] == "1"
    assert gateway.cut_off == 1

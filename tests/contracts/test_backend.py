"""The contract of `ports.backend`, for every driver."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.fixtures.backends import MAKERS, PATIENT, QUICK, Make, Pair, backend_and_upstream
from tests.fixtures.upstream import CHAT_ANSWER, Reply, chunk, streamed

from bailee.cli.ports import free_port
from bailee.drivers.backend_openai import parse_target
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import InvalidInput
from bailee.ports.backend import Backend, BackendCall, BackendFailure

BODY = b'{"model": "m",  "messages": [{"role":"user","content":"hi"}], "unknown": [1, 2.50, null]}'
CALL = BackendCall("/chat/completions", BODY, False)
STREAM = BackendCall("/chat/completions", BODY, True)


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Make:
    return MAKERS[request.param]


@pytest.fixture
async def pair(make: Make) -> AsyncIterator[Pair]:
    """It waits longer than a busy machine makes it wait."""
    async with backend_and_upstream(make, PATIENT) as made:
        yield made


@pytest.fixture
async def impatient(make: Make) -> AsyncIterator[Pair]:
    async with backend_and_upstream(make) as made:
        yield made


async def failure_of(backend: Backend, call: BackendCall = CALL) -> BackendFailure:
    with pytest.raises(BackendFailure) as raised:
        await (await backend.send(call)).read()
    return raised.value


def members(body: bytes) -> dict[str, bytes]:
    """A document's members as they are written."""
    read = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: bytes(value) for name, value in read.items()}


async def test_every_member_and_the_answer_pass_as_they_are(pair: Pair) -> None:
    answer = await pair.backend.send(CALL)
    assert (answer.status, await answer.read()) == (200, CHAT_ANSWER)
    received = pair.upstream.received[0]
    assert members(BODY).items() <= members(received.body).items()
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == "Bearer upstream-secret"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_every_framing_of_a_body(pair: Pair, framing: str) -> None:
    pair.upstream.script.append(Reply(framing=framing, parts=[b"abc", b"defg"]))
    answer = await pair.backend.send(CALL)
    assert await answer.read() == b"abcdefg"


async def test_a_connection_is_kept_and_used_again(pair: Pair) -> None:
    for _ in range(5):
        await (await pair.backend.send(CALL)).read()
    assert pair.upstream.connections == 1


async def test_a_kept_connection_that_was_closed_is_replaced(pair: Pair) -> None:
    pair.upstream.script.append(Reply())
    await (await pair.backend.send(CALL)).read()
    pair.upstream.script.append(Reply(silent=True))
    answer = await pair.backend.send(CALL)
    assert await answer.read() == CHAT_ANSWER
    assert pair.upstream.connections == 2


async def test_a_new_connection_that_dies_is_not_tried_again(pair: Pair) -> None:
    pair.upstream.script.append(Reply(silent=True))
    failure = await failure_of(pair.backend)
    assert (failure.reason, failure.retry_safe) == ("broken", False)
    assert len(pair.upstream.received) == 1


async def test_nobody_listening_is_unreachable_and_safe_to_retry(make: Make) -> None:
    backend = make(f"http://127.0.0.1:{free_port()}/v1", QUICK)
    failure = await failure_of(backend)
    assert (failure.reason, failure.retry_safe) == ("unreachable", True)
    await backend.close()


async def test_silence_before_the_head_times_out(impatient: Pair) -> None:
    impatient.upstream.usual = lambda _: Reply(raw=b"")
    failure = await failure_of(impatient.backend)
    assert (failure.reason, failure.retry_safe) == ("timeout", False)


async def test_silence_within_a_stream_times_out_after_what_came(impatient: Pair) -> None:
    impatient.upstream.script.append(streamed(chunk("a"), asyncio.Event()))
    answer = await impatient.backend.send(STREAM)
    parts = answer.chunks()
    assert await anext(parts) == chunk("a")
    with pytest.raises(BackendFailure) as raised:
        await anext(parts)
    assert raised.value.reason == "timeout"


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_cut_short_is_broken(pair: Pair, framing: str) -> None:
    pair.upstream.script.append(Reply(framing=framing, parts=[b"abc"], break_off=True))
    assert (await failure_of(pair.backend)).reason == "broken"


async def test_what_is_not_http_is_broken(pair: Pair) -> None:
    pair.upstream.script.append(Reply(raw=b"SSH-2.0-OpenSSH_9.9\r\n"))
    assert (await failure_of(pair.backend)).reason == "broken"


async def test_an_endless_head_is_broken(pair: Pair) -> None:
    pair.upstream.script.append(Reply(raw=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000))
    assert (await failure_of(pair.backend)).reason == "broken"


async def test_a_body_over_the_limit_is_broken(pair: Pair) -> None:
    pair.upstream.script.append(Reply(parts=[b"x" * (2 * QUICK.max_body_bytes)]))
    assert (await failure_of(pair.backend)).reason == "broken"


async def test_bytes_after_an_answer_never_reach_the_next_one(pair: Pair) -> None:
    stray = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray"
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    pair.upstream.script.append(Reply(raw=whole + stray))
    answer = await pair.backend.send(CALL)
    assert await answer.read() == b"ok"
    assert await (await pair.backend.send(CALL)).read() == CHAT_ANSWER
    assert pair.upstream.connections == 2


async def test_interim_answers_are_passed_over(pair: Pair) -> None:
    pair.upstream.script.append(
        Reply(raw=b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    )
    assert await (await pair.backend.send(CALL)).read() == b"ok"


async def test_no_more_at_once_than_the_limit_and_the_rest_in_order(pair: Pair) -> None:
    gate = asyncio.Event()
    pair.upstream.usual = lambda _: Reply(parts=[gate, CHAT_ANSWER])

    async def one() -> bytes:
        return await (await pair.backend.send(CALL)).read()

    waiting = [asyncio.ensure_future(one()) for _ in range(3)]
    await pair.upstream.wait_for_requests(2)
    assert (await failure_of(pair.backend)).reason == "overloaded"
    gate.set()
    assert await asyncio.gather(*waiting) == [CHAT_ANSWER] * 3
    assert pair.upstream.most_in_flight == 2


async def test_waiting_too_long_for_a_place_is_overloaded(make: Make) -> None:
    limits = QUICK._replace(concurrency=1, idle_timeout_s=5.0, queue_wait_s=0.05)
    async with backend_and_upstream(make, limits) as pair:
        gate = asyncio.Event()
        pair.upstream.usual = lambda _: Reply(parts=[gate, CHAT_ANSWER])
        first = asyncio.ensure_future(pair.backend.send(CALL))
        await pair.upstream.wait_for_requests(1)
        failure = await failure_of(pair.backend)
        assert (failure.reason, failure.retry_safe) == ("overloaded", True)
        gate.set()
        assert await (await first).read() == CHAT_ANSWER


async def test_abandoning_closes_the_connection_and_frees_the_place(pair: Pair) -> None:
    for _ in range(2 * QUICK.concurrency):
        pair.upstream.left.clear()
        pair.upstream.script.append(streamed(chunk("a"), asyncio.Event()))
        answer = await pair.backend.send(STREAM)
        async for _part in answer.chunks():
            answer.abandon()
            break
        await asyncio.wait_for(pair.upstream.left.wait(), 5)
    assert await (await pair.backend.send(CALL)).read() == CHAT_ANSWER


async def test_cancelling_a_send_stops_the_backend(pair: Pair) -> None:
    for begun in range(2 * QUICK.concurrency):
        pair.upstream.script.append(Reply(raw=b""))
        sending = asyncio.ensure_future(failure_of(pair.backend))
        await pair.upstream.wait_for_requests(begun + 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert await (await pair.backend.send(CALL)).read() == CHAT_ANSWER


async def test_errors_are_in_the_openai_shape(make: Make) -> None:
    error = b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}'
    async with backend_and_upstream(make) as pair:
        pair.upstream.script.append(Reply(status=400, parts=[error]))
        answer = await pair.backend.send(CALL)
        assert answer.status == 400
        told = msgspec.json.decode(await answer.read())["error"]
        assert set(told) == {"message", "type", "param", "code"}
        assert (told["type"], told["param"]) == ("invalid_request_error", None)


async def test_retry_after_is_told(pair: Pair) -> None:
    pair.upstream.script.append(Reply(status=200, headers={"Retry-After": "7"}))
    assert (await pair.backend.send(CALL)).retry_after_s() == 7.0


async def test_check_asks_for_the_models_and_knows_a_refused_credential(pair: Pair) -> None:
    await pair.backend.check()
    assert (pair.upstream.received[0].method, pair.upstream.received[0].path) == (
        "GET",
        "/v1/models",
    )


async def test_a_slow_reader_makes_the_backend_wait_and_is_not_timed_out(make: Make) -> None:
    limits = QUICK._replace(idle_timeout_s=1.0)
    big = b"x" * (8 * 1024 * 1024)
    async with backend_and_upstream(make, limits) as pair:
        pair.upstream.usual = lambda _received: streamed(big, b"end")
        answer = await pair.backend.send(STREAM)
        await SystemClock().sleep_s(1.3)
        got = 0
        async for part in answer.chunks():
            got += len(part)
        assert got == len(big) + 3


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v1",
        "http://192.0.2.1:8000/v1",
        "ftp://127.0.0.1/v1",
        "https://user:secret@example.com/v1",
        "http://127.0.0.1.example.com/v1",
    ],
)
def test_urls_that_would_carry_content_in_the_clear_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_target(url)

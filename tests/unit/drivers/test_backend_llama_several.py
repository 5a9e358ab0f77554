"""Several choices and prompts of one request, told as one answer."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from bailee.drivers.backend_llama import LlamaBackend
from bailee.drivers.backend_llama.several import asked
from bailee.ports.backend import BackendAnswer, BackendCall, BackendFailure

MESSAGES = [{"role": "user", "content": "a"}]


class Given:
    """An answer that comes in pieces of a size."""

    content_type = "text/event-stream"

    def __init__(self, status: int, body: bytes, size: int) -> None:
        self.status, self.body, self.size = status, body, size
        self.abandoned = False

    def retry_after_s(self) -> float | None:
        return None

    async def read(self) -> bytes:
        return self.body

    async def chunks(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.body), self.size):
            yield self.body[at : at + self.size]

    def abandon(self) -> None:
        self.abandoned = True


class Runner:
    """Answers as llama.cpp does: the number of the request, in two tokens."""

    def __init__(self, size: int = 1_000, broken_at: int | None = None) -> None:
        self.size = size
        self.broken_at = broken_at
        self.failing = self.told_late = False
        self.asked: list[dict[str, Any]] = []
        self.given: list[Given] = []

    async def send(self, call: BackendCall) -> BackendAnswer:
        members = json.loads(call.body)
        number = len(self.asked)
        self.asked.append(members)
        text = call.path == "/completions"
        if number == self.broken_at:
            status, body = 400, b'{"error":{"message":"prompt","type":"x"}}'
        else:
            status = 200
            body = (streamed if call.stream else whole)(number, text, members)
        if self.failing:
            body = body.replace(b"data: [DONE]", b'data: {"error":{"message":"SECRET"}}')
        if self.told_late:  # as it does for text completions
            body = body.replace(b'"choices": [],', b'"choices": [{"index": 0, "text": ""}],')
        self.given.append(Given(status, body, self.size))
        return self.given[-1]

    async def check(self) -> None:
        """It answers."""

    async def close(self) -> None:
        """Nothing to close."""


USAGE = {"completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5}


def pieces(number: int, members: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said, token by token, with log probabilities where they are asked for."""
    said = []
    for token in (f"n{number}", '"id":"chatcmpl-"'):
        other = {"token": "other", "logprob": -0.5}
        one = {"token": token, "logprob": -1.0, "top_logprobs": [other]}
        said.append(
            {"text": token, "logprobs": {"content": [one]} if "logprobs" in members else None}
        )
    return said


def document(number: int, choices: list[Any], **more: Any) -> dict[str, Any]:
    head = {"id": f"chatcmpl-{number}", "created": number, "model": "m", "object": "o"}
    return {"choices": choices, **head, "timings": {}, **more}


def whole(number: int, text: bool, members: dict[str, Any]) -> bytes:
    said = pieces(number, members)
    words = "".join(one["text"] for one in said)
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if text:
        choice["text"] = words
        if said[0]["logprobs"] is not None:
            choice["logprobs"] = {
                "content": [one["logprobs"]["content"][0] for one in said],
            }
    else:
        choice["message"] = {"role": "assistant", "content": words}
    return json.dumps(document(number, [choice], usage=USAGE)).encode()


def streamed(number: int, text: bool, members: dict[str, Any]) -> bytes:
    events: list[Any] = [None]
    for one in pieces(number, members):
        said = one if text else {"delta": {"content": one["text"]}}
        events.append(document(number, [{"index": 0, "finish_reason": None, **said}]))
    events.append(document(number, [], usage=USAGE))
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def call(path: str, **members: Any) -> BackendCall:
    return BackendCall(path, msgspec.json.encode(members), members.get("stream") is True)


async def told(backend: LlamaBackend, asking: BackendCall) -> Any:
    answer = await backend.send(asking)
    assert answer.status == 200
    if not asking.stream:
        return json.loads(await answer.read())
    lines = (await answer.read()).decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


async def test_the_choices_of_a_chat_are_one_answer_with_the_usage_of_all() -> None:
    runner = Runner()
    asking = call("/chat/completions", messages=MESSAGES, n=3, seed=7)
    found = await told(LlamaBackend(runner), asking)
    assert [one["index"] for one in found["choices"]] == [0, 1, 2]
    assert [one["message"]["content"][:2] for one in found["choices"]] == ["n0", "n1", "n2"]
    usage = found["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 6, 9)
    assert [one["seed"] for one in runner.asked] == [7, 8, 9]
    assert all("n" not in one for one in runner.asked)
    assert (found["id"], "timings" in found) == ("chatcmpl-0", False)


async def test_one_choice_of_a_chat_is_passed_on_as_it_came() -> None:
    for members in ({}, {"n": 1}, {"n": None}):
        runner = Runner()
        answer = await LlamaBackend(runner).send(
            call("/chat/completions", messages=MESSAGES, **members)
        )
        assert answer is runner.given[0]


async def test_each_prompt_is_asked_for_and_counted() -> None:
    runner = Runner()
    asking = call("/completions", prompt=["a", [1, 2]], n=2, seed=1)
    found = await told(LlamaBackend(runner), asking)
    assert [one["prompt"] for one in runner.asked] == ["a", "a", [1, 2], [1, 2]]
    assert [one["seed"] for one in runner.asked] == [1, 2, 1, 2]
    assert [one["index"] for one in found["choices"]] == [0, 1, 2, 3]
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (6, 8)
    assert found["id"] == "cmpl-0"


async def test_a_text_without_a_limit_has_that_of_the_api() -> None:
    for given, expected in (({}, 16), ({"max_tokens": None}, 16), ({"max_tokens": 3}, 3)):
        runner = Runner()
        await told(LlamaBackend(runner), call("/completions", prompt="a", **given))
        assert runner.asked[0]["max_tokens"] == expected


@pytest.mark.parametrize("prompt", ["a", ["a"], [1, 2], [[1, 2]]])
def test_one_prompt_is_one_request(prompt: Any) -> None:
    members = msgspec.json.decode(json.dumps({"prompt": prompt}), type=dict[str, msgspec.Raw])
    assert asked("/completions", members).requests == 1


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize("usage", [True, False])
async def test_streams_follow_one_another_however_they_are_cut(size: int, usage: bool) -> None:
    options = {"include_usage": usage}
    asking = call("/chat/completions", messages=MESSAGES, n=2, stream=True, stream_options=options)
    found = await told(LlamaBackend(Runner(size)), asking)
    if usage:
        last = found.pop()
        assert last["choices"] == []
        assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == (3, 4)
    said = [(one["choices"][0]["index"], one["choices"][0]["delta"]["content"]) for one in found]
    mark = '"id":"chatcmpl-"'
    assert said == [(0, "n0"), (0, mark), (1, "n1"), (1, mark)]
    assert {(one["id"], one["created"]) for one in found} == {("chatcmpl-0", 0)}
    assert not any("usage" in one or "timings" in one for one in found)


@pytest.mark.parametrize("stream", [True, False])
async def test_text_completions_have_log_probabilities_of_their_own_shape(stream: bool) -> None:
    asking = call("/completions", prompt=["a", "b"], logprobs=1, stream=stream)
    found = await told(LlamaBackend(Runner()), asking)
    choices = [one["choices"][0] for one in found] if stream else found["choices"]
    for index in (0, 1):
        of_one = [one["logprobs"] for one in choices if one["index"] == index]
        assert [token for one in of_one for token in one["tokens"]] == [
            f"n{index}",
            '"id":"chatcmpl-"',
        ]
        assert [at for one in of_one for at in one["text_offset"]] == [0, 2]
        assert of_one[0]["token_logprobs"][0] == -1.0
        assert of_one[0]["top_logprobs"][0] == {"other": -0.5, f"n{index}": -1.0}
    assert all(one["id"] == "cmpl-0" for one in (found if stream else [found]))


async def test_an_error_of_any_is_the_answer() -> None:
    for broken_at in (0, 1):
        asking = call("/completions", prompt=["a", "b"])
        answer = await LlamaBackend(Runner(broken_at=broken_at)).send(asking)
        assert answer.status == 400
        assert json.loads(await answer.read())["error"]["param"] == "prompt"


async def test_an_error_in_the_middle_of_a_stream_breaks_it() -> None:
    asking = call("/chat/completions", messages=MESSAGES, n=2, stream=True)
    answer = await LlamaBackend(Runner(broken_at=1)).send(asking)
    with pytest.raises(BackendFailure) as failed:
        await answer.read()
    assert failed.value.reason == "broken"


@pytest.mark.parametrize("size", [1, 1_000])
async def test_words_of_a_model_that_fails_are_not_passed_on(size: int) -> None:
    runner = Runner(size)
    runner.failing = True
    asking = call("/chat/completions", messages=MESSAGES, n=2, stream=True)
    answer = await LlamaBackend(runner).send(asking)
    told: list[bytes] = []

    async def read() -> None:
        async for chunk in answer.chunks():
            told.append(chunk)  # noqa: PERF401 - what came before the failure is looked at

    with pytest.raises(BackendFailure) as failed:
        await read()
    assert failed.value.reason == "broken"
    assert b"n0" in b"".join(told)
    assert b"SECRET" not in b"".join(told) + str(failed.value).encode()
    assert b"[DONE]" not in b"".join(told)
    assert len(runner.asked) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": ["a"] * 129},
        {"prompt": ["a"] * 100_000, "n": 128},
        {"prompt": ["a", "b"], "n": 65},
    ],
)
async def test_one_request_asks_for_so_many_answers(more: dict[str, Any]) -> None:
    runner = Runner()
    answer = await LlamaBackend(runner).send(call("/completions", **more))
    assert answer.status == 400
    assert json.loads(await answer.read())["error"]["param"] == "prompt"
    assert runner.asked == []


async def test_what_a_streamed_text_used_is_exact_though_nobody_asked() -> None:
    """What the runner tells in an event with a choice is told for all in the last."""
    runner = Runner()
    runner.told_late = True
    found = await told(LlamaBackend(runner), call("/completions", prompt=["a", "b"], stream=True))
    usages = [one["usage"] for one in found if "usage" in one]
    assert [(one["prompt_tokens"], one["completion_tokens"]) for one in usages] == [(6, 4)]
    assert "usage" in found[-1]


async def test_who_leaves_stops_what_is_asked_for_now() -> None:
    runner = Runner(size=10)
    asking = call("/chat/completions", messages=MESSAGES, n=3, stream=True)
    answer = await LlamaBackend(runner).send(asking)
    async for chunk in answer.chunks():
        if b'"index":1' in chunk:
            break
    answer.abandon()
    assert [one.abandoned for one in runner.given] == [False, True]

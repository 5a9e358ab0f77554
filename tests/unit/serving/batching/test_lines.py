"""The lines of a batch's input: found whatever the pieces, checked, and never quoted."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailee.application_state.batches import BatchProblem
from bailee.serving.batching.lines import (
    MOST_LINES,
    MOST_PROBLEMS,
    Checker,
    NumberedLine,
    lines_of,
    read_line,
)

CHAT = "/v1/chat/completions"
SECRET = "what nobody may quote"


def line(**changed: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": SECRET}]}
    return {"custom_id": "one", "method": "POST", "url": CHAT, "body": body} | changed


def problems_of(*lines: dict[str, Any] | bytes, endpoint: str = CHAT) -> list[BatchProblem]:
    checker = Checker(endpoint)
    for number, one in enumerate(lines, 1):
        data = one if isinstance(one, bytes) else json.dumps(one).encode()
        checker.check(NumberedLine(number, data))
    checker.finish()
    return checker.problems


async def found(content: bytes, size: int, longest: int = 1000) -> list[NumberedLine]:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), size):
            yield content[at : at + size]

    return [line async for line in lines_of(pieces(), longest)]


@given(
    st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"x"))),
    st.booleans(),
    st.integers(1, 40),
)
async def test_lines_are_the_same_whatever_the_pieces(
    lines: list[bytes], closed: bool, size: int
) -> None:
    content = b"\n".join(lines) + (b"\n" if closed and lines else b"")
    expected = [NumberedLine(number, data) for number, data in enumerate(lines, 1) if data.strip()]
    assert await found(content, size) == expected


@pytest.mark.parametrize("size", [1, 7, 5000])
async def test_a_line_that_is_too_long_is_told_and_not_held(size: int) -> None:
    content = b"a\n" + b"b" * 3000 + b"\nc\n" + b"d" * 1001
    assert await found(content, size) == [
        NumberedLine(1, b"a"), NumberedLine(2, None), NumberedLine(3, b"c"), NumberedLine(4, None)
    ]  # fmt: skip


def test_good_lines_have_no_problem_and_are_read_back() -> None:
    assert problems_of(line(), line(custom_id="two")) == []
    data = json.dumps(line()).encode()
    read = read_line(NumberedLine(1, data), 3)
    assert (read.position, read.custom_id) == (3, "one")
    assert json.loads(read.body)["messages"][0]["content"] == SECRET
    assert SECRET not in repr(read)


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        (b"{", "invalid_json_line", None),
        (b"\xff\xff", "invalid_json_line", None),
        (b"[]", "invalid_type", None),
        (b"3", "invalid_type", None),
        (line(custom_id=""), "invalid_custom_id", "custom_id"),
        (line(custom_id="x" * 513), "invalid_custom_id", "custom_id"),
        (line(custom_id=7), "invalid_type", "custom_id"),
        (line(method="GET"), "invalid_method", "method"),
        (line(url="/v1/embeddings"), "invalid_url", "url"),
        (line(body=[SECRET]), "invalid_type", "body"),
        (line(body={"messages": SECRET}), "missing_required_parameter", "body.model"),
        (line(body={"model": 3}), "invalid_type", "body.model"),
        (line(body={"model": "m", "stream": True}), "unsupported_parameter", "body.stream"),
        (line(body={"model": "m", "background": True}), "unsupported_parameter",
         "body.background"),
        (line(body={"model": "m", "previous_response_id": "r"}), "unsupported_parameter",
         "body.previous_response_id"),
        (line(body={"model": "m", "conversation": "c"}), "unsupported_parameter",
         "body.conversation"),
        (line(body={"model": SECRET}), "mismatched_model", "body.model"),
        (line(custom_id="zero"), "duplicate_custom_id", "custom_id"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_by_line_and_member(wrong: Any, code: str, param: str | None) -> None:
    (problem,) = problems_of(line(custom_id="zero"), wrong)
    assert (problem.line, problem.code, problem.param) == (2, code, param)
    assert SECRET not in problem.message


@pytest.mark.parametrize("name", ["custom_id", "method", "url", "body"])
def test_what_is_missing_is_named(name: str) -> None:
    wrong = line()
    del wrong[name]
    (problem,) = problems_of(wrong)
    assert (problem.code, problem.param) == ("missing_required_parameter", name)


def test_an_empty_file_too_many_lines_and_many_problems() -> None:
    assert [one.code for one in problems_of()] == ["empty_file"]
    assert len(problems_of(*[b"{"] * (MOST_PROBLEMS + 5))) == MOST_PROBLEMS
    checker = Checker(CHAT)
    for number in range(MOST_LINES + 1):
        checker.check(NumberedLine(number + 1, json.dumps(line(custom_id=str(number))).encode()))
    checker.finish()
    assert [one.code for one in checker.problems] == ["too_many_requests"]

"""Training files are read whole or refused with their lines, and never quoted."""

import json
from typing import Any

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.ports.trainer import Turn
from bailee.training.examples import preference_examples, supervised_examples

CANARY = "canary-7c1f"
QUESTION = {"role": "user", "content": f"{CANARY} question"}
ANSWER = {"role": "assistant", "content": f"{CANARY} answer"}
GOOD = {"messages": [QUESTION, ANSWER]}
PAIR = {
    "input": {"messages": [QUESTION]},
    "preferred_output": [ANSWER],
    "non_preferred_output": [{"role": "assistant", "content": f"{CANARY} other"}],
}


def file_of(*documents: Any) -> bytes:
    return b"".join(
        (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in documents
    )


def fault_of(data: bytes, *, pairs: bool = False) -> str:
    read = preference_examples if pairs else supervised_examples
    with pytest.raises(InvalidInput) as raised:
        read(data, fewest=1)
    assert raised.value.field == "training_file"
    assert CANARY not in str(raised.value)
    return str(raised.value)


def test_conversations_are_read() -> None:
    document = {
        "messages": [
            {
                "role": "developer",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            QUESTION,
            {"role": "assistant", "content": "no", "weight": 0},
            QUESTION | {"name": "someone"},
            ANSWER | {"weight": 1},
        ]
    }
    data = b"\xef\xbb\xbf" + file_of(document).replace(b"\n", b"\r\n") + b"\n  \n"
    (example,) = supervised_examples(data, fewest=1)
    question, answer = Turn("user", QUESTION["content"]), Turn("assistant", ANSWER["content"])
    assert example.turns == (
        Turn("developer", "ab"),
        question,
        Turn("assistant", "no", learn=False),
        question,
        answer,
    )
    assert CANARY not in repr(example)


def test_pairs_are_read() -> None:
    (example,) = preference_examples(file_of(PAIR), fewest=1)
    assert example.preferred == Turn("assistant", ANSWER["content"])
    assert example.rejected.content == f"{CANARY} other"
    assert CANARY not in repr(example)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (b'{"messages": ' + CANARY.encode(), "no JSON in UTF-8"),
        (b'{"messages": "\xff"}', "no JSON in UTF-8"),
        ([CANARY], "no JSON object"),
        ({}, "messages is missing, empty or no list"),
        ({"messages": []}, "messages is missing, empty or no list"),
        ({"messages": [CANARY]}, "messages[0] is no object"),
        ({"messages": [{"role": CANARY, "content": "x"}]}, "messages[0].role is none of"),
        ({"messages": [QUESTION]}, "the last message is not the assistant's"),
        ({"messages": [QUESTION, {"role": "assistant"}]}, "messages[1].content is missing"),
        ({"messages": [QUESTION, ANSWER | {"weight": 0.5}]}, "messages[1].weight is neither"),
        ({"messages": [QUESTION | {"weight": 1}, ANSWER]}, "messages[0].weight is allowed in"),
        ({"messages": [QUESTION, ANSWER | {"weight": 0}]}, "every assistant message has weight 0"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ANSWER]},
            "messages[0].content has a part that is not of type text",
        ),
        (GOOD | {"tools": [{"type": "function"}]}, "tools cannot be learned here"),
        (
            {"messages": [QUESTION, {"role": "assistant", "tool_calls": [{}]}]},
            "messages[1].tool_calls cannot be learned here",
        ),
    ],
)
def test_a_fault_is_told_with_its_line(document: Any, fault: str) -> None:
    assert f"line 3: {fault}" in fault_of(file_of(GOOD, GOOD, document, GOOD))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"input": None}, "input is missing or no object"),
        ({"input": {"messages": [QUESTION, ANSWER]}}, "the last of input.messages is"),
        ({"preferred_output": [ANSWER, ANSWER]}, "preferred_output is not exactly one"),
        ({"non_preferred_output": [QUESTION]}, "non_preferred_output is not exactly one"),
        ({"non_preferred_output": [ANSWER]}, "are the same"),
    ],
)
def test_a_faulty_pair_is_told_with_its_line(change: dict[str, Any], fault: str) -> None:
    told = fault_of(file_of(PAIR, PAIR | change), pairs=True)
    assert "line 2: " in told
    assert fault in told


def test_only_the_first_faults_are_told() -> None:
    told = fault_of(file_of(*[{}] * 100))
    assert told.count("line ") == 5
    assert "further lines were not looked at" in told


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(InvalidInput, match="it has 9 examples and needs at least 10"):
        supervised_examples(file_of(*[GOOD] * 9))
    assert len(supervised_examples(file_of(*[GOOD] * 10))) == 10
    with pytest.raises(InvalidInput, match="it has 0 examples"):
        supervised_examples(b"", fewest=1)

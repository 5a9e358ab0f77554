"""A training file's lines as examples, or what is wrong with them, line by line.

Formats: OpenAI's chat format (one JSON document `{"messages": […]}` per line) and its preference
format (`{"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}`).
Every fault is told with its line and none quotes the file: it is content. Examples with tools,
images or sound are refused, never learned in part.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from bailee.kernel.errors import InvalidInput
from bailee.ports.trainer import PreferenceExample, Role, SupervisedExample, Turn

FEWEST_EXAMPLES: Final = 10
MOST_EXAMPLES: Final = 50_000
FAULTS_TOLD: Final = 5
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_TOOLS: Final = ("tools", "functions", "function_call", "tool_calls", "parallel_tool_calls")

Example = TypeVar("Example", SupervisedExample, PreferenceExample)


class _Fault(Exception):
    """What is wrong with one line; never holds any of it."""


def supervised_examples(
    data: bytes, *, field: str = "training_file", fewest: int = FEWEST_EXAMPLES
) -> tuple[SupervisedExample, ...]:
    """The examples of a file in the chat format. Raises InvalidInput."""
    return _examples(data, _supervised, field, fewest)


def preference_examples(
    data: bytes, *, field: str = "training_file", fewest: int = FEWEST_EXAMPLES
) -> tuple[PreferenceExample, ...]:
    """The examples of a file in the preference format. Raises InvalidInput."""
    return _examples(data, _preference, field, fewest)


def _examples(
    data: bytes, read: Callable[[dict[str, Any]], Example], field: str, fewest: int
) -> tuple[Example, ...]:
    found: list[Example] = []
    faults: list[str] = []
    for number, line in _lines(data):
        if len(found) == MOST_EXAMPLES:
            faults.append(f"line {number}: more than {MOST_EXAMPLES} examples")
            break
        try:
            found.append(read(_document(line)))
        except _Fault as fault:
            faults.append(f"line {number}: {fault}")
            if len(faults) == FAULTS_TOLD:
                faults.append("further lines were not looked at")
                break
    if not faults and len(found) < fewest:
        plural = "" if len(found) == 1 else "s"
        faults.append(f"it has {len(found)} example{plural} and needs at least {fewest}")
    if faults:
        told = "; ".join(faults)
        raise InvalidInput(f"the file cannot be learned from: {told}. Correct it.", field=field)
    return tuple(found)


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every line with something in it, and its number from 1."""
    start = len(b"\xef\xbb\xbf") if data.startswith(b"\xef\xbb\xbf") else 0
    number = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        if line := data[start:end].strip():
            yield number, line
        start = end + 1


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Fault("no JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise _Fault("no JSON object")
    return document


def _supervised(document: dict[str, Any]) -> SupervisedExample:
    _without_tools(document, "")
    turns = _turns(document.get("messages"), "messages")
    if turns[-1].role != "assistant":
        raise _Fault("the last message is not the assistant's")
    if not any(turn.role == "assistant" and turn.learn for turn in turns):
        raise _Fault("every assistant message has weight 0, nothing is left to learn")
    return SupervisedExample(turns)


def _preference(document: dict[str, Any]) -> PreferenceExample:
    given = document.get("input")
    if not isinstance(given, dict):
        raise _Fault("input is missing or no object")
    _without_tools(given, "input.")
    turns = _turns(given.get("messages"), "input.messages")
    if turns[-1].role == "assistant":
        raise _Fault("the last of input.messages is the assistant's; it belongs to the outputs")
    preferred = _answer(document, "preferred_output")
    rejected = _answer(document, "non_preferred_output")
    if preferred.content == rejected.content:
        raise _Fault("preferred_output and non_preferred_output are the same")
    return PreferenceExample(turns, preferred, rejected)


def _answer(document: dict[str, Any], name: str) -> Turn:
    turns = _turns(document.get(name), name)
    if len(turns) != 1 or turns[0].role != "assistant":
        raise _Fault(f"{name} is not exactly one assistant message")
    return Turn("assistant", turns[0].content)


def _turns(messages: Any, place: str) -> tuple[Turn, ...]:
    if not isinstance(messages, list) or not messages:
        raise _Fault(f"{place} is missing, empty or no list")
    return tuple(_turn(one, f"{place}[{index}]") for index, one in enumerate(messages))


def _turn(message: Any, place: str) -> Turn:
    if not isinstance(message, dict):
        raise _Fault(f"{place} is no object")
    _without_tools(message, f"{place}.")
    role: Role | None = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise _Fault(f"{place}.role is none of system, developer, user, assistant, tool")
    weight = message.get("weight", 1)
    if isinstance(weight, bool) or weight not in (0, 1):
        raise _Fault(f"{place}.weight is neither 0 nor 1")
    if "weight" in message and role != "assistant":
        raise _Fault(f"{place}.weight is allowed in assistant messages alone")
    return Turn(role, _content(message.get("content"), f"{place}.content"), bool(weight))


def _content(content: Any, place: str) -> str:
    if isinstance(content, list):
        content = "".join(_text(part, place) for part in content)
    if not isinstance(content, str) or not content:
        raise _Fault(f"{place} is missing, empty or no text")
    return content


def _text(part: Any, place: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text":
        raise _Fault(f"{place} has a part that is not of type text")
    text = part.get("text")
    if not isinstance(text, str):
        raise _Fault(f"{place} has a part without text")
    return text


def _without_tools(document: dict[str, Any], place: str) -> None:
    for name in _TOOLS:
        if document.get(name):
            raise _Fault(f"{place}{name} cannot be learned here")

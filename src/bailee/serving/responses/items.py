"""Input items as chat messages.

Promises: order and words are kept; calls of functions join the assistant's message that they belong
to. `developer` becomes `system`, which every chat backend knows. Reasoning items are left out:
chat completions have no place for them. What chat cannot carry is refused by name.
"""

from typing import Any, Final, NamedTuple

from bailee.kernel.redacted import hidden
from bailee.serving.responses.refusals import invalid, missing, shown_type, unsupported, wrong

Item = dict[str, Any]
Message = dict[str, Any]

_ROLES: Final = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
_TEXTS: Final = ("input_text", "output_text", "text")
_NATIVE: Final = "Use a model whose backend speaks the Responses API, or leave it out."


def input_items(value: object) -> list[Item]:
    """The items of a request's `input`: a string is one message of the user."""
    if isinstance(value, str):
        content = [{"type": "input_text", "text": value}]
        return [{"type": "message", "role": "user", "content": content}]
    if not isinstance(value, list):
        raise wrong("input", "a string or an array of items")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise wrong(f"input[{index}]", "an object")
    return value


class ChatMessages(NamedTuple):
    """Messages, and where each comes from."""

    messages: list[Message]
    places: list[str]
    """As in `input[0]` or `instructions`, one for each message."""

    def __repr__(self) -> str:
        return hidden(self)


def chat_messages(instructions: str | None, items: list[Item], first: int = 0) -> ChatMessages:
    """The messages that say what `instructions` and `items` say.

    `first` is how many of the items stand before those of the request, which refusals count.
    Raises CallRefused (WRONG_TYPE).
    """
    messages: list[Message] = []
    places: list[str] = []
    if instructions:
        messages.append({"role": "system", "content": instructions})
        places.append("instructions")
    for index, item in enumerate(items):
        place = f"input[{index - first}]"
        _add(messages, item, place)
        if len(messages) > len(places):
            places.append(place)
    return ChatMessages(messages, places)


def _add(messages: list[Message], item: Item, place: str) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        messages.append(_message(item, place))
    elif kind == "function_call":
        _add_call(messages, item, place)
    elif kind == "function_call_output":
        call_id, output = _text_of(item, "call_id", place), item.get("output")
        content = output if isinstance(output, str) else _output(output, f"{place}.output")
        messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
    elif kind != "reasoning":
        raise unsupported(
            f"{place}.type", f"Items {shown_type(kind)} cannot be passed to this model. {_NATIVE}"
        )


def _message(item: Item, place: str) -> Message:
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid(
            f"{place}.role", "A message's role is 'user', 'assistant', 'system' or 'developer'."
        )
    content = item.get("content")
    if isinstance(content, str):
        return {"role": _ROLES[role], "content": content}
    if not isinstance(content, list):
        raise wrong(f"{place}.content", "a string or an array of parts")
    if role == "assistant":
        return _assistant(content, f"{place}.content")
    parts = [_part(part, f"{place}.content[{index}]") for index, part in enumerate(content)]
    return {"role": _ROLES[role], "content": _plain(parts)}


def _assistant(content: list[Any], place: str) -> Message:
    """What a model said before: text and refusals, each as one string."""
    texts: list[str] = []
    refusals: list[str] = []
    for index, part in enumerate(content):
        where = f"{place}[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXTS:
            texts.append(_text_of(part, "text", where))
        elif kind == "refusal":
            refusals.append(_text_of(part, "refusal", where))
        else:
            raise invalid(
                f"{where}.type", "An assistant's message has parts 'output_text' and 'refusal'."
            )
    message: Message = {"role": "assistant", "content": "".join(texts)}
    if refusals:
        message["refusal"] = "".join(refusals)
        if not texts:
            message["content"] = None
    return message


def _part(part: object, place: str) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise wrong(place, "an object")
    kind = part.get("type")
    if kind in _TEXTS:
        return {"type": "text", "text": _text_of(part, "text", place)}
    if kind == "input_image":
        image: dict[str, Any] = {"url": _carried(part, "image_url", place)}
        if isinstance(part.get("detail"), str):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    if kind == "input_file":
        file: dict[str, Any] = {"file_data": _carried(part, "file_data", place)}
        if isinstance(part.get("filename"), str):
            file["filename"] = part["filename"]
        return {"type": "file", "file": file}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    raise invalid(
        f"{place}.type",
        "A message's parts are 'input_text', 'input_image', 'input_file' and 'input_audio'.",
    )


def _carried(part: dict[str, Any], name: str, place: str) -> str:
    """What chat can carry of an image or file: a URL or the bytes themselves, in the request."""
    for elsewhere in ("file_id", "file_url"):
        if part.get(elsewhere) is not None and part.get(name) is None:
            raise unsupported(
                f"{place}.{elsewhere}",
                f"This model's backend cannot fetch by '{elsewhere}'. Send '{name}'.",
            )
    return _text_of(part, name, place)


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One text is a plain string, which every backend takes."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _output(output: object, place: str) -> str:
    if not isinstance(output, list):
        raise wrong(place, "a string or an array of parts")
    texts: list[str] = []
    for index, part in enumerate(output):
        where = f"{place}[{index}]"
        if not isinstance(part, dict) or part.get("type") not in _TEXTS:
            raise unsupported(
                f"{where}.type",
                f"A function's output can be passed to this model as text alone. {_NATIVE}",
            )
        texts.append(_text_of(part, "text", where))
    return "".join(texts)


def _add_call(messages: list[Message], item: Item, place: str) -> None:
    call = {
        "id": _text_of(item, "call_id", place),
        "type": "function",
        "function": {
            "name": _text_of(item, "name", place),
            "arguments": _text_of(item, "arguments", place),
        },
    }
    last = messages[-1] if messages else None
    if last is None or last["role"] != "assistant":
        last = {"role": "assistant", "content": None}
        messages.append(last)
    last.setdefault("tool_calls", []).append(call)


def _text_of(value: dict[str, Any], name: str, place: str) -> str:
    found = value.get(name)
    if found is None:
        raise missing(f"{place}.{name}")
    if not isinstance(found, str):
        raise wrong(f"{place}.{name}", "a string")
    return found

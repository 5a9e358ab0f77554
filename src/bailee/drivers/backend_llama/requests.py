"""What the local model can be asked, looked at before llama.cpp reads it.

llama.cpp answers some mistakes with 500 and its parser's own words, and takes others as if nothing
were wrong. So the members that OpenAI documents are checked here, and what is refused names its
place and quotes no value. Members that are not known here go on as they came. What the limits of
one runner are (`n`, the context) is for llama.cpp to say; `errors` tells it in OpenAI's words.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

CHAT: Final = "/chat/completions"
COMPLETIONS: Final = "/completions"

_MOST: Final = (1 << 31) - 1
_WHOLE: Final[dict[str, tuple[int, int]]] = {
    "max_tokens": (1, _MOST),
    "max_completion_tokens": (1, _MOST),
    "n": (1, 128),
    "top_logprobs": (0, 20),
    "best_of": (1, 128),
}
_NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_CHOICES: Final = ("none", "auto", "required")
_FORMATS: Final = ("text", "json_object", "json_schema")
_TEXT_ALONE: Final = "This model reads text alone"


class RequestRefused(Exception):
    """The model cannot be asked this: `field` names the member at fault."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def check(path: str, members: Mapping[str, msgspec.Raw]) -> None:
    """Hold a request to what the model can be asked. Raises RequestRefused."""
    found: dict[str, Any] = {}
    for name, look in (_OF_CHAT if path == CHAT else _OF_COMPLETIONS).items():
        given = members.get(name)
        if given is None:
            continue
        try:
            found[name] = msgspec.json.decode(given)
            look(found[name], name)
        except RecursionError:
            raise _invalid(name, "is nested too deeply; flatten it") from None
        except msgspec.DecodeError:
            raise _invalid(name, "has a number or a character that JSON does not know") from None
    if path == CHAT and found.get("top_logprobs") is not None and not found.get("logprobs"):
        raise _invalid(
            "top_logprobs", "wants 'logprobs': true beside it; set it, or leave both out"
        )
    if path == COMPLETIONS and (found.get("best_of") or 1) > (found.get("n") or 1):
        raise _invalid(
            "best_of",
            "above 'n' is not offered by this model; ask for all of them with 'n' and choose",
        )


def _invalid(place: str, what: str) -> RequestRefused:
    """The refusal of a member; `what` goes on after its name."""
    return RequestRefused(f"'{place}' {what}.", place)


def _number(given: Any, name: str) -> None:
    low, high = _NUMBERS[name]
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:
        raise _invalid(name, f"is a number from {low} to {high}")


def _whole(given: Any, name: str) -> None:
    low, high = _WHOLE[name]
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int) or not low <= given <= high:
        raise _invalid(name, f"is a whole number from {low} to {high}")


def _flag(given: Any, name: str) -> None:
    if not isinstance(given, bool | None):
        raise _invalid(name, "is true or false")


def _echo(given: Any, name: str) -> None:
    _flag(given, name)
    if given:
        raise _invalid(
            name, "is not offered by this model; put the prompt before its answer yourself"
        )


def _suffix(given: Any, name: str) -> None:
    if given is not None and given != "":
        raise _invalid(name, "is not offered: this model goes on from a prompt; leave it out")


def _stop(given: Any, name: str) -> None:
    if given is None or isinstance(given, str):
        return
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise _invalid(name, "is a string or an array of strings")


def _prompt(given: Any, name: str) -> None:
    if not isinstance(given, str | list) or given == []:
        raise _invalid(name, "is a text, texts, or arrays of tokens, and not empty")


def _messages(given: Any, name: str) -> None:
    if not isinstance(given, list) or not given:
        raise _invalid(name, "is an array of messages, at least one")
    for index, message in enumerate(given):
        _message(message, f"{name}[{index}]")


def _message(message: Any, place: str) -> None:
    if not isinstance(message, dict):
        raise _invalid(place, "is an object")
    role = message.get("role")
    if role not in _ROLES:
        raise _invalid(f"{place}.role", f"is one of {', '.join(_ROLES)}")
    if not isinstance(message.get("name"), str | None):
        raise _invalid(f"{place}.name", "is a string")
    content = message.get("content")
    if isinstance(content, list):
        for index, part in enumerate(content):
            _part(part, f"{place}.content[{index}]")
    elif not isinstance(content, str) and (content is not None or role != "assistant"):
        raise _invalid(f"{place}.content", "is a string or an array of parts")
    calls = message.get("tool_calls")
    if not isinstance(calls, list | None):
        raise _invalid(f"{place}.tool_calls", "is an array of calls")
    for index, call in enumerate(calls or ()):
        _call(call, f"{place}.tool_calls[{index}]")


def _part(part: Any, place: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind != "text":
        raise RequestRefused(
            f"{_TEXT_ALONE}, and '{place}' is no text. Leave the part out, or send it to a model "
            "that reads it.",
            place,
        )
    if not isinstance(part.get("text"), str):
        raise _invalid(f"{place}.text", "is a string")


def _call(call: Any, place: str) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or call.get("type") != "function":
        raise _invalid(place, "is a call of a function, with 'type' and 'function'")
    for name in ("name", "arguments"):
        if not isinstance(function.get(name), str):
            raise _invalid(f"{place}.function.{name}", "is a string")


def _tools(given: Any, name: str) -> None:
    if not isinstance(given, list | None):
        raise _invalid(name, "is an array of functions")
    for index, tool in enumerate(given or ()):
        place = f"{name}[{index}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise _invalid(place, "is of type 'function': this model is told of no other tools")
        function = tool.get("function")
        if not isinstance(function, dict):
            raise RequestRefused(
                f"Missing required parameter: '{place}.function'.", f"{place}.function"
            )
        if not isinstance(function.get("name"), str):
            raise _invalid(f"{place}.function.name", "is a string")
        if not isinstance(function.get("parameters"), dict | None):
            raise _invalid(f"{place}.function.parameters", "is a JSON schema")


def _tool_choice(given: Any, name: str) -> None:
    if given is not None and given not in _CHOICES and not isinstance(given, dict):
        raise _invalid(name, "is 'none', 'auto', 'required' or names a function")


def _response_format(given: Any, name: str) -> None:
    if given is None:
        return
    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in _FORMATS:
        raise _invalid(f"{name}.type", f"is one of {', '.join(_FORMATS)}")
    if kind != "json_schema":
        return
    place = f"{name}.json_schema"
    schema = given.get("json_schema")
    if not isinstance(schema, dict):
        raise _invalid(place, "is an object with a 'name' and a 'schema'")
    if not isinstance(schema.get("schema"), dict | None):
        raise _invalid(f"{place}.schema", "is a JSON schema")


Look = Callable[[Any, str], None]
_OF_BOTH: Final[dict[str, Look]] = {
    **dict.fromkeys(_WHOLE, _whole),
    **dict.fromkeys(_NUMBERS, _number),
    "stop": _stop,
}
_OF_CHAT: Final[dict[str, Look]] = {
    **_OF_BOTH,
    "logprobs": _flag,
    "messages": _messages,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _response_format,
}
_OF_COMPLETIONS: Final[dict[str, Look]] = {
    **_OF_BOTH,
    "echo": _echo,
    "prompt": _prompt,
    "suffix": _suffix,
}

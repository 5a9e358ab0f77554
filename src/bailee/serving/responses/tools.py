"""Tools and the choice among them, for chat and as a Response repeats them.

Function tools are translated. Tools that the Responses API runs itself (web search, files, code)
are refused by name: a backend that only speaks chat completions has none of them.
"""

from typing import Any, Final, NamedTuple

from bailee.kernel.redacted import hidden
from bailee.serving.responses.refusals import invalid, missing, shown_type, unsupported, wrong

Tool = dict[str, Any]

_CHOICES: Final = ("none", "auto", "required")
_OPTIONAL: Final = ("description", "parameters", "strict")


class ChatTools(NamedTuple):
    """What a chat request says of tools."""

    tools: list[Tool]
    choice: object
    """None: nothing is said."""

    def __repr__(self) -> str:
        return hidden(self)


def function_tools(tools: list[Any]) -> list[Tool]:
    """The tools as the Response repeats them. Raises CallRefused (WRONG_TYPE)."""
    return [_function(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def chat_tools(tools: list[Tool], choice: object) -> ChatTools:
    """Tools and choice in chat's shape. A choice of several leaves the others out."""
    if choice is None or isinstance(choice, str):
        if choice is not None and choice not in _CHOICES:
            raise invalid("tool_choice", "'tool_choice' is 'none', 'auto', 'required' or a tool.")
        return ChatTools([_for_chat(tool) for tool in tools], choice)
    if not isinstance(choice, dict):
        raise wrong("tool_choice", "a string or an object")
    kind = choice.get("type")
    if kind == "function":
        name = _known(choice, tools, "tool_choice")
        chosen = {"type": "function", "function": {"name": name}}
        return ChatTools([_for_chat(tool) for tool in tools], chosen)
    if kind == "allowed_tools":
        return _allowed(tools, choice)
    raise unsupported(
        "tool_choice.type", "This model's backend lets a function be chosen and no other tool."
    )


def _allowed(tools: list[Tool], choice: dict[str, Any]) -> ChatTools:
    allowed, mode = choice.get("tools"), choice.get("mode", "auto")
    if not isinstance(allowed, list) or not all(isinstance(one, dict) for one in allowed):
        raise wrong("tool_choice.tools", "an array of tools")
    if mode not in ("auto", "required"):
        raise invalid("tool_choice.mode", "'tool_choice.mode' is 'auto' or 'required'.")
    names = {_known(one, tools, f"tool_choice.tools[{index}]") for index, one in enumerate(allowed)}
    return ChatTools([_for_chat(tool) for tool in tools if tool["name"] in names], mode)


def _known(named: dict[str, Any], tools: list[Tool], place: str) -> str:
    name = named.get("name")
    if named.get("type") != "function" or not isinstance(name, str):
        raise unsupported(place, "This model's backend has function tools and no others.")
    if all(tool["name"] != name for tool in tools):
        raise invalid(f"{place}.name", "The function that is named is not among 'tools'.")
    return name


def _function(tool: object, place: str) -> Tool:
    if not isinstance(tool, dict):
        raise wrong(place, "an object")
    kind = tool.get("type")
    if kind != "function":
        raise unsupported(
            f"{place}.type",
            f"A tool {shown_type(kind)} cannot be used with this model, whose backend has "
            "function tools alone. Use a model whose backend speaks the Responses API.",
        )
    if not isinstance(tool.get("name"), str):
        raise missing(f"{place}.name")
    repeated = {"type": "function", "name": tool["name"]}
    return repeated | {name: tool.get(name) for name in _OPTIONAL}


def _for_chat(tool: Tool) -> Tool:
    function = {"name": tool["name"]}
    function |= {name: tool[name] for name in _OPTIONAL if tool[name] is not None}
    return {"type": "function", "function": function}

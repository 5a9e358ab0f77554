"""Items that are kept without being sent to a model, held to what the API's description allows.

Checked are messages and calls of functions, which every backend is told in chat's words later. Of
other items the type alone: what they hold is for the backends that know them.
"""

from collections.abc import Iterable
from typing import Any, Final

from bailee.serving.responses.refusals import invalid, missing, wrong

_INPUT: Final = ("input_text", "input_image", "input_file", "input_audio")
_OUTPUT: Final = ("output_text", "refusal")
_PARTS: Final = {
    "user": _INPUT,
    "system": _INPUT,
    "developer": _INPUT,
    # The description's short form of a message lets an assistant's have parts of either kind.
    "assistant": _OUTPUT + _INPUT,
}
_TEXTS: Final = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
OTHER_ITEMS: Final = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "compaction_trigger",
        "computer_call",
        "computer_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "file_search_call",
        "image_generation_call",
        "item_reference",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "reasoning",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
"""What items may be besides those that are looked into, as OpenAI's description has them."""


def check_kept_items(items: list[Any], place: str) -> None:
    """Refuse what no conversation can hold. Raises CallRefused (WRONG_TYPE) naming the field."""
    for index, item in enumerate(items):
        _check(item, f"{place}[{index}]")


def _check(item: Any, place: str) -> None:
    if not isinstance(item, dict):
        raise wrong(place, "an object")
    kind = item.get("type", "message")
    if not isinstance(kind, str):
        raise wrong(f"{place}.type", "a string")
    if kind == "message":
        _check_message(item, place)
    elif kind == "function_call":
        for name in ("call_id", "name", "arguments"):
            _check_text(item, name, place)
    elif kind == "function_call_output":
        _check_text(item, "call_id", place)
        if item.get("output") is None:
            raise missing(f"{place}.output")
        if not isinstance(item["output"], str):
            _check_parts(item["output"], _INPUT, f"{place}.output")
    elif kind not in OTHER_ITEMS:
        raise invalid(f"{place}.type", "There are no items of this type. See the API's reference.")


def _check_message(item: dict[str, Any], place: str) -> None:
    role = item.get("role")
    if role is None:
        raise missing(f"{place}.role")
    if not isinstance(role, str):
        raise wrong(f"{place}.role", "a string")
    if role not in _PARTS:
        raise invalid(f"{place}.role", f"Invalid value. Supported values are: {_listed(_PARTS)}.")
    if item.get("content") is None:
        raise missing(f"{place}.content")
    if not isinstance(item["content"], str):
        _check_parts(item["content"], _PARTS[role], f"{place}.content")


def _check_parts(parts: Any, allowed: tuple[str, ...], place: str) -> None:
    if not isinstance(parts, list):
        raise wrong(place, "a string or an array of parts")
    for index, part in enumerate(parts):
        where = f"{place}[{index}]"
        if not isinstance(part, dict):
            raise wrong(where, "an object")
        kind = part.get("type")
        if kind is None:
            raise missing(f"{where}.type")
        if not isinstance(kind, str):
            raise wrong(f"{where}.type", "a string")
        if kind not in allowed:
            raise invalid(
                f"{where}.type", f"Invalid value. Supported values are: {_listed(allowed)}."
            )
        if kind in _TEXTS:
            _check_text(part, _TEXTS[kind], where)


def _check_text(value: dict[str, Any], name: str, place: str) -> None:
    found = value.get(name)
    if found is None:
        raise missing(f"{place}.{name}")
    if not isinstance(found, str):
        raise wrong(f"{place}.{name}", "a string")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)

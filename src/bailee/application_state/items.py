"""Items of conversations and Responses as they are kept and shown.

Pure. An item that was sent in a short form is shown in the long one, with an identifier of its own.
"""

from typing import Any, Final, NamedTuple

from bailee.kernel.redacted import hidden

Item = dict[str, Any]

_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
}


class ItemsPage(NamedTuple):
    """A part of a list of items."""

    items: list[Item]
    has_more: bool

    def __repr__(self) -> str:
        return hidden(self)


def shown_item(item: Item, token: str, index: int) -> Item:
    """An item of an input as the API shows it. `token` is random, and of these items alone."""
    kind = item.get("type", "message")
    prefix = _PREFIXES.get(kind, "item") if isinstance(kind, str) else "item"
    shown: Item = {"id": f"{prefix}_{token}i{index:04x}", "type": kind, "status": "completed"}
    shown |= {name: value for name, value in item.items() if name != "id" and value is not None}
    if kind == "message" and isinstance(item.get("content"), str):
        shown["content"] = [_text(str(item.get("role")), item["content"])]
    return shown


def page_of(
    items: list[Item], after: str | None, limit: int, *, descending: bool = False
) -> ItemsPage:
    """The items behind the one called `after`; none if there is none of this name."""
    ordered = items[::-1] if descending else items
    if after is not None:
        at = next((at for at, item in enumerate(ordered) if item["id"] == after), len(ordered))
        ordered = ordered[at + 1 :]
    return ItemsPage(ordered[:limit], len(ordered) > limit)


def _text(role: str, text: str) -> dict[str, Any]:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}

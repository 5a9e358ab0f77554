"""Which features a call uses that an agreement may not cover (C16), read from its body.

Asked for callers under a business associate agreement alone: it reads the whole body. What is no
JSON object uses none; it is refused elsewhere. Nothing of the body is kept.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from bailee.policy.model import Feature

_OWN_TOOLS: Final = frozenset({"function", "custom", "allowed_tools"})
"""Tools that the caller runs itself."""
_FILES: Final = frozenset({"file_id", "file_ids", "file_url", "vector_store_ids"})
_CONTEXT: Final = ("previous_response_id", "conversation")


def features_of(body: bytes) -> tuple[Feature, ...]:
    """In the order of `Feature`."""
    try:
        members = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return ()
    if not isinstance(members, dict):
        return ()
    used = set(_used(members))
    return tuple(feature for feature in Feature if feature in used)


def _used(members: dict[str, Any]) -> Iterator[Feature]:
    if members.get("background"):
        yield Feature.BACKGROUND
    if members.get("web_search_options") is not None or _runs_tools(members.get("tools")):
        yield Feature.TOOLS
    if any(isinstance(members.get(name), str | dict) for name in _CONTEXT):
        yield Feature.STORED_CONTEXT
    if isinstance(members.get("prompt"), dict):
        yield Feature.STORED_CONTEXT
    if any(_names_files(members.get(name)) for name in ("messages", "input", "tools")):
        yield Feature.FILES


def _runs_tools(tools: Any) -> bool:
    if not isinstance(tools, list):
        return False
    return any(isinstance(tool, dict) and tool.get("type") not in _OWN_TOOLS for tool in tools)


def _names_files(part: Any) -> bool:
    waiting = [part]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if any(found.get(name) for name in _FILES):
                return True
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
    return False

"""A finished Response told again as a stream.

The events say what the Response says, each text in one piece. They are not the ones that were sent
when it was made: those are not kept.
"""

from typing import Final

from bailee.serving.responses.events import write_event
from bailee.serving.responses.frame import IN_PROGRESS, Document
from bailee.serving.responses.output import CallItem, ContentItem, Event, item_event

REPLAYED: Final = frozenset({"completed", "incomplete", "failed"})
"""States whose Responses can be told again. The last event is named after the state."""
CANCELLED: Final = "cancelled"
"""It has ended too, and the API's description has no event of a stream for it."""
_TEXTS: Final = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}


def replayed(response: Document, starting_after: int = -1) -> bytes:
    """The events behind the one with the number `starting_after`."""
    begun = response | {
        "status": IN_PROGRESS.status, "output": [], "usage": None, "completed_at": None,
        "incomplete_details": None, "error": None,
    }  # fmt: skip
    events: list[Event] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(response["output"]):
        events += _item(item, index)
    events.append({"type": f"response.{response['status']}", "response": response})
    numbered = list(enumerate(events))
    return b"".join(write_event(event, number) for number, event in numbered[starting_after + 1 :])


def _item(item: Document, index: int) -> list[Event]:
    kind = item.get("type")
    status = item.get("status") or "completed"
    if kind == "function_call":
        call = CallItem(item["id"], index, item["call_id"], item["name"])
        grown = call.grow(item["arguments"]) if item["arguments"] else []
        return [*call.begin(), *grown, *call.end(status)]
    parts: list[Document] = item.get("content") or []
    if kind not in ("message", "reasoning") or not _plain(parts):
        # What a native backend made beyond text has no pieces here.
        return [item_event("added", index, item), item_event("done", index, item)]
    content = ContentItem(kind, item["id"], index)
    events = content.begin()
    for part in parts:
        events += content.grow(part["type"], part[_TEXTS[part["type"]]], part.get("logprobs") or [])
    # The item itself has the last word: what has no event of its own is in it.
    return [*events, *content.end(status)[:-1], item_event("done", index, item)]


def _plain(parts: list[Document]) -> bool:
    return all(part.get("type") in _TEXTS for part in parts)

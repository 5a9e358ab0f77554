"""The items of an output while they grow, and the events that say so.

Each item tells what it is now (`document`) and gives the events of its beginning, its growth and
its end, without sequence numbers.
"""

from typing import Any, Final

from bailee.serving.responses.frame import Document

Event = dict[str, Any]

COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
IN_PROGRESS: Final = "in_progress"

_NAMES: Final = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
_EVENTS: Final = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
}


class Part:
    """One part of an item's content."""

    __slots__ = ("_logprobs", "_pieces", "kind")

    def __init__(self, kind: str) -> None:
        self.kind: Final = kind
        self._pieces: list[str] = []
        self._logprobs: list[Document] = []

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._pieces)

    def grow(self, piece: str, logprobs: list[Document]) -> Event:
        """More of it has come."""
        self._pieces.append(piece)
        self._logprobs += logprobs
        event: Event = {"type": f"{_EVENTS[self.kind]}.delta", "delta": piece}
        if self.kind == "output_text":
            event["logprobs"] = [_without_bytes(one) for one in logprobs]
        return event

    def done(self) -> Event:
        """It is whole."""
        event: Event = {"type": f"{_EVENTS[self.kind]}.done", _NAMES[self.kind]: self.text}
        if self.kind == "output_text":
            event["logprobs"] = [_without_bytes(one) for one in self._logprobs]
        return event

    def document(self) -> Document:
        """The part as an item has it."""
        said: Document = {"type": self.kind, _NAMES[self.kind]: self.text}
        if self.kind == "output_text":
            said |= {"annotations": [], "logprobs": self._logprobs}
        return said


class ContentItem:
    """A message or a piece of reasoning: an item with content."""

    __slots__ = ("_open", "_parts", "index", "item_id", "kind", "status")

    def __init__(self, kind: str, item_id: str, index: int) -> None:
        self.kind: Final = kind
        self.item_id: Final = item_id
        self.index: Final = index
        self.status = IN_PROGRESS
        self._parts: list[Part] = []
        self._open: Part | None = None

    def begin(self) -> list[Event]:
        """It is there, and empty."""
        return [item_event("added", self.index, self.document())]

    def grow(self, kind: str, piece: str, logprobs: list[Document]) -> list[Event]:
        """More of a part of some kind has come."""
        events: list[Event] = []
        if self._open is None or self._open.kind != kind:
            events += self._close_part()
            self._open = Part(kind)
            self._parts.append(self._open)
            events.append(self._part_event("added", self._open))
        events.append(self._placed(self._open.grow(piece, logprobs)))
        return events

    def end(self, status: str) -> list[Event]:
        """It is whole, or will never be."""
        if self.status != IN_PROGRESS:
            return []
        events = self._close_part()
        self.status = status
        events.append(item_event("done", self.index, self.document()))
        return events

    def document(self) -> Document:
        """The item as the API shows it."""
        content = [part.document() for part in self._parts]
        if self.kind == "reasoning":
            return {
                "id": self.item_id,
                "type": "reasoning",
                "summary": [],
                "content": content,
                "status": self.status,
            }
        return {
            "id": self.item_id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": content,
        }

    def _close_part(self) -> list[Event]:
        part, self._open = self._open, None
        if part is None:
            return []
        return [self._placed(part.done()), self._part_event("done", part)]

    def _part_event(self, which: str, part: Part) -> Event:
        event: Event = {"type": f"response.content_part.{which}", "part": part.document()}
        return self._placed(event)

    def _placed(self, event: Event) -> Event:
        index = len(self._parts) - 1
        return event | {
            "item_id": self.item_id,
            "output_index": self.index,
            "content_index": index,
        }


class CallItem:
    """A call of a function."""

    __slots__ = ("_call_id", "_name", "_pieces", "index", "item_id", "status")

    kind = "function_call"

    def __init__(self, item_id: str, index: int, call_id: str, name: str) -> None:
        self.item_id: Final = item_id
        self.index: Final = index
        self.status = IN_PROGRESS
        self._call_id = call_id
        self._name = name
        self._pieces: list[str] = []

    def begin(self) -> list[Event]:
        """It is there, without arguments."""
        return [item_event("added", self.index, self.document())]

    def grow(self, piece: str) -> list[Event]:
        """More of its arguments has come."""
        self._pieces.append(piece)
        return [
            {
                "type": "response.function_call_arguments.delta",
                "item_id": self.item_id,
                "output_index": self.index,
                "delta": piece,
            }
        ]

    def end(self, status: str) -> list[Event]:
        """It is whole, or will never be."""
        self.status = status
        document = self.document()
        done: Event = {
            "type": "response.function_call_arguments.done",
            "item_id": self.item_id,
            "output_index": self.index,
            "arguments": document["arguments"],
        }
        return [done, item_event("done", self.index, document)]

    def document(self) -> Document:
        """The item as the API shows it."""
        return {
            "id": self.item_id,
            "type": "function_call",
            "status": self.status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": "".join(self._pieces),
        }


def item_event(which: str, index: int, document: Document) -> Event:
    """An item is `added` or `done`."""
    return {"type": f"response.output_item.{which}", "output_index": index, "item": document}


def _without_bytes(logprob: Document) -> Document:
    """A log probability as events have it."""
    return {
        "token": logprob["token"],
        "logprob": logprob["logprob"],
        "top_logprobs": [
            {"token": top["token"], "logprob": top["logprob"]} for top in logprob["top_logprobs"]
        ],
    }

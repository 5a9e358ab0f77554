"""A chat answer becoming the output of a Response, whole or piece by piece, in one way for both.

Promises: the events that are given, put together, say exactly what `output` and `ended` say, and
those do not depend on how the answer was cut into pieces. Reasoning comes before the message and
the message before the calls, as chat backends give them. Only the first choice is read.
"""

from typing import Any, Final

from bailee.serving.responses.frame import Document, Ended, Made, usage_document
from bailee.serving.responses.output import (
    COMPLETED,
    INCOMPLETE,
    CallItem,
    ContentItem,
    Event,
)

_CUT_SHORT: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_PIECES: Final = (("content", "output_text"), ("refusal", "refusal"))
_REASONING: Final = ("reasoning_content", "reasoning")


class Assembly:
    """One answer on its way."""

    __slots__ = ("_calls", "_content", "_finish", "_items", "_logprobs", "_made", "usage")

    def __init__(self, made: Made, *, logprobs: bool) -> None:
        self._made = made
        self._logprobs = logprobs
        self._items: list[ContentItem | CallItem] = []
        self._content: ContentItem | None = None
        """The message or reasoning that still grows."""
        self._calls: dict[int, CallItem] = {}
        self._finish: str | None = None
        self.usage: Document | None = None

    @property
    def finished(self) -> bool:
        """Whether the finish reason has come."""
        return self._finish is not None

    @property
    def output(self) -> list[Document]:
        """The items as they are now."""
        return [item.document() for item in self._items]

    def take(self, document: Any) -> list[Event]:
        """Take a chat completion, or one chunk of it; gives what has happened."""
        if not isinstance(document, dict):
            return []
        usage = usage_document(document.get("usage"))
        if usage is not None:
            self.usage = usage
        choices = document.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index", 0) != 0 or self.finished:
            return []
        said = choice.get("message") or choice.get("delta")
        events: list[Event] = []
        if isinstance(said, dict):
            events += self._reasoning(said)
            events += self._message(said, choice.get("logprobs"))
            events += self._function_calls(said.get("tool_calls"))
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            events += self._end(reason)
        return events

    def end(self) -> list[Event]:
        """The answer has come to its end; without a finish reason it simply stops."""
        return [] if self.finished else self._end("stop")

    def ended(self, completed_s: int) -> Ended:
        """How it ended."""
        reason = _CUT_SHORT.get(self._finish or "")
        if reason is not None:
            return Ended(INCOMPLETE, reason)
        return Ended(COMPLETED, completed_s=completed_s)

    def _reasoning(self, said: Document) -> list[Event]:
        for name in _REASONING:
            piece = said.get(name)
            if isinstance(piece, str) and piece:
                item, events = self._growing("reasoning", "rs")
                return events + item.grow("reasoning_text", piece, [])
        return []

    def _message(self, said: Document, logprobs: Any) -> list[Event]:
        events: list[Event] = []
        for name, kind in _PIECES:
            piece = said.get(name)
            if isinstance(piece, str) and piece:
                item, begun = self._growing("message", "msg")
                counted = _logprobs(logprobs) if self._logprobs and name == "content" else []
                events += begun + item.grow(kind, piece, counted)
        return events

    def _growing(self, kind: str, prefix: str) -> tuple[ContentItem, list[Event]]:
        """The item of a kind that grows, begun if there is none."""
        item = self._content
        if item is not None and item.kind == kind:
            return item, []
        events = item.end(COMPLETED) if item is not None else []
        index = len(self._items)
        item = self._content = ContentItem(kind, self._made.item_id(prefix, index), index)
        self._items.append(item)
        return item, events + item.begin()

    def _function_calls(self, calls: Any) -> list[Event]:
        events: list[Event] = []
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                continue
            events += self._function_call(call.get("index", place), call, function)
        return events

    def _function_call(self, number: int, call: Document, function: Document) -> list[Event]:
        events: list[Event] = []
        item = self._calls.get(number)
        if item is None:
            if self._content is not None:
                events += self._content.end(COMPLETED)
                self._content = None
            index = len(self._items)
            item_id = self._made.item_id("fc", index)
            call_id = call.get("id") or self._made.item_id("call", index)
            item = CallItem(item_id, index, call_id, function.get("name") or "")
            self._calls[number] = item
            self._items.append(item)
            events += item.begin()
        piece = function.get("arguments")
        if isinstance(piece, str) and piece:
            events += item.grow(piece)
        return events

    def _end(self, reason: str) -> list[Event]:
        self._finish = reason
        events: list[Event] = []
        if not self._items:
            item, events = self._growing("message", "msg")
            events += item.grow("output_text", "", [])
        status = INCOMPLETE if reason in _CUT_SHORT else COMPLETED
        if self._content is not None:
            events += self._content.end(status)
        for call in self._calls.values():
            events += call.end(status)
        return events


def _logprobs(logprobs: Any) -> list[Document]:
    found = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [_logprob(one) for one in found or () if isinstance(one, dict)]


def _logprob(one: Document) -> Document:
    tops = one.get("top_logprobs") or ()
    return _token(one) | {"top_logprobs": [_token(top) for top in tops if isinstance(top, dict)]}


def _token(one: Document) -> Document:
    return {
        "token": one.get("token", ""),
        "bytes": one.get("bytes") or [],
        "logprob": one.get("logprob", 0.0),
    }

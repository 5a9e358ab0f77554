"""The event sequence of a streamed Response, with its sequence numbers.

    created, in_progress, (item added, pieces, item done)*, completed | incomplete | failed

Promises: numbers count from 0 without a gap; the last event holds the whole Response; nothing
follows it.
"""

import re
from typing import Final

import msgspec

from bailee.serving.errors import Because, CallRefused
from bailee.serving.responses.assembly import Assembly
from bailee.serving.responses.frame import (
    IN_PROGRESS,
    Document,
    Ended,
    Made,
    response_document,
)
from bailee.serving.responses.output import INCOMPLETE, Event
from bailee.serving.responses.request import CreateResponse

FAILED: Final = "failed"
_END: Final = re.compile(
    rb'(?:\A|\n)(?:event: ?|data: ?\{"type": ?")response\.(?:completed|incomplete|failed)\b'
)
_CODES: Final = {
    Because.REQUEST_LIMIT: "rate_limit_exceeded",
    Because.TOKEN_LIMIT: "rate_limit_exceeded",
}


class ResponseEvents:
    """Writes the events of one Response."""

    __slots__ = ("_assembly", "_made", "_next", "_request", "response")

    def __init__(self, request: CreateResponse, made: Made) -> None:
        self._request: Final = request
        self._made: Final = made
        self._assembly: Final = Assembly(made, logprobs=request.logprobs)
        self._next = 0
        self.response: Document | None = None
        """The whole Response, once it has ended."""

    def begin(self) -> bytes:
        """The first events: it was made, and is being answered."""
        response = response_document(self._request, self._made, IN_PROGRESS, [])
        return self._write(
            [
                {"type": "response.created", "response": response},
                {"type": "response.in_progress", "response": response},
            ]
        )

    @property
    def finished(self) -> bool:
        """Whether the answer's finish reason has come."""
        return self._assembly.finished

    def take(self, chat: object) -> bytes:
        """The events that follow from a chat completion or a chunk of one."""
        return self._write(self._assembly.take(chat))

    def end(self, completed_s: int) -> bytes:
        """The last events of an answer that is whole."""
        written = self._write(self._assembly.end())
        return written + self._last(self._assembly.ended(completed_s))

    def fail(self, refused: CallRefused) -> bytes:
        """The last event of an answer that broke off, or that was whole and cannot be given."""
        if self.response is not None:
            self._next -= 1  # the event that said otherwise has not left
        error = {
            "code": _CODES.get(refused.because, "server_error"),
            "message": str(refused),
        }
        return self._last(Ended(FAILED, error=error))

    def whole(self, chat: object, completed_s: int) -> Document:
        """The Response that says what a whole chat completion says."""
        self._assembly.take(chat)
        self.end(completed_s)
        return self.response or {}

    def _last(self, ended: Ended) -> bytes:
        output = self._assembly.output
        if ended.status == FAILED:
            for item in output:
                if item["status"] == IN_PROGRESS.status:
                    item["status"] = INCOMPLETE
        response = response_document(self._request, self._made, ended, output, self._assembly.usage)
        self.response = response
        return self._write([{"type": f"response.{ended.status}", "response": response}])

    def _write(self, events: list[Event]) -> bytes:
        written: list[bytes] = []
        for event in events:
            written.append(write_event(event, self._next))
            self._next += 1
        return b"".join(written)


def write_event(event: Event, number: int) -> bytes:
    """An event as it is sent."""
    name: str = event["type"]
    data = msgspec.json.encode({"type": name, "sequence_number": number} | event)
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


class ResponseEnding:
    """Finds where the last event of a streamed Response begins."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = False

    def find(self, block: bytes) -> int | None:
        """Where what is held back until all is durable begins, if it is in this block."""
        found = _END.search(block)
        if found is None:
            return None
        self.seen = True
        begins = found.start()
        return begins + 1 if block[begins : begins + 1] == b"\n" else begins

"""Passing a streamed answer on, event by event, and recording it.

Promises, in the order of the stream: no byte leaves before the prompt is durable; whole events
leave as they arrive; what was passed on is sealed at the latest a second later or when 64 KiB have
gathered, and is then made durable before more leaves; what follows the finish reason (of every
choice), or the event that ends a Response, leaves when the whole answer is durable. A backend
that breaks off ends the stream with an error event, and the record is closed as broken; a client
that leaves stops the backend, and the record is closed with what had arrived. The bytes of events
are never changed.
"""

import re
from contextlib import suppress
from typing import Final, Protocol

from bailee.kernel.errors import Unavailable
from bailee.kernel.event_streams import MAX_EVENT_BYTES, Events
from bailee.ports.backend import BackendAnswer, BackendFailure
from bailee.ports.clock import Clock
from bailee.serving.ending import Ending
from bailee.serving.errors import Because, CallRefused, unrecordable
from bailee.serving.exchange import refusal_of
from bailee.serving.recording import AnswerRecording
from bailee.serving.usage import Used, used_tokens

SEAL_BYTES: Final = 64 * 1024
SEAL_AFTER_S: Final = 1.0
_SWEEP_S: Final = 0.25

_FINISH: Final = re.compile(rb'"finish_reason"\s*:\s*"')
_DONE: Final = re.compile(rb"(?:^|\n)data: ?\[DONE\]")
_EVENT_END: Final = re.compile(rb"\r?\n\r?\n")


class Sink(Protocol):
    """Where a stream goes: the client's end, whose head was sent."""

    async def send(self, part: bytes) -> bool:
        """Pass bytes on; False: the client has left."""
        ...


class ErrorEvent(Protocol):
    """Writes a refusal as the last event of a stream. The API's to shape."""

    def __call__(self, refused: CallRefused) -> bytes:
        """The event's bytes, blank line included."""
        ...


class ChatEnding:
    """The end of a chat completion or completion: what follows the last choice's finish reason."""

    __slots__ = ("_choices", "_finishes")

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._finishes = 0

    @property
    def seen(self) -> bool:
        """Whether any choice has finished."""
        return self._finishes > 0

    def find(self, block: bytes) -> int | None:
        """Where what follows the last choice's finish reason begins."""
        for found in _FINISH.finditer(block):
            self._finishes += 1
            if self._finishes == self._choices:
                end = _EVENT_END.search(block, found.end())
                return end.end() if end else len(block)
        done = _DONE.search(block)
        return done.start() if done else None


class Streams:
    """The streams in progress of one process, so that what they hold is sealed in time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._live: set[Stream] = set()

    def enter(self, stream: "Stream") -> None:
        """Watch over a stream."""
        self._live.add(stream)

    def leave(self, stream: "Stream") -> None:
        """The stream has ended."""
        self._live.discard(stream)

    async def run(self) -> None:
        """Seal what has waited for a second, for as long as this is not cancelled."""
        rounds = round(SEAL_AFTER_S / _SWEEP_S) - 1
        while True:
            await self._clock.sleep_s(_SWEEP_S)
            for stream in self._live:
                stream.seal_when_due(rounds)


class Stream:
    """One streamed answer on its way."""

    __slots__ = (
        "_answer",
        "_closed",
        "_ending",
        "_error_event",
        "_event_count",
        "_events",
        "_held",
        "_pending",
        "_pending_bytes",
        "_recording",
        "_rounds",
        "_sink",
        "_usage",
    )

    def __init__(
        self,
        answer: BackendAnswer,
        recording: AnswerRecording,
        sink: Sink,
        error_event: ErrorEvent,
        ending: Ending,
    ) -> None:
        self._answer = answer
        self._recording = recording
        self._sink = sink
        self._error_event = error_event
        self._ending = ending
        self._events = Events()
        self._held: list[bytes] | None = None
        """What is held back until all is durable; None before the end."""
        self._pending: list[bytes] = []
        """Passed on and not yet sealed."""
        self._pending_bytes = 0
        self._rounds = 0
        self._event_count = 0
        self._usage: Used | None = None
        self._closed = False
        """Whether the record has had its last part."""

    @property
    def answer_tokens(self) -> int:
        """About how many tokens were streamed, where no usage was stated."""
        return self._event_count

    @property
    def usage(self) -> Used | None:
        """The total that the backend stated, if it did."""
        return self._usage

    def seal_when_due(self, rounds: int) -> None:
        """The sweep: seal what has waited for more than `rounds` of it."""
        if self._pending and not self._closed:
            if self._rounds >= rounds:
                # A refusal is met again, and acted on, by whoever waits for durability.
                with suppress(Unavailable):
                    self._seal()
            else:
                self._rounds += 1

    async def run(self) -> None:
        """Pass the answer on to its end, whichever end that is. Raises CancelledError alone."""
        try:
            await self._pass_on()
        except BackendFailure as failure:
            await self._break_off(refusal_of(failure))
        except CallRefused as refused:
            self._answer.abandon()
            await self._break_off(refused)
        except Unavailable:
            self._answer.abandon()
            self._record_end(b"")
            await self._sink.send(self._error_event(unrecordable("The answer")))
        except _ClientLeftError:
            self._close_short()
        except BaseException:
            self._close_short()
            raise

    async def _pass_on(self) -> None:
        events = self._events
        async for chunk in self._answer.chunks():
            block = events.feed(chunk)
            if block:
                await self._forward(block)
            if len(events.rest) > MAX_EVENT_BYTES:
                raise CallRefused(Because.UPSTREAM_BROKEN, "The backend sent an endless event.")
        await self._finish()

    async def _forward(self, block: bytes) -> None:
        self._event_count += block.count(b"\n\n")
        if self._held is not None:
            self._held.append(block)
            return
        cut = self._ending.find(block)
        if cut is not None:
            self._held = [block[cut:]]
            block = block[:cut]
            if not block:
                return
        self._pending.append(block)
        self._pending_bytes += len(block)
        await self._send(block)
        if self._pending_bytes >= SEAL_BYTES:
            self._seal()
            await self._recording.durable()

    async def _finish(self) -> None:
        if self._held is None and not self._ending.seen:
            raise CallRefused(
                Because.UPSTREAM_BROKEN,
                "The backend of this model ended its answer before the end. Try again.",
            )
        held = b"".join(self._held or ()) + self._events.rest
        self._usage = used_tokens(held)
        self._closed = True
        self._recording.answer(self._taken() + held, 200, final=True)
        await self._recording.durable()
        if held:
            await self._send(held)

    async def _break_off(self, refused: CallRefused) -> None:
        event = self._error_event(refused)
        held = b"".join(self._held or ())
        recorded = self._record_end(held + event)
        try:
            await self._recording.durable()
        except Unavailable:
            recorded = False
        if not recorded:
            held, event = b"", self._error_event(unrecordable("The answer"))
        await self._sink.send(held + event)

    def _close_short(self) -> None:
        """Nobody listens any more: stop the backend, keep what had arrived."""
        self._answer.abandon()
        self._record_end(b"".join(self._held or ()) + self._events.rest)

    def _record_end(self, last: bytes) -> bool:
        """Close the record as broken; False if even that cannot be held."""
        if self._closed:
            return True
        self._closed = True
        try:
            self._recording.answer(self._taken() + last, 200, final=True, broken=True)
        except Unavailable:
            return False
        return True

    def _seal(self) -> None:
        self._recording.answer(b"".join(self._pending), 200, final=False)
        self._taken()

    def _taken(self) -> bytes:
        pending = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = self._rounds = 0
        return pending

    async def _send(self, block: bytes) -> None:
        if not await self._sink.send(block):
            raise _ClientLeftError


class _ClientLeftError(Exception):
    """The client has closed its end."""


async def run_stream(stream: Stream, streams: Streams) -> None:
    """Run `stream` under the sweep."""
    streams.enter(stream)
    try:
        await stream.run()
    finally:
        streams.leave(stream)

"""Answering one line: the road of single calls (`serving.answer`), with both of its ends in memory.

Policy, sealing, backends and their concurrency are that road's. In place of an API key a line shows
a ticket that stands for its batch; who calls is what stands of the batch's project now, so that a
project that may not call any more is refused here too. What failed for a moment is tried again:
a backend's trouble a few times, our own for as long as the batch lasts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from bailee.application_state.keeping import KeptFor
from bailee.kernel.errors import NotFound
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import HiddenStruct, hidden
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness
from bailee.serving.answer import Answering
from bailee.serving.batching.lines import Line
from bailee.serving.call import Operation
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused
from bailee.serving.routing import Headers

ATTEMPTS: Final = 4
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_FOR_A_MOMENT: Final = frozenset({429, 500, 502, 503, 504, 529})
_OUR_OWN: Final = frozenset({"recording_unavailable", "facts_unavailable", "stopping"})
_TICKET_BYTES: Final = 24
_ID_BYTES: Final = 16
Report = Callable[[str, BaseException], None]
"""Told of defects: the request id and the exception, whose text must not be written down."""


class LineResult(NamedTuple):
    """What became of a line."""

    position: int
    good: bool
    """Whether it belongs into the output file; else into the error file."""
    written: bytes
    """As the file has it, without the end of the line."""

    def __repr__(self) -> str:
        return hidden(self)


class _Error(msgspec.Struct):
    code: str
    message: str


class _Response(HiddenStruct, frozen=True):
    status_code: int
    request_id: str
    body: msgspec.Raw


class _Written(msgspec.Struct):
    id: str
    custom_id: str
    response: _Response | None
    error: _Error | None


class Tickets:
    """Who calls with a ticket. `serving.caller.Authenticate`."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._callers: dict[str, tuple[Caller, KeptFor]] = {}

    def issue(self, caller: Caller, whose: KeptFor) -> str:
        """A ticket for a batch's lines; `whose` is the batch's grant."""
        ticket = self._randomness.random_bytes(_TICKET_BYTES).hex()
        self._callers[ticket] = (caller, whose)
        return ticket

    def confirm(self, ticket: str, caller: Caller) -> None:
        """What stands of the project now."""
        known = self._callers.get(ticket)
        if known is not None and known[0] != caller:  # plans stand for the very same value
            self._callers[ticket] = (caller, known[1])

    def withdraw(self, ticket: str) -> None:
        """Nobody calls with it any more."""
        self._callers.pop(ticket, None)

    def whose(self, ticket: str) -> KeptFor:
        """The grant behind a ticket. Raises NotFound."""
        if ticket not in self._callers:
            raise NotFound("This batch is not carried here any more.")
        return self._callers[ticket][1]

    def __call__(self, credential: str, now: Instant) -> Caller:  # noqa: ARG002 - the port's
        """See the port."""
        known = self._callers.get(credential)
        if known is None:
            raise CallRefused(Because.STOPPING, "This batch is not carried here any more.")
        return known[0]


class _Request:
    """`serving.answer.Request` in memory."""

    def __init__(self, ticket: str, body: bytes) -> None:
        self._authorization = f"Bearer {ticket}"
        self._body = body

    @property
    def shown_certificates(self) -> None:
        """No connection: whoever sent the batch was asked then."""
        return None

    def header(self, name: str) -> str | None:
        """The ticket alone."""
        return self._authorization if name == "authorization" else None

    async def body(self) -> bytes:
        """The line's body."""
        return self._body


@dataclass(slots=True)
class _Client:
    """`serving.answer.Client` in memory. A stream has no place in it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer."""
        self.status, self.headers, self.body = status, dict(headers), body

    def begin(self, status: int, headers: Headers) -> None:  # noqa: ARG002 - the port's
        """A stream that nobody asked for."""
        self.headers = dict(headers)

    async def send(self, part: bytes) -> bool:  # noqa: ARG002 - the port's
        """Nobody listens."""
        return False

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class LineAnswering:
    """Answers lines. One for each process."""

    answering: Answering
    tickets: Tickets
    clock: Clock
    randomness: Randomness
    report: Report

    async def answer(self, operation: Operation, ticket: str, line: Line) -> LineResult:
        """Ask until there is an answer, or a refusal that will not pass."""
        failures, pause_s = 0, FIRST_PAUSE_S
        while True:
            client = await self._ask(operation, ticket, line)
            if client.status not in _FOR_A_MOMENT:
                return self._result(line, client)
            failures += _code(client.body) not in _OUR_OWN
            if failures == ATTEMPTS:
                return self._result(line, client)
            await self.clock.sleep_s(max(pause_s, _asked_pause_s(client.headers)))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def unanswered(self, line: Line, code: str, message: str) -> LineResult:
        """The result of a line that nobody answered."""
        written = _Written(self._name(), line.custom_id, None, _Error(code, message))
        return LineResult(line.position, False, msgspec.json.encode(written))

    async def _ask(self, operation: Operation, ticket: str, line: Line) -> _Client:
        client, arrival = _Client(), self.answering.arrive()
        try:
            await self.answering.answer(arrival, operation, _Request(ticket, line.body), client)
        except Exception as error:  # noqa: BLE001 - one line's defect ends no other's work
            self.report(arrival.request_id, error)
        return client

    def _result(self, line: Line, client: _Client) -> LineResult:
        request_id = client.headers.get("x-request-id", "")
        try:
            # On one line, whatever the backend made of it.
            body = msgspec.json.format(client.body, indent=-1)
        except (msgspec.DecodeError, RecursionError):
            return self.unanswered(line, "server_error", "The answer was not JSON.")
        response = _Response(client.status, request_id, msgspec.Raw(body))
        written = msgspec.json.encode(_Written(self._name(), line.custom_id, response, None))
        return LineResult(line.position, 200 <= client.status < 300, written)

    def _name(self) -> str:
        return f"batch_req_{self.randomness.random_bytes(_ID_BYTES).hex()}"


class _ShapedError(msgspec.Struct):
    code: str | None = None


class _Shaped(msgspec.Struct):
    error: _ShapedError


def _code(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Shaped).error.code
    except (msgspec.DecodeError, RecursionError):
        return None


def _asked_pause_s(headers: dict[str, str]) -> float:
    """What a backend or a limit asks for, as far as it is reasonable."""
    try:
        return min(float(headers.get("retry-after", "0")), LONGEST_PAUSE_S)
    except ValueError:
        return 0.0

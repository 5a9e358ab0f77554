"""The gateway's application: the hot operations on RSGI, everything else handed on to ASGI.

RSGI is Granian's own interface (docs/spec/RSGI.md of emmett-framework/granian): it costs a
fraction of ASGI. This module reads requests and writes answers; it decides nothing. Every failure
ends in an OpenAI-shaped error, and a defect shows a request id alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec

from bailee.api.bodies import JSON_MEDIA, check_media
from bailee.api.errors import (
    OpenAiRefusals,
    internal_error,
    unknown_operation,
    wrong_method,
)
from bailee.api.inflight import InFlight, Requests
from bailee.kernel.numbers import whole_number
from bailee.kernel.redacted import Content
from bailee.ports.clock import Clock
from bailee.serving.answer import Answering, Arrival, credential_of
from bailee.serving.call import (
    CHAT_COMPLETIONS,
    COMPLETIONS,
    EMBEDDINGS,
    MODERATIONS,
    RESPONSES,
    Operation,
)
from bailee.serving.caller import Caller
from bailee.serving.client_certificates import ShownCertificates
from bailee.serving.errors import Because, CallRefused
from bailee.serving.routing import ServedModel, unknown_model

Headers = list[tuple[str, str]]

_OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.endpoint: operation
    for operation in (CHAT_COMPLETIONS, COMPLETIONS, RESPONSES, EMBEDDINGS, MODERATIONS)
}
_MODELS: Final = "/v1/models"
_API: Final = ("/v1", "/bailee/")
_STORED_CHATS: Final = (CHAT_COMPLETIONS.endpoint, "GET")
"""Listing what was stored is off the hot path, below the same path."""


class ScopeHeaders(Protocol):
    """A request's headers."""

    def get(self, key: str, default: str | None = None, /) -> str | None:
        """The value of the first header with this lower-case name."""
        ...

    def items(self) -> list[tuple[str, str]]:
        """All headers in order."""
        ...


class Scope(Protocol):
    """What RSGI says of a request."""

    @property
    def proto(self) -> str:
        """`http`; anything else is not served."""
        ...

    @property
    def http_version(self) -> str:
        """`1.0`, `1.1` or `2`."""
        ...

    @property
    def scheme(self) -> str:
        """`https`, or `http` on the benchmark's listener."""
        ...

    @property
    def method(self) -> str:
        """In capitals."""
        ...

    @property
    def path(self) -> str:
        """Decoded, without the query."""
        ...

    @property
    def query_string(self) -> str:
        """What follows the question mark."""
        ...

    @property
    def client(self) -> str:
        """Address and port of the client."""
        ...

    @property
    def server(self) -> str:
        """Address and port of the server."""
        ...

    @property
    def headers(self) -> ScopeHeaders:
        """The request's headers."""
        ...


class StreamTransport(Protocol):
    """The open end of a streamed answer."""

    def send_bytes(self, data: bytes) -> Awaitable[None]:
        """Pass bytes on; fails when the client has left."""
        ...


class Protocol_(Protocol):  # noqa: N801 - `Protocol` is typing's
    """What RSGI lets an application do with a request."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        ...

    def client_disconnect(self) -> Awaitable[None]:
        """Resolves when the client has closed its connection."""
        ...

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Give a whole answer."""
        ...

    def response_stream(self, status: int, headers: Headers) -> StreamTransport:
        """Begin a streamed answer."""
        ...


HandOn = Callable[[Scope, Protocol_, Headers], Awaitable[None]]
"""Answers what is off the hot path; the headers are those that every answer has."""
Report = Callable[[str, BaseException], None]
"""Told of defects: the request id and the exception, whose text must not be written down."""


class Exchange:
    """One RSGI request as `serving.answer` wants it: its `Request` and its `Client`."""

    __slots__ = (
        *("_headers", "_in_flight", "_limit_bytes", "_protocol", "_scope", "_transport"),
        "answered",
    )

    def __init__(
        self, scope: Scope, protocol: Protocol_, in_flight: InFlight, limit_bytes: int
    ) -> None:
        self._scope = scope
        self._headers = scope.headers
        self._protocol = protocol
        self._in_flight = in_flight
        self._limit_bytes = limit_bytes
        self._transport: StreamTransport | None = None
        self.answered = False

    @property
    def shown_certificates(self) -> ShownCertificates | None:
        """What the client showed when its connection began."""
        return shown_certificates(self._scope)

    def header(self, name: str) -> str | None:
        """A header's value."""
        return self._headers.get(name)

    async def body(self) -> bytes:
        """The whole body, within the limit, as JSON is declared."""
        check_media(self._headers)
        stated = self._headers.get("content-length")
        if stated is None or not stated.isdigit():
            body = await read_body(self._protocol, self._limit_bytes)
        else:
            if whole_number(stated, 0, self._limit_bytes) is None:
                raise too_large(self._limit_bytes)
            try:
                body = await self._protocol()
            except (RuntimeError, OSError):
                raise incomplete() from None
        self._in_flight.body_arrived = True
        return Content(body)

    def body_arrives(self) -> None:
        """The body is somebody else's to wait for."""
        self._in_flight.body_arrived = True

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Give a whole answer."""
        self.answered = True
        self._protocol.response_bytes(status, headers, body)

    def begin(self, status: int, headers: Headers) -> None:
        """Send a stream's head."""
        self.answered = True
        self._transport = self._protocol.response_stream(status, headers)

    def close(self) -> None:
        """Let go of the stream: a server may end it when nobody holds its transport any more."""
        self._transport = None

    async def send(self, part: bytes) -> bool:
        """Pass a stream's bytes on; False: the client has left."""
        if self._transport is None:
            return False
        try:
            await self._transport.send_bytes(part)
        except (RuntimeError, OSError):
            return False
        return True


def shown_certificates(scope: Scope) -> ShownCertificates | None:
    """What the client showed; None where it was not asked. RSGI has no word for it."""
    shown: ShownCertificates | None = getattr(scope, "shown_certificates", None)
    return shown


async def read_body(protocol: Protocol_, limit_bytes: int) -> bytes:
    """A body of unstated length. Raises CallRefused (BODY_TOO_LARGE, BODY_INCOMPLETE)."""
    parts: list[bytes] = []
    size_bytes = 0
    try:
        async for part in protocol:
            size_bytes += len(part)
            if size_bytes > limit_bytes:
                raise too_large(limit_bytes)
            parts.append(part)
    except (RuntimeError, OSError):
        raise incomplete() from None
    return b"".join(parts)


class Application:
    """The RSGI application of one gateway worker."""

    def __init__(
        self,
        answering: Answering,
        hand_on: HandOn,
        clock: Clock,
        report: Report,
        *,
        body_limit_bytes: int,
        body_timeout_s: float = 60.0,
    ) -> None:
        self.requests: Final = Requests(clock, body_timeout_s)
        self._answering = answering
        self._hand_on = hand_on
        self._report = report
        self._refusals = OpenAiRefusals()
        self._body_limit_bytes = body_limit_bytes

    async def run(self) -> None:
        """What goes on beside the requests; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.requests.run())
            tasks.create_task(self._answering.streams.run())

    async def __rsgi__(self, scope: Scope, protocol: Protocol_) -> None:
        """Answer one request. Never raises."""
        # Our own server knows the task; finding it costs more than reading a header.
        task = getattr(protocol, "task", None) or asyncio.current_task()
        if scope.proto != "http" or task is None:
            return
        arrival = self._answering.arrive()
        in_flight = InFlight(task, protocol, scope.client, arrival.monotonic_s)
        exchange = Exchange(scope, protocol, in_flight, self._body_limit_bytes)
        self.requests.enter(in_flight)
        operation = _OPERATIONS.get(scope.path)
        try:
            self._check_host(scope)
            if operation is not None and scope.method == "POST" and not self.requests.stopping:
                await self._answering.answer(arrival, operation, exchange, exchange)
            else:
                await self._answer_other(arrival, scope, protocol, exchange)
        except CallRefused as refused:
            self._refuse(arrival, exchange, refused)
        except asyncio.CancelledError:
            # The client has left and nobody is waiting, or the server stops.
            if self.requests.stopping:
                await self._cut_off(arrival, exchange)
        except Exception as error:  # noqa: BLE001 - the last line of defence: 500 and no more
            self._report(arrival.request_id, error)
            if not exchange.answered:
                self._refuse(arrival, exchange, internal_error(arrival.request_id))
        finally:
            exchange.close()
            self.requests.leave(in_flight)

    def _check_host(self, scope: Scope) -> None:
        """Raises CallRefused (WRONG_REGION) where the API is asked under another region's name."""
        residency = self._answering.planner.residency
        if residency is not None and scope.path.startswith(_API):
            headers = scope.headers
            # HTTP/2 has the name in a place of its own.
            host = headers.get("host") or getattr(scope, "authority", None)
            residency.check_host(host, headers.get("authorization"))

    async def _answer_other(
        self, arrival: Arrival, scope: Scope, protocol: Protocol_, exchange: Exchange
    ) -> None:
        path = scope.path
        if self.requests.stopping:
            raise _stopping()
        if path in _OPERATIONS and (path, scope.method) != _STORED_CHATS:
            self._wrong_method(arrival, scope, exchange, "POST")
        elif path == _MODELS or path.startswith(_MODELS + "/"):
            if scope.method == "DELETE":
                await self._handed_on(arrival, scope, protocol, exchange)
            else:
                await self._models(arrival, scope, exchange)
        elif path == "/v1":
            self._answering.authenticated(exchange, arrival.now)
            raise unknown_operation(scope.method, path)
        else:
            await self._handed_on(arrival, scope, protocol, exchange)

    async def _handed_on(
        self, arrival: Arrival, scope: Scope, protocol: Protocol_, exchange: Exchange
    ) -> None:
        exchange.answered = True
        # Its reader gives up a body that pauses for too long.
        exchange.body_arrives()
        await self._hand_on(scope, protocol, self._headers(arrival))

    async def _models(self, arrival: Arrival, scope: Scope, exchange: Exchange) -> None:
        """GET /v1/models and GET /v1/models/{id}."""
        caller = self._answering.authenticated(exchange, arrival.now)
        if scope.method != "GET":
            self._wrong_method(arrival, scope, exchange, "GET")
            return
        planner = self._answering.planner
        _, decision = planner.decide(caller, _MODELS, arrival.now)
        name = scope.path[len(_MODELS) + 1 :]
        known = [*planner.models.values()]
        if name not in planner.models:
            known += await self._own_models(caller, exchange)
        served = [model for model in known if planner.may_call(caller, model, arrival.now)]
        if not name:
            listed = [_model_object(model) for model in served]
            document: object = {"object": "list", "data": listed}
        else:
            found = {model.name: model for model in served}
            if name not in found:
                raise unknown_model(name)
            document = _model_object(found[name])
        headers = self._answering.headers(arrival)
        headers.extend(planner.headers(caller, decision))
        headers.append(("content-type", JSON_MEDIA))
        exchange.answer(200, headers, msgspec.json.encode(document))

    async def _own_models(self, caller: Caller, exchange: Exchange) -> list[ServedModel]:
        private = self._answering.private
        if private is None:
            return []
        return await private.all(caller, credential_of(exchange))

    def _wrong_method(
        self, arrival: Arrival, scope: Scope, exchange: Exchange, allowed: str
    ) -> None:
        refused = wrong_method(scope.method, scope.path, allowed)
        status, own, body = self._refusals.whole(refused)
        if refused.because is Because.METHOD:
            own.append(("allow", allowed))
        exchange.answer(status, [*self._headers(arrival), *own], body)

    def _refuse(self, arrival: Arrival, exchange: Exchange, refused: CallRefused) -> None:
        status, own, body = self._refusals.whole(refused)
        exchange.answer(status, [*self._headers(arrival), *own], body)

    async def _cut_off(self, arrival: Arrival, exchange: Exchange) -> None:
        if exchange.answered:
            await exchange.send(self._refusals.event(_stopping()))
        else:
            self._refuse(arrival, exchange, _stopping())

    def _headers(self, arrival: Arrival) -> Headers:
        answering = self._answering
        headers = answering.headers(arrival)
        headers.extend(answering.planner.headers_without_plan(arrival.now))
        return headers


def too_large(limit_bytes: int) -> CallRefused:
    """The refusal of a body over the limit."""
    return CallRefused(
        Because.BODY_TOO_LARGE,
        f"The request body is larger than {limit_bytes} bytes, which is this server's limit.",
    )


def _stopping() -> CallRefused:
    return CallRefused(Because.STOPPING, "The server is stopping. Try again.", retry_after_ms=1000)


def incomplete() -> CallRefused:
    """The refusal of a body that broke off."""
    return CallRefused(
        Because.BODY_INCOMPLETE, "The request body ended before its stated length. Send it whole."
    )


def _model_object(model: ServedModel) -> dict[str, object]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created_s,
        "owned_by": model.owned_by,
    }

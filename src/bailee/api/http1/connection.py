"""A client's connection over HTTP/1.1 (RFC 9112): one request at a time, kept alive between.

Parsed by llhttp, strictly. What is not HTTP, a head over the limit, an upgrade or a second request
before the first is answered (pipelining) ends the connection after what is due was answered. A
client that leaves cancels the task that answers it. Timeouts are the server's sweep.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast

import httptools

from bailee.api.application import Protocol_, Scope
from bailee.api.http1.asking import AskingSession
from bailee.api.http1.request import ServerRequest
from bailee.serving.client_certificates import ShownCertificates

MAX_HEAD_BYTES: Final = 64 * 1024
_READ_AHEAD_BYTES: Final = 256 * 1024
_REFUSAL: Final = (
    b'{"error":{"message":"The request is not valid HTTP/1.1, or its head is over the limit.",'
    b'"type":"invalid_request_error","param":null,"code":null}}'
)

Answer = Callable[[Scope, Protocol_], Awaitable[None]]
"""An RSGI application's entry, given scope and protocol."""


class Server(Protocol):
    """What a connection needs of its server."""

    answer: Answer
    date: str
    now: int
    """The sweep's count."""
    stopping: bool

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write at the end of this turn of the loop."""
        ...

    def write_out(self) -> None:
        """Write what waits for the end of this turn now."""
        ...

    def entered(self, connection: "ServerConnection") -> bool:
        """A connection was made; False: there are too many."""
        ...

    def left(self, connection: "ServerConnection") -> None:
        """A connection is gone."""
        ...


class ServerConnection(asyncio.Protocol):
    """One connection. The server closes it when `waiting_since` is too long ago."""

    __slots__ = (
        "_answered",
        "_client",
        "_drained",
        "_head_bytes",
        "_loop",
        "_parser",
        "_paused",
        "_request",
        "_server",
        "_surplus",
        "_transport",
        "lost",
        "shown_certificates",
        "waiting_since",
    )

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._request: ServerRequest | None = None
        self._head_bytes = 0
        self._client = ""
        self._answered = False
        self._surplus = False
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self.lost = False
        self.shown_certificates: ShownCertificates | None = None
        """What the client showed when the connection began; None: it was not asked."""
        self.waiting_since: int | None = server.now
        """The sweep's count when the connection began to wait for a whole head; None: it does
        not."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = self._address("peername")
        session = transport.get_extra_info("ssl_object")
        if isinstance(session, AskingSession):
            self.shown_certificates = ShownCertificates(session.shown)
        if not self._server.entered(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._surplus:
            return
        if self._request is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse()
            return
        request = self._request
        if request is None:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse()
        elif request.held_bytes > _READ_AHEAD_BYTES and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        self.lost = True
        self._server.left(self)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._request is not None:
            self._request.lose()
        self._transport = None

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        if self._request is not None:
            # A second request before the first is answered.
            self._surplus = True
            return
        if not url.startswith(b"/"):
            parsed = httptools.parse_url(url)
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        self._request = ServerRequest(self, url)

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is not None and not self._surplus:
            request.headers.values.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        request = self._request
        if request is None or self._surplus:
            return
        parser = self._parser
        request.method = parser.get_method().decode("latin-1")
        request.http_version = parser.get_http_version()
        request.keep_alive = parser.should_keep_alive() and not self._server.stopping
        self.waiting_since = None
        request.task = self._loop.create_task(self._answer(request))

    def on_body(self, body: bytes) -> None:
        if self._request is not None and not self._surplus:
            self._request.add_body(body)

    def on_message_complete(self) -> None:
        if self._request is not None and not self._surplus:
            self._request.end_body()

    # What the request calls.

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        secured = self._transport is not None and isinstance(
            self._transport.get_extra_info("ssl_object"),
            ssl.SSLObject | ssl.SSLSocket | AskingSession,
        )
        return "https" if secured else "http"

    @property
    def client(self) -> str:
        """Address and port of the client."""
        return self._client

    @property
    def server(self) -> str:
        """Address and port of the server."""
        return self._address("sockname")

    def write(self, data: bytes) -> None:
        """Send bytes, if the client is still there."""
        if self._transport is not None:
            self._server.write(self._transport, data)

    async def drained(self) -> None:
        """Wait until the client has taken what was written. Raises OSError if it has left."""
        if self._drained is not None:
            await self._drained
        if self.lost:
            raise ConnectionResetError("the client has left")

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def date_line(self) -> str:
        """The `date` header's line."""
        return self._server.date

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._request is not None and self._request.task is not None

    def close(self) -> None:
        """Close when what was written is sent."""
        if self._transport is not None:
            self._server.write_out()
            self._transport.close()

    def patience(self, head_rounds: int, idle_rounds: int) -> int:
        """How many rounds of the sweep this connection may wait for a whole head."""
        return idle_rounds if self._answered and not self._head_bytes else head_rounds

    async def _answer(self, request: ServerRequest) -> None:
        try:
            await self._server.answer(request, request)
        except asyncio.CancelledError:
            pass
        finally:
            self._finish(request)

    def _finish(self, request: ServerRequest) -> None:
        task = request.task
        cut_off = task is not None and task.cancelling() > 0
        # What stopping cuts off has said so in its last event; what else is cut off stays short.
        if request.streaming and (not cut_off or self._server.stopping):
            self.write(b"0\r\n\r\n")
        self._request = None
        keep = request.keep_alive and request.head_sent and request.body_complete
        keep = keep and not request.owed_bytes
        if not keep or cut_off or self._surplus or self._server.stopping:
            self.close()
            return
        self._answered = True
        self._head_bytes = 0
        self.waiting_since = self._server.now
        self.resume()

    def _refuse(self) -> None:
        """Answer 400 if nothing is being answered, and close."""
        self._surplus = True
        request = self._request
        if request is None or request.task is None:
            self.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_REFUSAL), _REFUSAL)
            )
            self._request = None
            self.close()
        else:
            request.keep_alive = False

    def _address(self, which: str) -> str:
        name = self._transport.get_extra_info(which) if self._transport else None
        return f"{name[0]}:{name[1]}" if name else ":0"

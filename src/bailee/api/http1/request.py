"""One request on an HTTP/1.1 connection, as the application sees it.

It has RSGI's two sides in one object, scope and protocol, so that the same application runs on
any RSGI server. It buffers the body up to a limit and frames the answer (RFC 9112); it does not
know what a request means.
"""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bailee.serving.client_certificates import ShownCertificates

if TYPE_CHECKING:
    from bailee.api.http1.connection import ServerConnection

HeaderList = list[tuple[str, str]]

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_BODILESS: Final = frozenset({204, 304})
_NO_BODY: Final = b""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestHeaders:
    """A request's headers: lower-case names; of several values the first, as RSGI has it.

    Kept as bytes and decoded when asked for: most are never looked at.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        """By lower-case name."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """The first value under a lower-case name."""
        value = self.values.get(key.encode())
        return default if value is None else value.decode("latin-1")

    def items(self) -> HeaderList:
        """All headers, names in lower case."""
        return [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self.values.items()]


class ServerRequest:
    """A request in progress. Scope and protocol of RSGI."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_connection",
        "_disconnected",
        "_waiter",
        "body_complete",
        "head_sent",
        "headers",
        "http_version",
        "keep_alive",
        "method",
        "owed_bytes",
        "path",
        "query_string",
        "streaming",
        "task",
    )

    proto = "http"

    def __init__(self, connection: "ServerConnection", url: bytes) -> None:
        self._connection = connection
        path, _, query = url.decode("latin-1").partition("?")
        self.path = unquote(path) if "%" in path else path
        self.query_string = query
        self.method = ""
        self.http_version = "1.1"
        self.headers = RequestHeaders()
        self.keep_alive = True
        self.body_complete = False
        self.head_sent = False
        self.streaming = False
        self.owed_bytes = 0
        """Of a streamed answer whose length was stated: what has not been sent yet."""
        self.task: asyncio.Task[None] | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._disconnected: asyncio.Future[None] | None = None

    @property
    def scheme(self) -> str:
        """`https`, or `http` on the benchmark's listener."""
        return self._connection.scheme

    @property
    def client(self) -> str:
        """Address and port of the client."""
        return self._connection.client

    @property
    def server(self) -> str:
        """Address and port of the server."""
        return self._connection.server

    @property
    def shown_certificates(self) -> ShownCertificates | None:
        """What the client showed when its connection began; None: it was not asked."""
        return self._connection.shown_certificates

    @property
    def held_bytes(self) -> int:
        """How much of the body waits to be read."""
        return self._body_bytes

    # What the connection calls.

    def add_body(self, part: bytes) -> None:
        """A piece of the body has arrived."""
        self._body.append(part)
        self._body_bytes += len(part)
        self._wake()

    def end_body(self) -> None:
        """The body is complete."""
        self.body_complete = True
        self._wake()

    def lose(self) -> None:
        """The client has left: whoever answers it is cancelled."""
        self._wake()
        if self._disconnected is not None and not self._disconnected.done():
            self._disconnected.set_result(None)
        if self.task is not None:
            self.task.cancel()

    # What the application calls: RSGI's protocol.

    async def __call__(self) -> bytes:
        """The whole body. Raises OSError if the client leaves first."""
        if not self.body_complete:
            self._ask_for_body()
            while not self.body_complete:
                await self._more()
        return self._take()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises OSError if the client leaves first."""
        self._ask_for_body()
        while True:
            if self._body:
                yield self._take()
                self._connection.resume()
            elif self.body_complete:
                return
            else:
                await self._more()

    async def client_disconnect(self) -> None:
        """Resolves when the client has left."""
        if self._disconnected is None:
            self._disconnected = asyncio.get_running_loop().create_future()
        await self._disconnected

    def response_bytes(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Give a whole answer."""
        self.head_sent = True
        if status in _BODILESS:
            self._connection.write(self._head(status, headers, ""))
            return
        head = self._head(status, headers, f"content-length: {len(body)}\r\n")
        self._connection.write(head + (_NO_BODY if self.method == "HEAD" else body))

    def response_stream(self, status: int, headers: HeaderList) -> "ServerRequest":
        """Begin a streamed answer; this request is its transport."""
        self.head_sent = True
        stated = next((value for name, value in headers if name == "content-length"), None)
        if stated is not None:
            self.owed_bytes = 0 if self.method == "HEAD" else int(stated)
            framing = ""
        elif self.http_version == "1.0":
            self.keep_alive = False
            framing = ""
        else:
            self.streaming = True
            framing = "transfer-encoding: chunked\r\n"
        self._connection.write(self._head(status, headers, framing))
        return self

    async def send_bytes(self, data: bytes) -> None:
        """Pass bytes of a stream on, at the client's pace. Raises OSError if it has left."""
        self.owed_bytes -= len(data) if self.owed_bytes else 0
        if data and self.method != "HEAD":
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self.streaming else data)
        await self._connection.drained()

    def _head(self, status: int, headers: HeaderList, framing: str) -> bytes:
        if not self.body_complete:
            self.keep_alive = False  # nobody will read the rest: the client must not come again
        line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
        fields = "\r\n".join(map(": ".join, headers))
        close = "" if self.keep_alive else "connection: close\r\n"
        date = self._connection.date_line()
        return f"{line}{fields}\r\n{framing}{date}{close}\r\n".encode("latin-1")

    def _ask_for_body(self) -> None:
        expects = self.headers.values.get(b"expect", b"")
        if not self.body_complete and not self._body and expects.lower() == b"100-continue":
            self._connection.write(CONTINUE)

    async def _more(self) -> None:
        if self._connection.lost:
            raise ConnectionResetError("the client has left")
        self._connection.resume()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> bytes:
        parts = self._body
        self._body = []
        self._body_bytes = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

"""An HTTP/1.1 connection to a backend (RFC 9112): one exchange at a time, kept alive between.

Bodies end by content length, by chunks or by the connection's end. Heads and bodies have size
limits, and bytes that belong to no exchange end the connection: whatever sent them cannot be
trusted to keep answers apart. Timeouts are the pool's, which looks at `active_tick`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from bailee.drivers.backend_openai.exchange import READ_AHEAD_BYTES, Exchange
from bailee.ports.backend import BackendFailure

MAX_HEAD_BYTES: Final = 64 * 1024
_NO_BODY: Final = frozenset({204, 304})


class Shared:
    """What the connections of one pool share.

    `now` is the pool's coarse time, so that no exchange pays for a clock or a timer. Requests of
    one turn of the loop are written together at its end: a backend that went to sleep since the
    last one must be woken, which costs more than writing, and then stays awake for all of them.
    """

    __slots__ = ("_requests", "now")

    def __init__(self) -> None:
        self.now = 0
        self._requests: list[tuple[asyncio.Transport, bytes]] = []

    def write(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, request: bytes
    ) -> None:
        """Write a request at the end of this turn, unless the connection closes before."""
        if not self._requests:
            loop.call_soon(self._write_all)
        self._requests.append((transport, request))

    def _write_all(self) -> None:
        requests, self._requests = self._requests, []
        for transport, request in requests:
            if not transport.is_closing():
                transport.write(request)


class Connection(asyncio.Protocol):
    """One connection.

    `released` is called when an exchange has ended and the connection is free for another, `lost`
    once when it is gone, with whether an exchange had begun and not been released.
    """

    __slots__ = (
        "_exchange",
        "_framed",
        "_head_bytes",
        "_keep",
        "_loop",
        "_lost",
        "_max_body_bytes",
        "_parser",
        "_received_bytes",
        "_released",
        "_shared",
        "_streaming",
        "_transport",
        "active_tick",
        "answers",
        "begun_tick",
    )

    def __init__(
        self,
        released: Callable[["Connection"], None],
        lost: Callable[["Connection", bool], None],
        shared: Shared,
        max_body_bytes: int,
    ) -> None:
        self._released = released
        self._lost = lost
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._max_body_bytes = max_body_bytes
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._streaming = False
        self._framed = False
        self._keep = False
        self._head_bytes = 0
        self._received_bytes = 0
        self.active_tick = 0
        self.begun_tick = 0
        self.answers = 0
        """Exchanges completed on this connection."""

    @property
    def usable(self) -> bool:
        """Whether an exchange may begin."""
        transport = self._transport
        return self._exchange is None and transport is not None and not transport.is_closing()

    @property
    def peer_address(self) -> str:
        """The numeric address at the other end, or an empty string."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if name else ""

    @property
    def waits_for_reader(self) -> bool:
        """Whether the answer's reader, and not the backend, is what is slow."""
        return self._exchange is not None and self._exchange.resume is not None

    def begin(self, head: bytes, body: bytes, *, streaming: bool) -> Exchange:
        """Write a request; the exchange is filled as the answer arrives.

        `streaming` bodies have no size limit: their reader takes them as they come.
        """
        exchange = Exchange(self.close, self._loop)
        self._exchange = exchange
        self._streaming = streaming
        self._framed = False
        self._head_bytes = self._received_bytes = 0
        self.begun_tick = self.active_tick = self._shared.now
        if self._transport is None:
            self._exchange = None
            exchange.fail(_died())
            self._lost(self, True)
        else:
            request = b"%b%d\r\n\r\n%b" % (head, len(body), body)
            self._shared.write(self._loop, self._transport, request)
        return exchange

    def give_up(self, failure: BackendFailure) -> None:
        """Fail the exchange in progress and close."""
        exchange = self._exchange
        self.close()
        if exchange is not None:
            exchange.fail(failure)

    def close(self) -> None:
        """Close at once, whatever is in progress."""
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._parser is None:
            self.close()
            return
        self.active_tick = self._shared.now
        if not exchange.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.give_up(_broken("sent something that is not HTTP/1.1"))
            exchange.wake()
            return
        if not exchange.status:
            if self._head_bytes > MAX_HEAD_BYTES:
                self.give_up(_broken("sent a head over the limit"))
            return
        if exchange.complete:
            self._finished(exchange)
        elif self._received_bytes > self._max_body_bytes and not self._streaming:
            self.give_up(_broken("sent a body over the limit"))
        elif exchange.held_bytes > READ_AHEAD_BYTES and self._streaming:
            self._hold_back(exchange)
        exchange.wake()

    def eof_received(self) -> bool:
        exchange = self._exchange
        if exchange is not None and exchange.status and not self._framed:
            # RFC 9112 section 6.3, rule 8: the body lasts until the connection closes.
            exchange.complete = True
            exchange.wake()
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self._transport = None
        self._parser = None
        if exchange is not None and not exchange.complete:
            exchange.stale = self.answers > 0 and not self._head_bytes
            exchange.fail(_died() if not exchange.status else _broken("stopped mid-answer"))
        self._lost(self, exchange is not None)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._exchange is None or self._exchange.complete:
            raise ValueError("bytes after the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif name == b"content-type":
            exchange.content_type = value.decode("latin-1").lower()
        elif name == b"retry-after":
            exchange.retry_after = value

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._framed = False
            return
        exchange.status = status
        if status in _NO_BODY:
            self._framed = True

    def on_body(self, body: bytes) -> None:
        if self._exchange is not None:
            self._received_bytes += len(body)
            self._exchange.add(body)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.status and self._parser is not None:
            exchange.complete = True
            # The parser forgets this once it has left the message.
            self._keep = self._framed and self._parser.should_keep_alive()

    def _finished(self, exchange: Exchange) -> None:
        if exchange.resume is not None:
            exchange.resume = None
            self._resume()
        self.answers += 1
        if self._keep:
            self._exchange = None
            self._released(self)
        else:
            self.close()

    def _hold_back(self, exchange: Exchange) -> None:
        if self._transport is not None and exchange.resume is None:
            self._transport.pause_reading()
            exchange.resume = self._resume

    def _resume(self) -> None:
        # The silence until now was the reader's.
        self.active_tick = self._shared.now
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


def _died() -> BackendFailure:
    return BackendFailure(
        "the backend closed the connection before it answered; try again",
        reason="broken",
        retry_safe=False,
    )


def _broken(what: str) -> BackendFailure:
    return BackendFailure(f"the backend {what}; try again", reason="broken", retry_safe=False)

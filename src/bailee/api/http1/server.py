"""The HTTP/1.1 server of one gateway worker, in the worker's own event loop.

TLS 1.2 or newer, 1.3 preferred; on a second port, where there is one, clients are asked for
certificates (`asking`). Several workers listen on the same port (SO_REUSEPORT), each a
process of its own. `run` serves until it is told to stop, then takes no more connections, lets
what is in progress finish for a time, and returns. Why it exists beside Granian, with the
measurements: docs/decisions/0009-http-server.md.
"""

import asyncio
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from bailee.api.application import Application
from bailee.api.http1.asking import AskingContext
from bailee.api.http1.connection import Answer, ServerConnection
from bailee.api.listener import Listener, settle_memory
from bailee.kernel.errors import InvalidInput
from bailee.ports.clock import Clock

_BACKLOG: Final = 2048
_CONNECTIONS: Final = 8192
_HANDSHAKE_S: Final = 10.0
_SWEEP_S: Final = 0.5
_HEAD_ROUNDS: Final = 20
"""10 s for a request's head, of a new connection."""
_IDLE_ROUNDS: Final = 150
"""75 s between requests."""


class Http1Server:
    """One gateway worker's server."""

    def __init__(
        self,
        application: Application,
        listener: Listener,
        clock: Clock,
        asking: Listener | None = None,
    ) -> None:
        """At `asking`, where it is given, clients are asked for a certificate as well."""
        self.answer: Answer = application.__rsgi__
        self.date = ""
        self.now = 0
        self.stopping = False
        self._application = application
        self._clock = clock
        self._connections: set[ServerConnection] = set()
        self._writes: list[tuple[asyncio.Transport, bytes]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners = [(listener, _tls_context(listener))]
        if asking is not None:
            self._listeners.append((asking, _asking_context(asking)))

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write at the end of this turn of the loop.

        Whoever commits together is answered together: waking a client's process costs more than
        writing to it, and it then stays awake for all of its answers.
        """
        if not self._writes and self._loop is not None:
            self._loop.call_soon(self.write_out)
        self._writes.append((transport, data))

    def write_out(self) -> None:
        """Write what waits for the end of this turn now."""
        writes, self._writes = self._writes, []
        for transport, data in writes:
            if not transport.is_closing():
                transport.write(data)

    def entered(self, connection: ServerConnection) -> bool:
        """A connection was made; False: there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= _CONNECTIONS and not self.stopping

    def left(self, connection: ServerConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    async def run(
        self,
        stop: asyncio.Event,
        drain_s: float = 30.0,
        listens: Callable[[], None] = lambda: None,
    ) -> int:
        """Serve until `stop` is set; how many requests had to be cut off at the end.

        `listens` is called once connections are accepted.
        """
        loop = self._loop = asyncio.get_running_loop()
        self.now = self._round()
        self._tell_date()
        listening = [await self._listen(loop, listener, tls) for listener, tls in self._listeners]
        listens()
        beside = loop.create_task(self._application.run())
        sweep = loop.create_task(self._sweep())
        stopped = loop.create_task(stop.wait())
        settle_memory()
        try:
            await asyncio.wait({stopped, beside, sweep}, return_when=asyncio.FIRST_COMPLETED)
            if beside.done() or sweep.done():
                await asyncio.gather(*(task for task in (beside, sweep) if task.done()))
            for door in listening:
                door.close()
            self._stop_idle()
            return await self._application.requests.drain(drain_s)
        finally:
            for door in listening:
                door.close()
            stopped.cancel()
            beside.cancel()
            sweep.cancel()
            await asyncio.gather(stopped, beside, sweep, return_exceptions=True)
            for connection in list(self._connections):
                connection.close()
            # Transports report their end in the loop's next rounds.
            await self._clock.sleep_s(0)
            await self._clock.sleep_s(0)

    async def _listen(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: Listener,
        tls: ssl.SSLContext | None,
    ) -> asyncio.Server:
        return await loop.create_server(
            lambda: ServerConnection(self, loop),
            listener.host,
            listener.port,
            ssl=tls,
            backlog=_BACKLOG,
            reuse_port=True,
            ssl_handshake_timeout=_HANDSHAKE_S if tls else None,
        )

    def _stop_idle(self) -> None:
        self.stopping = True
        for connection in list(self._connections):
            if not connection.busy:
                connection.close()

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep_s(_SWEEP_S)
            self.now = self._round()
            self._tell_date()
            for connection in list(self._connections):
                since = connection.waiting_since
                if since is not None and self.now - since > connection.patience(
                    _HEAD_ROUNDS, _IDLE_ROUNDS
                ):
                    connection.close()

    def _round(self) -> int:
        return int(self._clock.monotonic_s() / _SWEEP_S)

    def _tell_date(self) -> None:
        seconds = self._clock.now() // 1000
        self.date = f"date: {formatdate(seconds, usegmt=True)}\r\nserver: bailee\r\n"


def _asking_context(listener: Listener) -> ssl.SSLContext:
    if listener.certificate_file is None or listener.key_file is None:
        raise InvalidInput("Only a listener over TLS can ask clients for certificates.")
    return AskingContext(listener.certificate_file, listener.key_file)


def _tls_context(listener: Listener) -> ssl.SSLContext | None:
    if listener.certificate_file is None or listener.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(listener.certificate_file, listener.key_file)
    return context

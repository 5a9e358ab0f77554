"""The HTTP server of one gateway worker: Granian inside our own event loop.

TLS 1.2 or newer, 1.3 preferred, HTTP/1.1 and HTTP/2. Several workers listen on the same port
(SO_REUSEPORT), each a process of its own. `run` serves until it is told to stop, then takes no
more connections, lets what is in progress finish for a time, and returns. Why Granian, and why
embedded: docs/decisions/0009-http-server.md. It starts no process and prints nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from bailee.api.application import Application
from bailee.api.listener import Listener, settle_memory

_BACKLOG: Final = 2048
_CONNECTIONS: Final = 8192
_CLOSING_S: Final = 2.0
_MAX_HEADERS_BYTES: Final = 64 * 1024


class GranianServer:
    """One gateway worker's server."""

    def __init__(self, application: Application, listener: Listener) -> None:
        self._application = application
        self._server = Server(
            application,
            address=listener.host,
            port=listener.port,
            interface=Interfaces.RSGI,
            http=HTTPModes.auto if listener.certificate_file else HTTPModes.http1,
            websockets=False,
            backlog=_BACKLOG,
            backpressure=_CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
            http2_settings=HTTP2Settings(
                max_headers_size=_MAX_HEADERS_BYTES,
                keep_alive_interval=30_000,
                keep_alive_timeout=20,
            ),
            log_enabled=False,
            ssl_cert=listener.certificate_file,
            ssl_key=listener.key_file,
            ssl_protocol_min=SSLProtocols.tls12,
        )

    async def run(
        self,
        stop: asyncio.Event,
        drain_s: float = 30.0,
        listens: Callable[[], None] = lambda: None,
    ) -> int:
        """Serve until `stop` is set; how many requests had to be cut off at the end.

        `listens` is called once the server has been started; Granian does not say when it accepts.
        """
        loop = asyncio.get_running_loop()
        beside = loop.create_task(self._application.run())
        serving = loop.create_task(self._server.serve())
        stopped = loop.create_task(stop.wait())
        settle_memory()
        listens()
        try:
            await asyncio.wait({serving, stopped, beside}, return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, beside):
                if task.done():
                    task.result()
            self._server.stop()  # type: ignore[no-untyped-call]
            return await self._application.requests.drain(drain_s)
        finally:
            stopped.cancel()
            beside.cancel()
            await self._close(serving)
            await asyncio.gather(beside, stopped, return_exceptions=True)

    async def _close(self, serving: "asyncio.Task[None]") -> None:
        """Wait for the connections to close, but not for those that will not."""
        await asyncio.wait({serving}, timeout=_CLOSING_S)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

"""The requests in progress of one gateway worker: noticing who leaves, and stopping gracefully.

A request that takes longer than a sweep is watched: when its client closes the connection, its
task is cancelled, which `serving.answer` understands. A body that does not arrive in time is given
up. `drain` lets what is in progress finish, up to a time. Short requests pay for one entry in a
set and nothing more.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, Protocol

from bailee.ports.clock import Clock

_SWEEP_S: Final = 0.25


class Connection(Protocol):
    """What is needed of the server's request object."""

    def client_disconnect(self) -> Awaitable[None]:
        """Resolves when the client has closed its connection."""
        ...


class InFlight:
    """One request in progress."""

    __slots__ = ("address", "begun_s", "body_arrived", "connection", "task", "watcher")

    def __init__(
        self, task: "asyncio.Task[Any]", connection: Connection, address: str, begun_s: float
    ) -> None:
        self.task = task
        self.connection = connection
        self.address = address
        self.body_arrived = False
        self.begun_s = begun_s
        self.watcher: asyncio.Task[None] | None = None


class Requests:
    """All requests in progress of one gateway worker. Run `run()` beside the server."""

    def __init__(self, clock: Clock, body_timeout_s: float = 60.0) -> None:
        self._clock = clock
        self._body_timeout_s = body_timeout_s
        self._live: set[InFlight] = set()
        self._empty: asyncio.Event | None = None
        self.stopping = False

    def __len__(self) -> int:
        return len(self._live)

    def enter(self, request: InFlight) -> None:
        """A request begins."""
        self._live.add(request)

    def leave(self, request: InFlight) -> None:
        """A request has ended."""
        self._live.discard(request)
        if request.watcher is not None:
            request.watcher.cancel()
        if self._empty is not None and not self._live:
            self._empty.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self._clock.sleep_s(_SWEEP_S)
            self._sweep()

    async def drain(self, timeout_s: float) -> int:
        """Refuse what is new, wait for what is in progress; how many had to be cut off."""
        self.stopping = True
        if not self._live:
            return 0
        self._empty = asyncio.Event()
        waiting = asyncio.ensure_future(self._empty.wait())
        await asyncio.wait({waiting}, timeout=timeout_s)
        cut_off = list(self._live)
        for request in cut_off:
            request.task.cancel()
        if cut_off:
            await waiting
        return len(cut_off)

    def _sweep(self) -> None:
        now_s = self._clock.monotonic_s()
        for request in list(self._live):
            if not request.body_arrived and now_s - request.begun_s > self._body_timeout_s:
                request.task.cancel()
            elif request.watcher is None:
                request.watcher = asyncio.ensure_future(self._watch(request))

    async def _watch(self, request: InFlight) -> None:
        await request.connection.client_disconnect()
        # The server tells one watcher of a connection; HTTP/2 may have several requests on it.
        for other in list(self._live):
            if other.address == request.address:
                other.task.cancel()

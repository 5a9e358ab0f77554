"""The connections to one backend: how many at once, who waits for how long, what is kept alive.

Promises: never more exchanges at a time than the limit; a caller beyond it waits in order, up to
a queue length and a time, then gets `overloaded`; a connection idle for longer than
`keep_alive_s` is not used again. Timeouts are looked at in one sweep for all connections, a few
times within the shortest of them, so that an exchange pays for no timer of its own. It does not
retry.
"""

import asyncio
import ssl
from collections import deque
from functools import partial
from typing import Final, NamedTuple

from bailee.drivers.backend_openai.connection import Connection, Shared
from bailee.drivers.backend_openai.target import Target, is_loopback_address
from bailee.ports.backend import BackendFailure
from bailee.ports.clock import Clock

_SWEEPS_PER_TIMEOUT: Final = 8
_SHORTEST_SWEEP_S: Final = 0.005
_LONGEST_SWEEP_S: Final = 0.25


class Limits(NamedTuple):
    """What one backend may take and how long it may be waited for."""

    concurrency: int = 256
    """Exchanges at a time, in this process."""
    queue: int = 1024
    """How many callers may wait for a place."""
    queue_wait_s: float = 10.0
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 120.0
    """The longest silence before or within an answer."""
    total_timeout_s: float = 600.0
    """From the request to the last byte of the answer."""
    keep_alive_s: float = 4.0
    """Shorter than what common servers allow, so that a connection is rarely found closed."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Of an answer that is not streamed."""


class Pool:
    """Connections to one target. Use it within one event loop; `close` it there."""

    def __init__(self, target: Target, limits: Limits, clock: Clock) -> None:
        self._target = target
        self._limits = limits
        self._clock = clock
        self._shared = Shared()
        shortest = min(limits[2:7])
        self._sweep_s = min(
            max(shortest / _SWEEPS_PER_TIMEOUT, _SHORTEST_SWEEP_S), _LONGEST_SWEEP_S
        )
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._taken = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Exchanges in progress."""
        return self._taken

    def take_idle(self) -> Connection | None:
        """A kept connection, if there is one and the limit allows; never waits."""
        if self._taken >= self._limits.concurrency or self._waiting:
            return None
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                self._taken += 1
                return connection
        return None

    async def take(self) -> Connection:
        """A connection, waiting for a place. Raises BackendFailure (nothing was sent)."""
        await self._enter()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return await self._connect_or_leave()

    async def take_new(self) -> Connection:
        """As `take`, never a kept one."""
        await self._enter()
        return await self._connect_or_leave()

    async def close(self) -> None:
        """Close every connection and let nobody wait."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for future, _ in self._waiting:
            if not future.done():
                future.set_exception(_refused("this backend is closed", "unreachable"))
        self._waiting.clear()
        for connection in list(self._connections):
            connection.close()
        # Transports report their end in the loop's next round.
        await self._clock.sleep_s(0)

    async def _enter(self) -> None:
        if self._closed:
            raise _refused("this backend is closed", "unreachable")
        self._start_sweeping()
        await self._place()

    async def _connect_or_leave(self) -> Connection:
        try:
            return await self._connect()
        except BaseException:
            self._leave()
            raise

    async def _place(self) -> None:
        if self._taken < self._limits.concurrency and not self._waiting:
            self._taken += 1
            return
        if len(self._waiting) >= self._limits.queue:
            raise _refused("too many calls wait for the backend", "overloaded")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((place, self._shared.now))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._leave()
            raise

    def _leave(self) -> None:
        self._taken -= 1
        while self._waiting and self._taken < self._limits.concurrency:
            place, _ = self._waiting.popleft()
            if not place.done():
                self._taken += 1
                place.set_result(None)

    async def _connect(self) -> Connection:
        target = self._target
        loop = asyncio.get_running_loop()
        factory = partial(
            Connection, self._released, self._lost, self._shared, self._limits.max_body_bytes
        )
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                _, connection = await loop.create_connection(
                    factory,
                    target.host,
                    target.port,
                    ssl=target.tls,
                    server_hostname=target.host if target.tls else None,
                )
        except TimeoutError:
            raise _refused(
                "the backend did not accept a connection in time", "unreachable"
            ) from None
        except ssl.SSLError:
            raise _refused(
                "the backend's certificate or TLS version is not acceptable", "unreachable"
            ) from None
        except OSError:
            raise _refused("the backend cannot be reached", "unreachable") from None
        self._connections.add(connection)
        if target.tls is None and not is_loopback_address(connection.peer_address):
            connection.close()
            raise _refused("plain HTTP to a backend ends on loopback alone", "unreachable")
        return connection

    def _released(self, connection: Connection) -> None:
        self._leave()
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _lost(self, connection: Connection, unfinished: bool) -> None:
        self._connections.discard(connection)
        if unfinished:
            self._leave()

    def _start_sweeping(self) -> None:
        if self._sweeper is None or self._sweeper.done():
            self._shared.now = self._tick()
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep_s(self._sweep_s)
            self._shared.now = self._tick()
            self._sweep_once(self._shared.now)

    def _sweep_once(self, now: int) -> None:
        while self._waiting and now - self._waiting[0][1] > self._ticks_of(
            self._limits.queue_wait_s
        ):
            place, _ = self._waiting.popleft()
            if not place.done():
                place.set_exception(_refused("no place at the backend came free", "overloaded"))
        kept_since = now - self._ticks_of(self._limits.keep_alive_s)
        stale = [c for c in self._idle if c.active_tick <= kept_since or not c.usable]
        if stale:
            self._idle = [c for c in self._idle if c not in stale]
            for connection in stale:
                connection.close()
        silent_since = now - self._ticks_of(self._limits.idle_timeout_s)
        begun_before = now - self._ticks_of(self._limits.total_timeout_s)
        for connection in [c for c in self._connections if not c.usable]:
            if connection.begun_tick <= begun_before:
                connection.give_up(_timeout("took longer than the total timeout"))
            elif connection.active_tick <= silent_since and not connection.waits_for_reader:
                connection.give_up(_timeout("was silent for longer than the idle timeout"))

    def _tick(self) -> int:
        return int(self._clock.monotonic_s() / self._sweep_s)

    def _ticks_of(self, seconds: float) -> int:
        return max(1, round(seconds / self._sweep_s))


def _refused(what: str, reason: str) -> BackendFailure:
    return BackendFailure(f"{what}; try again or another backend", reason=reason, retry_safe=True)


def _timeout(what: str) -> BackendFailure:
    return BackendFailure(f"the backend {what}; try again", reason="timeout", retry_safe=False)

"""One request and its answer on a connection: what has arrived, and who waits for more.

An `Exchange` is the driver's `BackendAnswer`. It is filled by its connection and read by one
reader. It never retries and knows nothing of the pool.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from bailee.ports.backend import BackendFailure

READ_AHEAD_BYTES: Final = 256 * 1024
"""How much of an unread stream is held before the backend is made to wait."""


class Exchange:
    """A request that was written, and as much of its answer as has arrived."""

    __slots__ = (
        "_loop",
        "_parts",
        "_stop",
        "_waiter",
        "complete",
        "content_type",
        "failure",
        "held_bytes",
        "resume",
        "retry_after",
        "stale",
        "status",
    )

    def __init__(self, stop: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        """0 until the head has arrived."""
        self.content_type = ""
        self.retry_after: bytes | None = None
        self.complete = False
        self.failure: BackendFailure | None = None
        self.held_bytes = 0
        self.resume: Callable[[], None] | None = None
        """Set by the connection while it has stopped reading."""
        self.stale = False
        """Whether it failed on a kept connection that ended without a byte of the answer."""
        self._parts: list[bytes] = []
        self._stop = stop
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None

    def add(self, part: bytes) -> None:
        """The connection: a piece of the body has arrived."""
        self._parts.append(part)
        self.held_bytes += len(part)

    def wake(self) -> None:
        """The connection: something changed that a reader may wait for."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, failure: BackendFailure) -> None:
        """The connection or the pool: there will be no more."""
        if not self.complete and self.failure is None:
            self.failure = failure
            self.wake()

    async def head(self) -> None:
        """Wait for the answer's head. Raises BackendFailure."""
        while not self.status:
            if self.failure is not None:
                raise self.failure
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None

    def retry_after_s(self) -> float | None:
        """Seconds of `retry-after`; an HTTP date is not understood and gives None."""
        if self.retry_after is None or not self.retry_after.isdigit():
            return None
        return float(self.retry_after)

    async def read(self) -> bytes:
        """The whole body, or what is left of it. Raises BackendFailure."""
        if not self.complete:
            self._let_flow()
            while not self.complete:
                if self.failure is not None:
                    raise self.failure
                await self._changed()
                self._let_flow()
        parts = self._parts
        self._parts = []
        self.held_bytes = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; what arrived together comes together."""
        while True:
            if self._parts:
                yield self.arrived()
                continue
            if self.complete:
                return
            if self.failure is not None:
                raise self.failure
            await self._changed()

    def arrived(self) -> bytes:
        """What has arrived and was not yet read; never waits, never raises."""
        parts = self._parts
        self._parts = []
        self.held_bytes = 0
        self._let_flow()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def abandon(self) -> None:
        """Stop the backend: its connection is closed at once. Harmless after the end."""
        if not self.complete and self.failure is None:
            self._stop()

    async def _changed(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _let_flow(self) -> None:
        if self.resume is not None:
            resume, self.resume = self.resume, None
            resume()

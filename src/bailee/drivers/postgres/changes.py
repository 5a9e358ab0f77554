"""`ports.snapshot.Changes` by LISTEN on a connection of its own, made again whenever it breaks."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from bailee.drivers.postgres.engine import Connect
from bailee.drivers.postgres.failures import LOST
from bailee.ports.clock import Clock

CHANNEL: Final = "bailee_tenancy"
"""What the triggers of the tenancy tables notify."""
_PAUSE_FIRST_S: Final = 0.05
_PAUSE_MAX_S: Final = 2.0


class PostgresChanges:
    """Notifications of committed changes.

    `run` keeps the connection, until it is cancelled; without it `wait` waits for ever.
    """

    def __init__(self, connect: Connect, clock: Clock, channel: str = CHANNEL) -> None:
        self._connect = connect
        self._clock = clock
        self._channel = channel
        self._happened = asyncio.Event()

    async def wait(self) -> None:
        """Return after the next notification, or at once if one came since the last call."""
        await self._happened.wait()
        self._happened.clear()

    async def run(self) -> None:
        """Listen until cancelled, connecting again with growing pauses."""
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                await self._listen()
                pause_s = _PAUSE_FIRST_S
            except (*LOST, OSError, TimeoutError):
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            await self._clock.sleep_s(pause_s)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _connection: ended.set())
            await connection.add_listener(self._channel, self._notified)
            # What was notified while nobody listened is made good by one hint.
            self._happened.set()
            await ended.wait()
        finally:
            with suppress(*LOST, OSError):
                connection.terminate()

    def _notified(self, _connection: Any, _pid: int, _channel: str, _payload: str) -> None:
        self._happened.set()

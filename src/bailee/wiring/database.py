"""Where the database is, and the embedded one kept running."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy import URL

from bailee.drivers.postgres.engine import migrate
from bailee.drivers.postgres_embedded import EmbeddedPostgres
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.kernel.errors import BaileeError, Unavailable
from bailee.settings import Settings
from bailee.wiring.places import Places

log = structlog.get_logger()

_WATCH_S: Final = 0.2
_STOP_TIMEOUT_S: Final = 20.0
_AWAIT_TIMEOUT_S: Final = 20.0
_AWAIT_PAUSE_S: Final = 0.05


def embedded_server(places: Places) -> EmbeddedPostgres:
    """The server of a data folder, not started by this."""
    return EmbeddedPostgres(places.data, SystemClock(), SystemRandomness())


def database_url(settings: Settings, places: Places, role: str | None) -> str | URL:
    """How a role connects; None: the owner of the tables, for migrations."""
    external = settings.database.url.reveal()
    if external:
        return external
    server = embedded_server(places)
    return server.url() if role is None else server.url(role)


class KeptDatabase:
    """The embedded server, in a thread of its own that starts it again when it dies.

    The server is told to end when its starting thread ends, so the thread lives as long as it.
    """

    def __init__(self, places: Places) -> None:
        self._server = embedded_server(places)
        self._stop = threading.Event()
        self._started = threading.Event()
        self._failure: BaileeError | None = None
        self._thread = threading.Thread(target=self._keep, name="database", daemon=True)

    def start(self, tell: Callable[[str], None]) -> None:
        """Start; return when connections are accepted. Raises what the server's start raises."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        for announcement in self._server.announcements:
            tell(announcement)

    def stop(self) -> None:
        """Stop cleanly."""
        self._stop.set()
        self._thread.join(_STOP_TIMEOUT_S)

    def _keep(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        try:
            await self._server.start()
        except BaileeError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        while not self._stop.wait(_WATCH_S):
            await self._revive()
        await self._server.stop()

    async def _revive(self) -> None:
        status = self._server.exit_status()
        if status is None:
            return
        log.warning("database_ended", status=status)
        try:
            await self._server.start()
        except BaileeError as error:
            log.error("database_not_restarted", reason=str(error))


async def when_there(ask: Callable[[], Awaitable[None]]) -> None:
    """Ask until the database is there: it may be starting again. Raises Unavailable after 20 s.

    A process that gave up at once would be started again, and lose a second that others wait for.
    """
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + _AWAIT_TIMEOUT_S
    while True:
        try:
            return await ask()
        except Unavailable:
            if clock.monotonic_s() > deadline_s:
                raise
        await clock.sleep_s(_AWAIT_PAUSE_S)


async def migrated(settings: Settings, places: Places) -> bool:
    """Bring the schema up to date. True if anything was done."""
    try:
        return await migrate(database_url(settings, places, None))
    except Unavailable as error:
        raise Unavailable(f"the database cannot be reached: {error}; see `database.url`") from error

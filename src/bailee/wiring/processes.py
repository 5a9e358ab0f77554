"""What every process has in common: its clock, its log lines, how it runs and is stopped."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import uvloop

from bailee.drivers.system import SharedClock, SystemClock
from bailee.ports.clock import Clock
from bailee.settings import Settings
from bailee.wiring.places import Places

Main = Callable[[asyncio.Event], Awaitable[None]]
"""A process's body; returns soon after the event is set."""


def open_clock(places: Places) -> Clock:
    """The machine's clock, or the simulated one of a simulated installation."""
    if places.simulated_clock.exists():
        return SharedClock(places.simulated_clock)
    return SystemClock()


def start_logging(settings: Settings, process: str) -> None:
    """One JSON object a line on standard output; no content, no addresses."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.logging.level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def run_until_stopped(main: Main) -> None:
    """Run a process's body on uvloop; SIGTERM and SIGINT set its event."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    uvloop.run(body())


async def until_first(stop: asyncio.Event, *work: Awaitable[None]) -> None:
    """Run endless `work` until `stop` is set; raise if a piece of it ends with an error."""
    tasks = [asyncio.ensure_future(piece) for piece in work]
    stopping = asyncio.ensure_future(stop.wait())
    waited: list[asyncio.Future[Any]] = [*tasks, stopping]
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for done in tasks:
            if done.done():
                done.result()
    finally:
        stopping.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)

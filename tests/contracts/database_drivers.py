"""Drivers of the ledger, the outbox and the leases, which share one database.

To run the three suites over another driver, write a context manager that gives its `DatabasePorts`
on an empty database, and register it in `DATABASES`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from bailee.drivers.memory import (
    Database,
    ManualClock,
    MemoryLeases,
    MemoryLedger,
    MemoryOutbox,
)
from bailee.kernel.instants import Instant
from bailee.ports.leases import Leases
from bailee.ports.ledger import Ledger
from bailee.ports.outbox import Outbox


class DatabasePorts(NamedTuple):
    """The three ports on one empty database."""

    ledger: Ledger
    outbox: Outbox
    leases: Leases
    pass_time: Callable[[int], Awaitable[None]]
    """Let so many milliseconds pass for the leases."""


@asynccontextmanager
async def memory() -> AsyncIterator[DatabasePorts]:
    """The memory drivers."""
    database = Database()
    clock = ManualClock(Instant(1_795_419_000_000))

    async def pass_time(milliseconds: int) -> None:
        clock.advance(milliseconds)

    yield DatabasePorts(
        MemoryLedger(database), MemoryOutbox(database), MemoryLeases(database, clock), pass_time
    )


DATABASES: dict[str, Callable[[], AbstractAsyncContextManager[DatabasePorts]]] = {
    "memory": memory,
}

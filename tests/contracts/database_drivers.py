"""Drivers of the ledger, the outbox and the leases, which share one database.

To run the three suites over another driver, write a context manager that gives its `DatabasePorts`
on an empty database, and register it in `DATABASES`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import (
    Database,
    ManualClock,
    MemoryLeases,
    MemoryLedger,
    MemoryOutbox,
)
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.kernel.instants import Instant
from bailee.ports.leases import Leases
from bailee.ports.ledger import Ledger
from bailee.ports.outbox import Outbox
from bailee.schema.roles import CLERK


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


@asynccontextmanager
async def postgres(database: FreshDatabase) -> AsyncIterator[DatabasePorts]:
    """The PostgreSQL drivers, in the clerk's role."""
    clock = ManualClock(Instant(1_795_419_000_000))

    async def pass_time(milliseconds: int) -> None:
        clock.advance(milliseconds)

    async with database.engine(CLERK) as engine:
        yield DatabasePorts(
            PostgresLedger(engine),
            PostgresOutbox(engine),
            PostgresLeases(engine, clock),
            pass_time,
        )


DatabaseDriver = Callable[[], AbstractAsyncContextManager[DatabasePorts]]

DATABASES: dict[str, DatabaseDriver] = {
    "memory": memory,
}

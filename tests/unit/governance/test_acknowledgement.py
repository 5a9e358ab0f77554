"""A command waits for every gateway worker, and no longer than a worker can go on unasked."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.postgres import FreshDatabase
from tests.unit.governance.conftest import PEPPER, Installation

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system.clock import SystemClock
from bailee.governance.tenancy import repository
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.ports.acknowledgement import LEASE_MS
from bailee.ports.database import DatabaseTransaction
from bailee.schema.roles import ADMINISTRATOR

CLOCK = SystemClock()


class NoChanges:
    async def wait(self) -> None:
        await asyncio.Event().wait()


class HandClock(SystemClock):
    """Real, but for the time that a worker measures its lease by."""

    def __init__(self) -> None:
        self.late_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.late_s


class CountingClock(SystemClock):
    """Real, and counts how often it was waited on."""

    def __init__(self) -> None:
        self.pauses = 0

    async def sleep_s(self, seconds: float) -> None:
        self.pauses += 1
        await super().sleep_s(seconds)


@pytest.fixture
async def acknowledgements(postgres_database: FreshDatabase) -> AsyncIterator[Acknowledgements]:
    async with postgres_database.engine(ADMINISTRATOR) as engine:
        yield Acknowledgements(PostgresDatabase(engine), CLOCK)


def worker(engine: AsyncEngine, name: str, clock: SystemClock = CLOCK) -> FactsSnapshot:
    return FactsSnapshot(PostgresDatabase(engine), NoChanges(), clock, PEPPER, worker=name)


async def _waiting(acknowledgements: Acknowledgements) -> "asyncio.Task[None]":
    """A wait that has asked at least once."""
    waiting = asyncio.create_task(acknowledgements.everywhere())
    await CLOCK.sleep_s(0.1)
    return waiting


async def test_nobody_is_waited_for_where_nobody_is(postgres_database: FreshDatabase) -> None:
    clock = CountingClock()
    async with postgres_database.engine(ADMINISTRATOR) as engine:
        await Acknowledgements(PostgresDatabase(engine), clock).everywhere()
    assert clock.pauses == 0


async def test_a_worker_is_waited_for_until_it_has_read_the_change(
    acknowledgements: Acknowledgements, installation: Installation, gateway_engine: AsyncEngine
) -> None:
    one, other = worker(gateway_engine, "one"), worker(gateway_engine, "other")
    await one.refresh()
    await other.refresh()
    await acknowledgements.everywhere()
    await installation.tenancy.create_organisation("University")
    waiting = await _waiting(acknowledgements)
    await one.refresh()
    assert not waiting.done()
    await other.refresh()
    await asyncio.wait_for(waiting, LEASE_MS / 1000)


async def test_a_worker_that_left_is_not_waited_for(
    acknowledgements: Acknowledgements, installation: Installation, gateway_engine: AsyncEngine
) -> None:
    gone = worker(gateway_engine, "gone")
    await gone.refresh()
    await installation.tenancy.create_organisation("University")
    waiting = await _waiting(acknowledgements)
    assert not waiting.done()
    await gone.leave()
    await asyncio.wait_for(waiting, LEASE_MS / 1000)


async def test_a_silent_worker_is_waited_for_until_its_lease_has_lapsed(
    acknowledgements: Acknowledgements, installation: Installation, gateway_engine: AsyncEngine
) -> None:
    silent = worker(gateway_engine, "silent")
    await silent.refresh()
    assert silent.leased()
    await installation.tenancy.create_organisation("University")
    await acknowledgements.everywhere()
    assert not silent.leased(), "whoever is not waited for acts on nothing that permits more"


async def test_a_lease_that_lapsed_between_reading_and_saying_so_is_none(
    acknowledgements: Acknowledgements,
    gateway_engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker reads, stalls, and nobody waits for it; what it read then counts for nothing."""
    clock = HandClock()
    stalled = worker(gateway_engine, "stalled", clock)
    await stalled.refresh()
    version = repository.version

    async def slow(transaction: DatabaseTransaction) -> int:
        found = await version(transaction)
        async with PostgresDatabase(gateway_engine).transaction(None) as other:
            await other.rows("UPDATE gateways SET seen_at = seen_at - 2000")
        clock.late_s += 2
        return found

    monkeypatch.setattr(repository, "version", slow)
    await stalled.refresh()
    monkeypatch.undo()
    assert not stalled.leased()
    assert stalled.ready() is None, "a slow database makes facts late, and ends no service"
    await stalled.refresh()
    assert stalled.leased()


async def test_a_worker_that_comes_late_is_waited_for_before_it_reads(
    acknowledgements: Acknowledgements,
    installation: Installation,
    gateway_engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = worker(gateway_engine, "late")
    version = repository.version
    waits: list[asyncio.Task[None]] = []

    async def changed_meanwhile(transaction: DatabaseTransaction) -> int:
        found = await version(transaction)
        monkeypatch.undo()
        await installation.tenancy.create_organisation("University")
        waits.append(await _waiting(acknowledgements))
        return found

    monkeypatch.setattr(repository, "version", changed_meanwhile)
    await late.refresh()
    assert not waits[0].done()
    await late.refresh()
    await asyncio.wait_for(waits[0], LEASE_MS / 1000)

"""G10 where the clerk is suspended: the census accuses nobody of what the next tick settles."""

import asyncio

from tests.simulation.machine import Life, Machine

from bailee.drivers.memory import Faults, MemoryLeases
from bailee.kernel.instants import Instant, epoch_deadline, epoch_due, epoch_of
from bailee.lifecycle.census import recount
from bailee.lifecycle.clerk import LEASE, LEASE_DURATION_MS, stopped


def test_a_clerk_that_slept_over_a_deadline_between_two_steps_counts_nothing_overdue() -> None:
    machine = Machine(seed=1)
    life = Life(machine, Faults())
    clock = machine.clock

    async def sleep_over_the_deadline(_fence: tuple[str, int] | None) -> None:
        clock.set(epoch_deadline(epoch))

    async def story() -> list[bytes]:
        await life.start()
        await life.exchange()
        await life.close_journals()
        clock.set(Instant(epoch_due(epoch) - LEASE_DURATION_MS))
        life.clerk.more = (("slept", sleep_over_the_deadline),)
        await life.clerk.tick()
        life.clerk.more = ()
        clock.advance(LEASE_DURATION_MS)
        await life.tick()
        await life.tick()
        return await life.leaves()

    epoch = epoch_of(clock.now())
    alive, destroyed, complaints = recount(asyncio.run(story()))
    assert complaints == []
    assert epoch in {name.epoch for name in destroyed}
    assert epoch not in {name.epoch for name in alive}


def test_another_clerk_begins_at_once_when_one_has_stopped() -> None:
    machine = Machine(seed=2)
    life, other = Life(machine, Faults()), "another machine's"

    async def story() -> tuple[int | None, int | None]:
        await life.start()
        ticked = asyncio.Event()
        life.clerk.on_tick = ticked.set
        running = asyncio.create_task(life.clerk.run())
        await ticked.wait()
        leases = MemoryLeases(machine.database, machine.clock, Faults())
        meanwhile = await leases.acquire(LEASE, other, LEASE_DURATION_MS)
        await stopped(running)
        return meanwhile, await leases.acquire(LEASE, other, LEASE_DURATION_MS)

    meanwhile, afterwards = asyncio.run(story())
    assert meanwhile is None
    assert afterwards is not None

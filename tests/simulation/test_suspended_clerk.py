"""G10 where the clerk is suspended: the census accuses nobody of what the next tick settles."""

import asyncio

from tests.simulation.machine import Life, Machine

from bailee.drivers.memory import Faults
from bailee.kernel.instants import Instant, epoch_deadline, epoch_due, epoch_of
from bailee.lifecycle.census import recount
from bailee.lifecycle.clerk import LEASE_DURATION_MS


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

"""G11: every crash point recovers. Also G3, G5, G8 and G10 at each of them.

The scenario records exchanges in two half hours, closes and packs their journals, reads them,
lets thirty days pass, and destroys. It is run once without a crash to count the calls of its
ports, then once for each chosen call, dying before or after it, with or without a loss of power.
"""

import asyncio

import pytest
from tests.simulation.machine import Life, Machine, Step, survive

from bailee.drivers.memory import Faults
from bailee.kernel.errors import DestroyedKey, NotFound
from bailee.kernel.ids import EpochKeyName
from bailee.kernel.instants import (
    DAY_MS,
    EPOCH_LENGTH_MS,
    HOUR_MS,
    MINUTE_MS,
    Instant,
    epoch_deadline,
    epoch_due,
    from_rfc3339,
)
from bailee.lifecycle.census import discrepancies
from bailee.lifecycle.clerk import LEASE_DURATION_MS
from bailee.transparency import entry

CI_POINTS = 250
"""Calls tried in CI; each is tried in four ways. The soak run tries every call."""


def _until(instant: int) -> Step:
    async def step(life: Life) -> None:
        clock = life.machine.clock
        clock.advance(max(0, instant - clock.now()))

    return step


async def _exchange(life: Life) -> None:
    await life.exchange()


async def _close(life: Life) -> None:
    await life.close_journals()


async def _tick(life: Life) -> None:
    await life.tick()


async def _read_all(life: Life) -> None:
    """G8: whatever was acknowledged opens, and is what was written."""
    for written in life.machine.written:
        read = await life.read(written)
        assert (read.request, read.answer) == (written.request, written.answer)


async def _refuse_all(life: Life) -> None:
    """G5: whatever has come to its deadline does not open, in no way."""
    for written in life.machine.written:
        with pytest.raises((DestroyedKey, NotFound)):
            await life.read(written)


def scenario(start: Instant) -> list[Step]:
    """Two half hours of life and the thirty days after."""
    second = start + EPOCH_LENGTH_MS
    first_due = start + 30 * DAY_MS - 15 * MINUTE_MS
    last_due = first_due + 6 * EPOCH_LENGTH_MS
    return [
        _exchange,
        _exchange,
        _close,
        _until(second + 1000),
        _exchange,
        _close,
        _until(second + EPOCH_LENGTH_MS + 3 * MINUTE_MS),
        _tick,
        _read_all,
        _until(first_due - 1),
        _tick,
        _read_all,
        *(
            step
            for due in range(first_due, last_due + 1, EPOCH_LENGTH_MS)
            # The second tick is for a clerk that died holding its lease.
            for step in (_until(due), _tick, _until(due + LEASE_DURATION_MS), _tick)
        ),
        _until(last_due + HOUR_MS),
        _tick,
        _refuse_all,
    ]


def _check_end(machine: Machine) -> None:
    """What an outsider and an operator see afterwards."""

    async def look() -> None:
        life = Life(machine, Faults())
        await life.start()
        leaves = await life.leaves()
        keys = await life.objects.list("")
        found = discrepancies(leaves, keys, life.live_epochs(), machine.clock.now())
        assert found == [], found
        destroyed = [
            fields for leaf in leaves if (fields := entry.parse(leaf))["type"] == "destroyed"
        ]
        subjects = [fields["subject"] for fields in destroyed]
        assert len(subjects) == len(set(subjects))
        epochs = {written.record.epoch for written in machine.written}
        assert {f"epoch/us/abuse_monitoring/{epoch}" for epoch in epochs} <= set(subjects)
        shared = machine.written[1]
        assert f"epoch/us/training/{shared.record.epoch}" in subjects
        for fields in destroyed:
            epoch = EpochKeyName.parse_subject(fields["subject"]).epoch
            gone_at = from_rfc3339(fields["unusable_at"])
            assert epoch_due(epoch) <= gone_at <= epoch_deadline(epoch), fields
            assert fields["lateness_ms"] == 0
            for written in machine.written:
                if written.record.epoch == epoch:
                    age_ms = gone_at - written.arrived_at
                    assert 29 * DAY_MS + 23 * HOUR_MS <= age_ms <= 30 * DAY_MS
        assert not [key for key in keys if key.startswith("segments/")]
        assert not life.files.list("journals")

    asyncio.run(look())


def _run(crash_at: int | None, *, after: bool, power: bool) -> int:
    machine = Machine(seed=1 + (crash_at or 0))
    calls = survive(
        machine, scenario(machine.clock.now()), Faults(crash_at, after=after), power=power
    )
    assert len(machine.written) == 3
    _check_end(machine)
    return calls


def test_the_scenario_without_a_crash() -> None:
    assert _run(None, after=False, power=False) > CI_POINTS


@pytest.mark.timeout(900)  # a minute on a machine with nothing else to do
@pytest.mark.parametrize("power", [True, False], ids=["power", "kill"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_crash_points_recover(after: bool, power: bool) -> None:
    calls = _run(None, after=False, power=False)
    for number in range(CI_POINTS):
        _run(number * calls // CI_POINTS, after=after, power=power)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("power", [True, False], ids=["power", "kill"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_every_crash_point_recovers(after: bool, power: bool) -> None:
    calls = _run(None, after=False, power=False)
    for crash_at in range(calls):
        _run(crash_at, after=after, power=power)

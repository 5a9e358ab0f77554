"""The contract of `ports.clock`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SharedClock, SystemClock
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock

START = Instant(1_795_419_000_000)


@pytest.fixture(params=["system", "shared", "manual"])
async def clock(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Clock]:
    """A clock whose time passes."""
    if request.param == "system":
        yield SystemClock()
        return
    manual = ManualClock(START)
    driver = SharedClock.create(tmp_path / "clock", START)
    moved: Callable[[], None]
    if request.param == "manual":
        given: Clock = manual
        moved = lambda: manual.advance(1)  # noqa: E731
    else:
        given = SharedClock(tmp_path / "clock")
        moved = lambda: driver.set(Instant(driver.now() + 1))  # noqa: E731

    async def move() -> None:
        while True:
            moved()
            await asyncio.sleep(0)

    moving = asyncio.create_task(move())
    yield given
    moving.cancel()
    with suppress(asyncio.CancelledError):
        await moving


async def test_sleeping_lets_at_least_that_time_pass(clock: Clock) -> None:
    before = clock.now()
    await clock.sleep_s(0.02)
    assert clock.now() >= before + 20


async def test_not_sleeping_yields_once(clock: Clock) -> None:
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "other")
    await clock.sleep_s(-1)
    assert turns == ["other"]


async def test_monotonic_never_goes_back(clock: Clock) -> None:
    seen = [clock.monotonic_s() for _ in range(100)]
    assert seen == sorted(seen)


async def test_sleepers_of_a_manual_clock_wake_in_the_order_of_their_instants() -> None:
    clock = ManualClock(START)
    woken: list[int] = []

    async def sleeper(number: int) -> None:
        await clock.sleep_s(number)
        woken.append(number)

    sleeping = asyncio.gather(*(sleeper(number) for number in (3, 1, 2)))
    await asyncio.sleep(0)
    clock.advance(2_000)
    await asyncio.sleep(0)
    assert woken == [1, 2]
    clock.advance(1_000)
    await sleeping
    assert woken == [1, 2, 3]

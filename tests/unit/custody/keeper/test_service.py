"""Catching up, doubting clocks, rolling on time, and crashing between any two calls."""

import asyncio
import errno

import msgspec
import pytest
from tests.support.keeper_world import CREDENTIAL, NOW, PROJECT, TENANT, World, epoch_name

from bailee.custody.keeper.service import LAST_RESORT_MS, ROLL_INTERVAL_MS
from bailee.drivers.memory import Disk, Faults, SimulatedCrash
from bailee.kernel.errors import Conflict, DestroyedKey, Unavailable
from bailee.kernel.instants import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Instant,
    epoch_deadline,
    epoch_due,
)

SOON = epoch_name()
LATER = epoch_name(Instant(NOW + HOUR_MS))


async def _with_epochs(world: World) -> World:
    await world.begin()
    for name in (SOON, LATER):
        await world.keeper.epoch_public_key(name)
    return world


async def test_what_fell_due_during_downtime_is_destroyed_before_serving() -> None:
    world = await _with_epochs(World())
    late_ms = 3 * DAY_MS
    world.clock.set(Instant(epoch_deadline(LATER.epoch) + late_ms))
    world.restart_later()
    statements = await world.keeper.start()
    said = [msgspec.json.decode(statement.document) for statement in statements]
    assert [found["lateness_ms"] for found in said] == [late_ms + HOUR_MS, late_ms]
    assert (await world.keeper.status()).live_epochs == []


async def test_a_jump_of_more_than_seven_days_waits_for_an_administrator() -> None:
    world = await _with_epochs(World(trust_clock=False))
    record = await world.seal_record()
    request = await world.request(record)
    world.clock.set(epoch_deadline(LATER.epoch))
    await world.restart()
    status = await world.keeper.status()
    assert status.live_epochs == [SOON, LATER]
    assert status.clock_doubt is not None
    assert "administrator" in status.clock_doubt
    with pytest.raises(Unavailable):
        await world.keeper.destroy_epochs([SOON])
    with pytest.raises(DestroyedKey):
        await world.keeper.open_part(request)
    await world.keeper.accept_clock(world.clock.now())
    status = await world.keeper.status()
    assert (status.live_epochs, status.clock_doubt) == ([], None)
    await world.restart()
    assert (await world.keeper.status()).clock_doubt is None


async def test_up_to_seven_days_of_downtime_need_nobody() -> None:
    world = await _with_epochs(World(trust_clock=False))
    for _ in range(6):
        world.clock.advance(5 * DAY_MS)
        await world.restart()
        assert (await world.keeper.status()).clock_doubt is None
        await world.keeper.roll()
    assert (await world.keeper.status()).live_epochs == [LATER]


async def test_time_before_the_mark_is_doubted() -> None:
    world = await _with_epochs(World(trust_clock=False))
    world.clock.advance(DAY_MS)
    await world.keeper.roll()
    world.clock.set(NOW)
    await world.restart()
    status = await world.keeper.status()
    assert status.clock_doubt is not None
    assert status.now == NOW + DAY_MS, "what has passed stays passed"


async def test_a_clock_that_steps_while_the_keeper_runs_is_doubted() -> None:
    world = await _with_epochs(World(trust_clock=False))
    world.clock.advance(20 * DAY_MS)
    assert (await world.keeper.status()).clock_doubt is None, "time that passed is no step"
    monotonic_s = world.clock.monotonic_s()
    world.clock.monotonic_s = lambda: monotonic_s  # type: ignore[method-assign]
    world.clock.advance(10 * DAY_MS)
    assert (await world.keeper.status()).clock_doubt is not None
    with pytest.raises(Unavailable):
        await world.keeper.destroy_epochs([SOON])
    assert (await world.keeper.status()).live_epochs == [SOON, LATER]


async def test_what_no_clerk_asks_for_is_destroyed_before_its_deadline() -> None:
    world = await _with_epochs(World())
    world.clock.set(Instant(epoch_deadline(SOON.epoch) - LAST_RESORT_MS - 1))
    assert await world.keeper.destroy_unasked() == []
    world.clock.set(Instant(epoch_deadline(SOON.epoch) - LAST_RESORT_MS))
    await world.keeper.destroy_unasked()
    assert (await world.keeper.status()).live_epochs == [LATER]
    (statement,) = await world.keeper.pending_statements()
    said = msgspec.json.decode(statement.document)
    assert (said["subject"], said["lateness_ms"]) == (SOON.subject, 0)


async def test_the_root_rolls_hourly() -> None:
    world = await _with_epochs(World())
    before = (await world.keeper.status()).generation
    rolling = asyncio.create_task(world.keeper.keep())
    for _ in range(3):
        for _ in range(20):
            await asyncio.sleep(0)
        world.clock.advance(ROLL_INTERVAL_MS)
    for _ in range(20):
        await asyncio.sleep(0)
    rolling.cancel()
    assert (await world.keeper.status()).generation == before + 3


async def test_destructions_that_wait_together_roll_the_root_once() -> None:
    world = await _with_epochs(World())
    world.clock.set(epoch_due(LATER.epoch))
    before = (await world.keeper.status()).generation
    await asyncio.gather(*(world.keeper.destroy_epochs([name]) for name in (SOON, LATER)))
    status = await world.keeper.status()
    assert (status.generation, status.live_epochs) == (before + 1, [])


async def test_a_refused_change_does_not_stop_those_beside_it() -> None:
    world = await _with_epochs(World())
    results = await asyncio.gather(
        world.keeper.revoke_credential(b"00112233445566aa"),
        world.keeper.register_credential(CREDENTIAL, TENANT, PROJECT, None),
        world.keeper.store_secret("name", b"value"),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), Conflict, type(None)]
    assert await world.keeper.reveal_secret("name") == b"value"


async def test_a_full_disk_refuses_and_the_keeper_goes_on_afterwards() -> None:
    for call in ("files.write", "files.rename", "files.sync_folder"):
        world = await _with_epochs(World(disk=Disk(3)))
        faults = Faults()
        await world.restart(faults)
        world.clock.set(epoch_due(SOON.epoch))
        faults.fail_until_repaired(call, OSError(errno.ENOSPC, "full"))
        with pytest.raises(Unavailable):
            await world.keeper.destroy_epochs([SOON])
        faults.repair()
        assert len(await world.keeper.destroy_epochs([SOON])) == 1
        world.disk.crash()
        await world.restart()
        assert (await world.keeper.status()).live_epochs == [LATER]


async def _calls_of_a_destruction() -> int:
    world = await _with_epochs(World())
    world.clock.set(Instant(epoch_due(SOON.epoch) - MINUTE_MS))
    faults = Faults()
    await world.restart(faults)
    world.clock.set(epoch_due(SOON.epoch))
    await world.keeper.destroy_epochs([SOON])
    return faults.calls


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_at_any_call_gives_one_statement_and_no_return(after: bool) -> None:
    for crash_at in range(await _calls_of_a_destruction()):
        world = await _with_epochs(World(disk=Disk(crash_at)))
        world.clock.set(Instant(epoch_due(SOON.epoch) - MINUTE_MS))
        given = []
        try:
            await world.restart(Faults(crash_at, after=after))
            world.clock.set(epoch_due(SOON.epoch))
            given = await world.keeper.destroy_epochs([SOON])
        except SimulatedCrash:
            pass
        world.disk.crash()
        world.clock.set(Instant(epoch_due(SOON.epoch) + MINUTE_MS))
        await world.restart()
        statements = await world.keeper.destroy_epochs([SOON])
        assert len(statements) == 1
        assert given in ([], statements)
        assert (await world.keeper.status()).live_epochs == [LATER]

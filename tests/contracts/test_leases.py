"""The contract of `ports.leases`."""

from tests.contracts.database_drivers import DatabasePorts


async def test_one_holder_at_a_time(database: DatabasePorts) -> None:
    leases = database.leases
    token = await leases.acquire("sequencer", "a", 1000)
    assert token is not None
    assert await leases.acquire("sequencer", "b", 1000) is None
    assert await leases.acquire("other", "b", 1000) is not None


async def test_prolonging_keeps_the_token(database: DatabasePorts) -> None:
    leases = database.leases
    token = await leases.acquire("l", "a", 1000)
    await database.pass_time(600)
    assert await leases.acquire("l", "a", 1000) == token
    await database.pass_time(600)
    assert await leases.acquire("l", "b", 1000) is None


async def test_an_expired_lease_goes_on_with_a_larger_token(database: DatabasePorts) -> None:
    leases = database.leases
    first = await leases.acquire("l", "a", 200)
    await database.pass_time(300)
    second = await leases.acquire("l", "b", 10_000)
    assert first is not None
    assert second is not None
    assert second > first
    assert await leases.acquire("l", "a", 1000) is None


async def test_a_released_lease_is_free(database: DatabasePorts) -> None:
    leases = database.leases
    first = await leases.acquire("l", "a", 60_000)
    await leases.release("l", "b")
    assert await leases.acquire("l", "b", 1000) is None
    await leases.release("l", "a")
    second = await leases.acquire("l", "b", 1000)
    assert first is not None
    assert second is not None
    assert second > first


async def test_what_the_dead_held_is_free_and_nothing_else(database: DatabasePorts) -> None:
    leases = database.leases
    first = await leases.acquire("one", "node/clerk/a", 60_000)
    await leases.acquire("two", "node/clerk/b", 60_000)
    await leases.acquire("other", "node/worker/a", 60_000)
    await leases.release_of("node/clerk/")
    again = await leases.acquire("one", "node/clerk/c", 60_000)
    assert first is not None
    assert again is not None
    assert again > first
    assert await leases.acquire("two", "elsewhere", 60_000) is not None
    assert await leases.acquire("other", "elsewhere", 60_000) is None

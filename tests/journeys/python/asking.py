"""Asking again until something is there, for coroutines."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.fixtures.finetuning import POLL_S, WAIT_S

from bailee.drivers.system import SystemClock


async def found(look: Callable[[], Awaitable[Any]], what: str) -> Any:
    """What is looked at, once it is true. Raises TimeoutError."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while not (seen := await look()):
        if clock.monotonic_s() > deadline_s:
            raise TimeoutError(f"{what}: not within {WAIT_S:g} s")
        await clock.sleep_s(POLL_S)
    return seen


async def ended(look: Callable[[], Awaitable[Any]], *statuses: str) -> Any:
    """What is looked at, once it has one of some statuses. Raises TimeoutError."""

    async def over() -> Any:
        seen = await look()
        return seen if seen.status in statuses else None

    return await found(over, " or ".join(statuses))

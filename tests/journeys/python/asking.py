"""Asking again until something has come to a status, for coroutines."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.fixtures.finetuning import POLL_S, WAIT_S

from bailee.drivers.system import SystemClock


async def ended(look: Callable[[], Awaitable[Any]], *statuses: str) -> Any:
    """What is looked at, once it has one of some statuses. Raises TimeoutError."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while True:
        found = await look()
        if found.status in statuses:
            return found
        if clock.monotonic_s() > deadline_s:
            raise TimeoutError(f"{statuses}: not within {WAIT_S:g} s, but {found.status}")
        await clock.sleep_s(POLL_S)

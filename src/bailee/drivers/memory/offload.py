"""Blocking calls at once, on the loop: a simulation has nothing that blocks."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class InlineOffload:
    """`ports.offload.Offload` that gives the loop one turn and then calls."""

    __slots__ = ()

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run `call` here."""
        await asyncio.sleep(0)
        return call()

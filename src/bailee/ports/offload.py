"""Running what blocks without holding up the event loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Offload(Protocol):
    """Runs a blocking call elsewhere (a thread; at once, in a simulation)."""

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run `call` and give its result or raise its exception.

        Cancelling the waiter does not stop the call.
        """
        ...

"""Blocking calls in a pool of threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class ThreadOffload:
    """`ports.offload.Offload` with at most `threads` calls at a time; others queue in order.

    Its threads are started on first use, so that an object made before a fork serves the child.
    """

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bailee-offload")

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run `call` in a thread. A cancelled waiter leaves the call to finish."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_take_outcome)
            raise

    def close(self) -> None:
        """Wait for what runs and end the threads."""
        self._pool.shutdown()


def _take_outcome(abandoned: "asyncio.Future[Result]") -> None:
    if not abandoned.cancelled():
        abandoned.exception()

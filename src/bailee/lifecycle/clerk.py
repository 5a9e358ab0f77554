"""The clerk's tick: everything that must happen because time has passed.

Promises: one clerk at a time carries epochs (a lease with a fencing token), every step may be
interrupted anywhere and is taken up again by the next tick, and one step's failure does not keep
the others from running. Deliberately answers no customer and holds no private key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from bailee.kernel.errors import BaileeError, Conflict
from bailee.lifecycle.census import Census
from bailee.lifecycle.epochs import EpochLifecycle
from bailee.lifecycle.receipts import DestructionReceipts
from bailee.ports.clock import Clock
from bailee.ports.leases import Leases

log = structlog.get_logger()

LEASE = "clerk"
LEASE_DURATION_MS = 30_000

Step = Callable[[tuple[str, int] | None], Awaitable[None]]


@dataclass(slots=True)
class Clerk:
    """Runs the steps in their order."""

    clock: Clock
    leases: Leases
    holder: str
    epochs: EpochLifecycle
    receipts: DestructionReceipts
    census: Census
    keep_local: Callable[[], Awaitable[None]]
    """Recovers and packs this machine's journals; needs no lease."""
    tick_every_s: float = 5.0
    more: tuple[tuple[str, Step], ...] = ()
    """Further steps by name, in their order."""
    on_tick: Callable[[], None] | None = None
    failures: int = field(default=0)

    async def run(self) -> None:
        """Tick until cancelled; then another clerk may begin at once."""
        try:
            while True:
                await self.tick()
                if self.on_tick is not None:
                    self.on_tick()
                await self.clock.sleep_s(self.tick_every_s)
        finally:
            await self.leases.release(LEASE, self.holder)

    async def tick(self) -> None:
        """One round. Never raises a `BaileeError`: it is logged and the next round tries again.

        Destruction comes first: whatever else fails, what is due dies.
        """
        began = self.clock.now()
        fence = await self._fence()
        if fence is not None:
            await self._attempt("epochs", self.epochs.step, fence)
            for name, step in self.more:
                await self._attempt(name, step, fence)
            await self._attempt("receipts", self.receipts.step, fence)
            await self._attempt("census", partial(self.census.step, now=began), fence)
        await self._attempt("journals", self._keep_local, None)

    async def _keep_local(self, _fence: tuple[str, int] | None) -> None:
        await self.keep_local()

    async def _fence(self) -> tuple[str, int] | None:
        try:
            token = await self.leases.acquire(LEASE, self.holder, LEASE_DURATION_MS)
        except BaileeError as error:
            log.warning("clerk_lease_unavailable", reason=str(error))
            return None
        return None if token is None else (LEASE, token)

    async def _attempt(self, name: str, step: Step, fence: tuple[str, int] | None) -> None:
        try:
            await step(fence)
        except Conflict as error:
            log.info("clerk_step_lost", step=name, reason=str(error))
        except (BaileeError, OSError) as error:
            self.failures += 1
            log.error("clerk_step_failed", step=name, reason=str(error))


async def stopped(task: "asyncio.Task[None]") -> None:
    """Cancel a background task and wait until it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

"""Carrying batches from validating to their end, under the grants that they were created with.

Promises: one holder of a lease carries a batch at a time, and a holder that was overtaken changes
nothing any more; lines are answered a few at a time over all batches, in turn; whatever process
dies, each line has one result in the end, and what was kept is not asked again (an answer that was
made and not kept yet is). Within about a second a batch stops when its owner cancels it, when its
window closes, when its project may not call any more, or when its input is deleted.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from bailee.application_state import batches, repository
from bailee.application_state.model import HeldObject, Kind
from bailee.kernel.errors import BaileeError
from bailee.ports.leases import Leases
from bailee.serving.batching.carrying import BatchTools, Carrying

log = structlog.get_logger()

LEASES: Final = 16
"""How many leases batches are shared out by: so many processes may carry them."""
LEASE_MS: Final = 15_000
POLL_S: Final = 1.0
AT_ONCE: Final = 16
"""Batches that one process carries beside each other."""


@dataclass(slots=True)
class BatchCarrier:
    """Carries batches. One for each process."""

    tools: BatchTools
    leases: Leases
    holder: str
    _carried: dict[bytes, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Carry what there is, until cancelled; then keep what was answered."""
        clock = self.tools.keeping.clock
        try:
            while True:
                try:
                    await self._look()
                except (BaileeError, OSError) as error:
                    log.warning("batches_not_seen", kind=type(error).__name__)
                await clock.sleep_s(POLL_S)
        finally:
            await self._stop()

    async def _prolong(self, batch: HeldObject) -> int | None:
        """The token under which a batch is carried; None: another has the lease."""
        return await self.leases.acquire(lease_of(batch), self.holder, LEASE_MS)

    async def _look(self) -> None:
        if len(self._carried) >= AT_ONCE:
            return
        async with self.tools.keeping.database.platform_reading() as transaction:
            waiting = await repository.of_kind(transaction, Kind.BATCH, list(batches.TO_DO))
        for batch in _in_turn(waiting):
            if batch.object in self._carried or len(self._carried) >= AT_ONCE:
                continue
            token = await self._prolong(batch)
            if token is not None:
                self._begin(batch, token)

    def _begin(self, batch: HeldObject, token: int) -> None:
        carrying = Carrying(self.tools, batch, token, lambda: self._prolong(batch))
        task = asyncio.create_task(carrying.carry())
        self._carried[batch.object] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._carried.pop(batch.object, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                self.tools.lines.report(batch.public_id, error)

        task.add_done_callback(ended)

    async def _stop(self) -> None:
        tasks = list(self._carried.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in range(LEASES):
            with suppress(BaileeError, OSError):
                await self.leases.release(f"batches/{number:x}", self.holder)


def lease_of(batch: HeldObject) -> str:
    """The lease that a batch is carried under."""
    return f"batches/{batch.object[0] % LEASES:x}"


def _in_turn(waiting: list[HeldObject]) -> list[HeldObject]:
    """Oldest first, but the second of a project behind the first of every other."""
    seen: dict[bytes, int] = {}
    ranked: list[tuple[int, int, HeldObject]] = []
    for place, batch in enumerate(waiting):
        rank = seen[batch.project] = seen.get(batch.project, -1) + 1
        ranked.append((rank, place, batch))
    return [batch for _, _, batch in sorted(ranked, key=lambda one: one[:2])]

"""Ending what fine-tuning left elsewhere, once what it belongs to has ended here.

Promises: whatever was noted is asked to be ended until whoever has it says that it is, whichever
way it ended here and whatever crashed meanwhile. It ends nothing that is still kept. Here a thing
is gone at once, for nobody can call it or open it; elsewhere it is gone when this has succeeded.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from bailee.application_state import fine_tuning, remote_things
from bailee.application_state.remote_things import RemoteKind, RemoteThing
from bailee.kernel.errors import BaileeError
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.leases import Leases
from bailee.ports.trainer import RemoteTrainer

log = structlog.get_logger()

LEASE: Final = "fine-tuning-ends"
LEASE_MS: Final = 15_000
POLL_S: Final = 2.0
WAIT_S: Final = 30.0
"""After a round in which something could not be ended."""

FindTrainer = Callable[[str], Awaitable[RemoteTrainer]]
"""The trainer behind a backend's name. Raises BaileeError."""


@dataclass(slots=True)
class RemoteEnds:
    """Ends what lies elsewhere. One worker at a time."""

    database: Database
    leases: Leases
    clock: Clock
    find: FindTrainer
    holder: str

    async def run(self) -> None:
        """End what there is to end, until cancelled."""
        while True:
            try:
                whole = await self.step()
            except (BaileeError, OSError) as error:
                log.warning("remote_ends_failed", kind=type(error).__name__)
                whole = False
            await self.clock.sleep_s(POLL_S if whole else WAIT_S)

    async def step(self) -> bool:
        """One round; False if something remains that should have ended."""
        async with self.database.platform_reading() as transaction:
            ending = await remote_things.to_end(transaction, sorted(fine_tuning.OVER))
        if not ending or await self.leases.acquire(LEASE, self.holder, LEASE_MS) is None:
            return True
        whole = True
        for thing in ending:
            try:
                await self._end(thing)
            except BaileeError as error:
                # One provider's absence keeps nothing alive at another.
                log.warning("remote_end_failed", backend=thing.backend, kind=type(error).__name__)
                whole = False
        return whole

    async def _end(self, thing: RemoteThing) -> None:
        trainer = await self.find(thing.backend)
        if thing.kind is RemoteKind.MODEL:
            await trainer.end_model(thing.name)
        else:
            async with self.database.transaction(thing.tenant) as transaction:
                keep = await remote_things.models_kept(transaction, thing.backend, thing.project)
            await trainer.end_run(thing.name, keep)
        async with self.database.transaction(thing.tenant) as transaction:
            await remote_things.forget(transaction, thing.backend, thing.name)

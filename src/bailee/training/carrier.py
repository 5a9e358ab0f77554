"""Carrying fine-tuning jobs: files are read, a trainer runs, what comes out is kept.

Promises: one worker at a time carries jobs (a lease, whose token fences off whoever held it
before); a job whose worker was killed goes on from its last kept state, and steps after it are done
again; training content lies in memory alone; everything that is made is sealed for the job's owner
under the grant that the owner gave; a job whose owner ended it, whose files are gone, or whose
project may not train any more, ends. Deliberately decides nothing about hyper-parameters or methods
(`hyperparameters`, the trainer), nor about who may train (`Standing`).
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from bailee.application_state import fine_tuning, repository
from bailee.application_state.keeping import Keeping
from bailee.application_state.model import Kind
from bailee.kernel.errors import BaileeError
from bailee.ports.leases import Leases
from bailee.training.working import POLL_S, Carrying, ChoosePlace, Means, Standing

log = structlog.get_logger()

LEASE: Final = "fine-tuning"
LEASE_MS: Final = 15_000


@dataclass(slots=True)
class Carrier:
    """Carries fine-tuning jobs, one at a time."""

    keeping: Keeping
    leases: Leases
    choose: ChoosePlace
    standing: Standing
    holder: str

    async def run(self) -> None:
        """Carry what there is, until cancelled; then let another carry at once."""
        try:
            while True:
                try:
                    worked = await self.step()
                except (BaileeError, OSError) as error:
                    log.warning("fine_tuning_step_failed", kind=type(error).__name__)
                    worked = False
                if not worked:
                    await self.keeping.clock.sleep_s(POLL_S)
        finally:
            with suppress(BaileeError, OSError):
                await self.leases.release(LEASE, self.holder)

    async def step(self) -> bool:
        """Carry the oldest job as far as it goes; False if there is none or another carries."""
        async with self.keeping.database.platform_reading() as transaction:
            waiting = await repository.of_kind(
                transaction, Kind.FINE_TUNING_JOB, list(fine_tuning.TO_DO)
            )
        token = await self.prolong() if waiting else None
        if token is None:
            return False
        means = Means(self.keeping, self.choose, self.standing, self.prolong)
        await Carrying(means, waiting[0], token).carry()
        return True

    async def prolong(self) -> int | None:
        """The token under which jobs are carried; None: another carries them."""
        return await self.leases.acquire(LEASE, self.holder, LEASE_MS)

"""What comes of approvals by the passing of time: their start, their review date, and before that
the end of the enterprise agreement on which they rest.

An approval whose agreement has ended goes on, since less is kept under it, and is noted as wanting
review. One for later does not start without an agreement.

Runs in the worker process, one at a time, in the role `clerk`: waiting for a gateway that is cut
off holds nobody up there. What a crash left half done of a decision is finished here too. A mode
begins within seconds of its instant, never before; until then the default holds, under which more
is kept for monitoring and nothing of what was promised is broken.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from bailee.governance.zero_retention import events, repository
from bailee.governance.zero_retention.assessment import OPERATORS_OWN
from bailee.governance.zero_retention.model import Application, State
from bailee.governance.zero_retention.service import HasAgreement
from bailee.governance.zero_retention.standing import begin, begun
from bailee.kernel.errors import BaileeError
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.acknowledgement import Acknowledgement
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.leases import Leases

log = structlog.get_logger()

LEASE: Final = "zero-retention"
LEASE_MS: Final = 2 * MINUTE_MS
"""Longer than waiting for a worker takes with the usual grace."""
POLL_S: Final = 5.0
SETTLING_MS: Final = MINUTE_MS
"""How long a decision that begins at once is left to whoever waits for the workers already."""


@dataclass(slots=True)
class RetentionWatch:
    """Starts approvals and notes review dates. `real_clock` paces the rounds."""

    database: Database
    leases: Leases
    acknowledgement: Acknowledgement
    audit: Audit
    clock: Clock
    real_clock: Clock
    holder: str
    grace_ms: int
    has_agreement: HasAgreement

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            try:
                await self.step()
            except BaileeError as error:
                log.warning("zero_retention_watch_failed", kind=type(error).__name__)
            await self.real_clock.sleep_s(POLL_S)

    async def step(self) -> None:
        """One look. Raises Unavailable while the database is away."""
        now = self.clock.now()
        async with self.database.platform_reading() as transaction:
            known = await repository.applications(transaction)
        rest = [row for row in known if row.category != OPERATORS_OWN]
        resting = {
            row.tenant for row in rest if row.state(now) is State.ACTIVE or _starts(row, now)
        }
        without = {tenant for tenant in resting if not await self.has_agreement(tenant)}

        def ended(row: Application) -> bool:
            return row.tenant in without and row.category != OPERATORS_OWN

        starting = [row for row in known if _starts(row, now) and (_at_once(row) or not ended(row))]
        due = [
            row for row in known if row.due_at is None and row.state(now) is State.DUE_FOR_REVIEW
        ]
        early = [row for row in known if row.state(now) is State.ACTIVE and ended(row)]
        if not starting and not due and not early:
            return
        if await self.leases.acquire(LEASE, self.holder, LEASE_MS) is None:
            return
        for row in due:
            await self._note_due(row, now, early=False)
        for row in early:
            await self._note_due(row, now, early=True)
        if starting:
            await self._start(starting)

    async def _start(self, rows: list[Application]) -> None:
        set_now = [row for row in rows if await self._set(row)]
        await self.acknowledgement.everywhere(self.grace_ms)
        now = self.clock.now()
        for row in set_now:
            async with self.database.transaction(row.tenant) as transaction:
                await begun(transaction, self.audit, row, now)

    async def _set(self, row: Application) -> bool:
        """Begin it, unless it was revoked meanwhile or has begun."""
        async with self.database.transaction(row.tenant) as transaction:
            await repository.lock(transaction, row.tenant)
            known = await repository.applications(transaction)
            found = next(one for one in known if one.application == row.application)
            if found.revoked_at is not None or found.active_at is not None:
                return False
            await begin(transaction, self.audit, row)
        return True

    async def _note_due(self, row: Application, now: Instant, *, early: bool) -> None:
        because = "agreement_ended" if early else "review_date"
        async with self.database.transaction(row.tenant) as transaction:
            if await repository.mark_due(transaction, row.application, now, early=early):
                event = events.event("review_due", row, because=because)
                await self.audit.write(transaction, event)


def _starts(row: Application, now: Instant) -> bool:
    if row.state(now) is not State.APPROVED or row.since is None or row.decided_at is None:
        return False
    return row.since + (SETTLING_MS if _at_once(row) else 0) <= now


def _at_once(row: Application) -> bool:
    """Whether whoever decided set the mode, so that only waiting may be left to do."""
    return row.since is not None and row.decided_at is not None and row.since <= row.decided_at

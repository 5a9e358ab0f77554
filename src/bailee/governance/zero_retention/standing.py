"""What stands approved, and what that means for the modes that are set."""

from collections.abc import Awaitable, Callable, Iterable

from bailee.governance.zero_retention import errors, events, repository
from bailee.governance.zero_retention.assessment import OPERATORS_OWN
from bailee.governance.zero_retention.model import MODES, Application
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import DatabaseTransaction

Agreed = Callable[[DatabaseTransaction, Instant], Awaitable[bool]]
"""Whether the transaction's organisation has an executed enterprise agreement in force."""


class StandingApprovals:
    """`ports.retention_approvals.RetentionApprovals` over the organisation's applications."""

    def __init__(self, clock: Clock, agreed: Agreed) -> None:
        self._clock = clock
        self._agreed = agreed

    async def require(
        self, transaction: DatabaseTransaction, project: ProjectId | None, mode: str
    ) -> None:
        """Return if `mode` is approved, and what the approval rests on is in force."""
        now = self._clock.now()
        await repository.lock_own(transaction)
        known = await repository.applications(transaction)
        if not permitted(known, project, RetentionMode(mode), now):
            raise errors.not_approved(mode)
        own = (row for row in known if row.category == OPERATORS_OWN)
        if permitted(own, project, RetentionMode(mode), now):
            return
        if not await self._agreed(transaction, now):
            raise errors.agreement_ended(mode)


def permitted(
    known: Iterable[Application], project: ProjectId | None, mode: RetentionMode, now: Instant
) -> bool:
    """Whether an approval stands for a mode; the default needs none."""
    return mode not in MODES or any(row.permits(project, mode, now) for row in known)


async def end_unapproved(
    transaction: DatabaseTransaction, audit: Audit, tenant: TenantId, now: Instant
) -> None:
    """Take every mode away that no standing approval permits any more, with an event for each."""
    known = await repository.applications(transaction)
    modes = await repository.modes(transaction, tenant)
    if not permitted(known, None, modes.organisation, now):
        await repository.set_mode(transaction, tenant, None, RetentionMode.DEFAULT)
        await audit.write(transaction, events.mode_set(tenant, None, RetentionMode.DEFAULT))
    for project, mode in modes.projects.items():
        if not permitted(known, project, mode, now):
            await repository.set_mode(transaction, tenant, project, None)
            await audit.write(transaction, events.mode_set(tenant, project, None))

"""What stands approved, and what that means for the modes that are set."""

from collections.abc import Awaitable, Callable, Iterable

from bailee.governance.zero_retention import errors, events, repository
from bailee.governance.zero_retention.assessment import OPERATORS_OWN
from bailee.governance.zero_retention.model import MODES, Application, no_stricter, stricter
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


async def begin(transaction: DatabaseTransaction, audit: Audit, row: Application) -> None:
    """Set an approval's mode, unless less is kept there already: an approval lowers nothing.

    A stricter mode stays, and the approval permits its own.
    """
    modes = await repository.modes(transaction, row.tenant)
    own = modes.organisation if row.project is None else modes.projects.get(row.project)
    if own is row.mode or stricter(modes.in_force(row.project), row.mode):
        return
    await repository.set_mode(transaction, row.tenant, row.project, row.mode)
    await audit.write(transaction, events.mode_set(row.tenant, row.project, row.mode))


async def begun(
    transaction: DatabaseTransaction, audit: Audit, row: Application, at: Instant
) -> None:
    """Note that every gateway worker acts on an approval, and what is in force; once."""
    if await repository.mark_active(transaction, row.application, at):
        modes = await repository.modes(transaction, row.tenant)
        holds = modes.in_force(row.project).value
        await audit.write(transaction, events.event("started", row, in_force=holds))


async def end_unapproved(
    transaction: DatabaseTransaction, audit: Audit, tenant: TenantId, now: Instant
) -> None:
    """Take every mode away that no standing approval permits any more, with an event for each.

    In its place comes the strictest mode that was in force with it and is still permitted. So a
    project with an approval of its own does not follow its organisation down.
    """
    known = await repository.applications(transaction)
    modes = await repository.modes(transaction, tenant)
    whole = _remaining(known, None, modes.organisation, now)
    if whole is not modes.organisation:
        await repository.set_mode(transaction, tenant, None, whole)
        await audit.write(transaction, events.mode_set(tenant, None, whole))
    named = {row.project for row in known if row.project is not None}
    for project in sorted(named | modes.projects.keys()):
        own = modes.projects.get(project)
        remains = _remaining(known, project, modes.in_force(project), now)
        changed = remains if stricter(remains, whole) else None
        if own is not remains and own is not changed:
            await repository.set_mode(transaction, tenant, project, changed)
            await audit.write(transaction, events.mode_set(tenant, project, changed))


def _remaining(
    known: Iterable[Application], project: ProjectId | None, before: RetentionMode, now: Instant
) -> RetentionMode:
    return next(mode for mode in no_stricter(before) if permitted(known, project, mode, now))

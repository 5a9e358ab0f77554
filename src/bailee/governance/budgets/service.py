"""Commands on spend alerts, and the clerk's look at whether one was reached.

Alerts inform: no call is refused because of one. Spending is what was used at the prices of the
settings; usage reaches the rows within seconds, and the look comes once a minute.
"""

from collections.abc import Callable
from typing import Final

from bailee.governance.budgets import repository
from bailee.governance.budgets.events import AlertReached, Announce
from bailee.governance.budgets.model import (
    ModelUse,
    SpendAlert,
    month_of,
    month_start_minute,
    month_text,
)
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId, handle_text, tenant_text
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.randomness import Randomness

ALERT: Final = "spend_alert_"
_ID_BYTES: Final = 16
_CENTS_MAX: Final = 10**12
_RECIPIENTS_MAX: Final = 50


class SpendAlerts:
    """Alerts of organisations, in the role `administrator`."""

    def __init__(
        self, database: Database, clock: Clock, randomness: Randomness, audit: Audit
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit

    async def all(self, tenant: TenantId, project: ProjectId | None) -> list[SpendAlert]:
        """The alerts of a project, or those of the whole organisation. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            if project is not None and not await repository.project_exists(transaction, project):
                raise NotFound("There is no such project. List the organisation's projects.")
            found = await repository.alerts(transaction)
        return [alert for alert in found if alert.project == project]

    async def one(self, tenant: TenantId, project: ProjectId | None, alert: bytes) -> SpendAlert:
        """One of them. Raises NotFound."""
        for found in await self.all(tenant, project):
            if found.alert == alert:
                return found
        raise NotFound("There is no such spend alert. List the spend alerts.")

    async def put(
        self,
        tenant: TenantId,
        project: ProjectId | None,
        threshold_cents: int,
        recipients: tuple[str, ...],
        subject_prefix: str | None,
        alert: bytes | None = None,
    ) -> SpendAlert:
        """Make an alert, or change the one that is given.

        Raises:
            InvalidInput: a threshold or recipients that cannot be.
            NotFound: the organisation has no such project or alert.
        """
        if not 1 <= threshold_cents <= _CENTS_MAX:
            raise InvalidInput(
                f"A threshold is from 1 to {_CENTS_MAX} cents.", field="threshold_amount"
            )
        if not 1 <= len(recipients) <= _RECIPIENTS_MAX or not all(map(_is_address, recipients)):
            raise InvalidInput(
                f"Give 1 to {_RECIPIENTS_MAX} e-mail addresses.", field="notification_channel"
            )
        row = SpendAlert(
            alert=alert or self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            project=project,
            threshold_cents=threshold_cents,
            recipients=recipients,
            subject_prefix=subject_prefix,
            created_at=self._clock.now(),
            reached_month=None,
        )
        if alert is None:
            await self.all(tenant, project)
        else:
            await self.one(tenant, project, alert)
        async with self._database.transaction(tenant) as transaction:
            await repository.put(transaction, row)
            await self._audit.write(transaction, _event(row, {"threshold_amount": threshold_cents}))
        return row

    async def remove(self, tenant: TenantId, project: ProjectId | None, alert: bytes) -> None:
        """Delete an alert. Raises NotFound."""
        found = await self.one(tenant, project, alert)
        async with self._database.transaction(tenant) as transaction:
            await repository.remove(transaction, alert)
            await self._audit.write(transaction, _event(found, None))


class SpendWatch:
    """Looks once a minute whether alerts were reached, in the role `clerk`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        cost_cents: Callable[[ModelUse], float],
        announce: Announce,
    ) -> None:
        self._database = database
        self._clock = clock
        self._cost_cents = cost_cents
        self._announce = announce
        self._next = Instant(0)

    async def step(self, _fence: tuple[str, int] | None) -> None:
        """One look, if it is time. Raises Unavailable while the database is away."""
        now = self._clock.now()
        if now < self._next:
            return
        month = month_of(now)
        async with self._database.platform_reading() as reading:
            alerts = await repository.alerts(reading)
        for alert in alerts:
            if alert.reached_month != month:
                await self._look(alert, month)
        self._next = Instant(now + MINUTE_MS)

    async def _look(self, alert: SpendAlert, month: int) -> None:
        async with self._database.transaction(alert.tenant) as transaction:
            used = await repository.used_since(
                transaction, month_start_minute(month), alert.project
            )
            if sum(map(self._cost_cents, used)) < alert.threshold_cents:
                return
            reached = await repository.mark_reached(transaction, alert.alert, month)
        if reached:
            name = handle_text(ALERT, alert.alert)
            self._announce(AlertReached(name, month_text(month), alert.threshold_cents))


def _is_address(text: str) -> bool:
    return 3 <= len(text) <= 254 and text.isprintable() and "@" in text[1:-1] and " " not in text


def _event(row: SpendAlert, change: dict[str, object] | None) -> AuditEvent:
    """OpenAI has no type for it: a project or the organisation was updated."""
    name = handle_text(ALERT, row.alert)
    details = {"id": name, "changes_requested": {"spend_alert": change}}
    kind = "organization.updated" if row.project is None else "project.updated"
    resource = name if row.project is not None else tenant_text(row.tenant)
    return AuditEvent(kind, row.tenant, resource, details, row.project)

"""Commands on applications, each one transaction with its audit events and its log entry.

A rule assesses, a person of the house decides. Deciding and revoking return when every gateway
worker acts on it: the transaction commits first, then the workers are waited for, one that was cut
off from the database for the grace of its facts. A crash while waiting loses nothing: the decision
holds, and `watch` waits anew.

A review date does not end anything: once it has passed the approval is listed as due until
somebody reviews or revokes it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bailee.governance.zero_retention import errors, events, repository
from bailee.governance.zero_retention.assessment import assess, packaged_rules
from bailee.governance.zero_retention.model import (
    MODES,
    REVIEW_MS,
    STANDING,
    Application,
    Assessment,
    Facts,
    State,
)
from bailee.governance.zero_retention.standing import end_unapproved
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.policy.model import RetentionMode
from bailee.ports.acknowledgement import Acknowledgement
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness
from bailee.transparency import entry

HasAgreement = Callable[[TenantId], Awaitable[bool]]
"""Whether an organisation has an executed enterprise agreement."""

TEXT_MAX: Final = 4000
_ID_BYTES: Final = 16
_OPEN_MAX: Final = 50
_ARCHIVED: Final = "archived"


class ZeroRetention:
    """Applications of organisations, in the role `administrator`.

    `grace_ms` is how long a worker that is cut off from the database goes on with its facts.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
        actor: Actor,
        has_agreement: HasAgreement,
        acknowledgement: Acknowledgement,
        grace_ms: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._actor = actor
        self._has_agreement = has_agreement
        self._acknowledgement = acknowledgement
        self._grace_ms = grace_ms

    async def apply(
        self,
        tenant: TenantId,
        project: ProjectId | None,
        mode: RetentionMode,
        category: str,
        use_case: str,
        *,
        submit: bool = True,
    ) -> Application:
        """Make an application for a project, or with None for the organisation.

        It is submitted at once, as by `submit`, unless it is to be a draft.

        Raises:
            Forbidden: the actor may not, or submits without an executed agreement.
            InvalidInput: a mode, category or use case that cannot be.
            NotFound: the organisation has no such project.
            Conflict: the project is archived, or many applications are undecided.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.apply", tenant, now)
        if mode not in MODES:
            names = ", ".join(mode.value for mode in MODES)
            raise InvalidInput(f"`mode` is one of {names}.", field="mode")
        categories = packaged_rules().categories
        if category not in categories:
            raise InvalidInput(f"`category` is one of {', '.join(categories)}.", field="category")
        row = Application(
            application=self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            project=project,
            mode=mode,
            category=category,
            use_case=_checked_text(use_case, "use_case"),
            created_at=now,
            created_by=self._actor.identifier,
        )
        if submit:
            await self._check_agreement(tenant)
        async with self._database.transaction(tenant) as transaction:
            await locked(transaction, tenant, project)
            known = await repository.applications(transaction)
            undecided = [one for one in known if one.approved is None]
            if len(undecided) >= _OPEN_MAX:
                raise Conflict(
                    f"{_OPEN_MAX} applications are undecided. Wait until some are decided."
                )
            if submit:
                return await self._submitted(transaction, row)
            await repository.put(transaction, row)
        return row

    async def submit(self, tenant: TenantId, application: bytes) -> Application:
        """Submit a draft: it is assessed at once, by the facts as they are now.

        Raises:
            Forbidden: the actor may not, or the organisation has no executed agreement.
            NotFound: the organisation has no such application.
            Conflict: it is no draft, or its project is archived.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.apply", tenant, now)
        await self._check_agreement(tenant)
        async with self._database.transaction(tenant) as transaction:
            row = await _in_state(transaction, tenant, application, now, State.DRAFT)
            return await self._submitted(transaction, row)

    async def all(self, tenant: TenantId) -> list[Application]:
        """An organisation's applications, oldest first. Raises Forbidden."""
        require(self._actor, "zero_retention.read", tenant, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            return await repository.applications(transaction)

    async def one(self, tenant: TenantId, application: bytes) -> Application:
        """One of them. Raises Forbidden, NotFound."""
        for row in await self.all(tenant):
            if row.application == application:
                return row
        raise errors.no_application()

    async def everywhere(self, states: Sequence[State]) -> list[Application]:
        """Applications of every organisation in some states, oldest first, for the house.

        Raises Forbidden.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.read", None, now)
        async with self._database.platform_reading() as transaction:
            known = await repository.applications(transaction)
        return [row for row in known if row.state(now) in states]

    async def assessment(self, tenant: TenantId, category: str) -> Assessment:
        """What an application for a category of use would be assessed as now.

        Raises Forbidden, InvalidInput.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.read", tenant, now)
        async with self._database.transaction(tenant) as transaction:
            facts = await _facts(transaction, tenant, category, now)
        return assess(facts, packaged_rules())

    async def approve(
        self,
        tenant: TenantId,
        application: bytes,
        reasons: str,
        *,
        since: Instant | None = None,
        review_at: Instant | None = None,
    ) -> Application:
        """Approve an assessed application; by default from now on, to be reviewed in a year.

        With `since` in the future the mode is set when that has come; else it is in force
        everywhere on return.

        Raises:
            Forbidden: the actor may not, or the organisation has no executed agreement.
            InvalidInput: no reasons, or instants that cannot be.
            NotFound: the organisation has no such application.
            Conflict: it is not assessed, its project is archived, or the actor applied.
            Unavailable: as `Acknowledgement.everywhere`; the approval holds.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.decide", tenant, now)
        await self._check_agreement(tenant)
        begin = max(now, since or now)
        until = review_at or Instant(begin + REVIEW_MS)
        _check_review(begin, until)
        if begin > now + REVIEW_MS:
            raise InvalidInput("`since` is at most a year ahead.", field="since")
        async with self._database.transaction(tenant) as transaction:
            row = await self._decided(transaction, tenant, application, reasons, approved=True)
            row = row._replace(since=begin, review_at=until)
            await repository.put(transaction, row)
            await transaction.append_entry(await approved_entry(transaction, row, now))
            await self._audit.write(transaction, events.event("approved", row))
            if begin <= now:
                await self._set(transaction, row)
        return row if begin > now else await self._activated(row)

    async def decline(self, tenant: TenantId, application: bytes, reasons: str) -> Application:
        """Decline an assessed application. Raises as `approve`, but for the agreement."""
        require(self._actor, "zero_retention.decide", tenant, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            row = await self._decided(transaction, tenant, application, reasons, approved=False)
            await repository.put(transaction, row)
            await self._audit.write(transaction, events.event("declined", row))
        return row

    async def review(
        self, tenant: TenantId, application: bytes, review_at: Instant | None = None
    ) -> Application:
        """Let a standing approval go on until another review, by default in a year.

        Raises:
            Forbidden: the actor may not, or the organisation has no executed agreement any more.
            InvalidInput: a date that cannot be.
            NotFound, Conflict: there is no such approval.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.decide", tenant, now)
        await self._check_agreement(tenant)
        until = review_at or Instant(now + REVIEW_MS)
        _check_review(now, until)
        async with self._database.transaction(tenant) as transaction:
            row = await _in_state(transaction, tenant, application, now, *STANDING)
            row = row._replace(
                review_at=until,
                due_at=None,
                reviewed_at=now,
                reviewed_by=self._actor.identifier,
            )
            await repository.put(transaction, row)
            await transaction.append_entry(await approved_entry(transaction, row, now))
            await self._audit.write(transaction, events.event("reviewed", row))
        return row

    async def revoke(self, tenant: TenantId, application: bytes, reasons: str) -> Application:
        """End an approval: on return no gateway worker acts on a mode that needed it.

        Raises:
            Forbidden: the actor may not.
            InvalidInput: no reasons.
            NotFound, Conflict: there is no such approval.
            Unavailable: as `Acknowledgement.everywhere`; the revocation holds.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.revoke", tenant, now)
        _checked_text(reasons, "reasons")
        async with self._database.transaction(tenant) as transaction:
            row = await _in_state(transaction, tenant, application, now, *STANDING)
            row = row._replace(
                revoked_at=now, revoked_by=self._actor.identifier, revocation_reasons=reasons
            )
            await revoked(transaction, self._audit, row, now)
            await end_unapproved(transaction, self._audit, tenant, now)
        await self._acknowledgement.everywhere(self._grace_ms)
        return row

    async def _submitted(self, transaction: DatabaseTransaction, draft: Application) -> Application:
        now = self._clock.now()
        facts = await _facts(transaction, draft.tenant, draft.category, now)
        submitted = draft._replace(submitted_at=now, submitted_by=self._actor.identifier)
        assessed = submitted._replace(assessment=assess(facts, packaged_rules()))
        await repository.put(transaction, assessed)
        await self._audit.write(transaction, events.event("submitted", submitted))
        await self._audit.write(transaction, events.event("assessed", assessed))
        return assessed

    async def _check_agreement(self, tenant: TenantId) -> None:
        if not await self._has_agreement(tenant):
            raise errors.no_agreement()

    async def _decided(
        self,
        transaction: DatabaseTransaction,
        tenant: TenantId,
        application: bytes,
        reasons: str,
        *,
        approved: bool,
    ) -> Application:
        now = self._clock.now()
        _checked_text(reasons, "reasons")
        row = await _in_state(transaction, tenant, application, now, State.ASSESSED)
        if self._actor.identifier in (row.created_by, row.submitted_by):
            raise errors.own_application()
        return row._replace(
            decided_at=now, decided_by=self._actor.identifier, approved=approved, reasons=reasons
        )

    async def _set(self, transaction: DatabaseTransaction, row: Application) -> None:
        await repository.set_mode(transaction, row.tenant, row.project, row.mode)
        await self._audit.write(transaction, events.mode_set(row.tenant, row.project, row.mode))

    async def _activated(self, row: Application) -> Application:
        """Wait for the workers, then note it."""
        await self._acknowledgement.everywhere(self._grace_ms)
        now = self._clock.now()
        async with self._database.transaction(row.tenant) as transaction:
            if await repository.mark_active(transaction, row.application, now):
                await self._audit.write(transaction, events.event("started", row))
        return row._replace(active_at=now)


async def approved_entry(transaction: DatabaseTransaction, row: Application, now: Instant) -> bytes:
    """The log's word on an approval, or on its going on after a review."""
    assert row.since is not None and row.review_at is not None  # noqa: S101, PT018 - an approval's
    return entry.zero_retention_approved(
        now,
        await _reference(transaction, row),
        scope=row.scope,
        mode=row.mode.value,
        since=row.since,
        review_at=row.review_at,
    )


async def revoked(
    transaction: DatabaseTransaction, audit: Audit, row: Application, now: Instant
) -> None:
    """Write a revocation down: row, log entry, audit event."""
    await repository.put(transaction, row)
    reference = await _reference(transaction, row)
    leaf = entry.zero_retention_revoked(now, reference, scope=row.scope, mode=row.mode.value)
    await transaction.append_entry(leaf)
    await audit.write(transaction, events.event("revoked", row))


async def _reference(transaction: DatabaseTransaction, row: Application) -> bytes:
    if row.project is None:
        return await transaction.reference(b"organisation")
    return await transaction.reference(b"project", row.project)


async def locked(
    transaction: DatabaseTransaction, tenant: TenantId, project: ProjectId | None
) -> Instant:
    """Nobody else commands these modes until the end. Gives when the organisation was made."""
    created_at = await repository.lock(transaction, tenant)
    if created_at is None:
        raise NotFound("There is no such organisation.")
    if project is not None:
        status = await repository.project_status(transaction, project)
        if status is None:
            raise NotFound("There is no such project. List the organisation's projects.")
        if status == _ARCHIVED:
            raise Conflict("The project is archived. It cannot be changed any more.")
    return created_at


async def _in_state(
    transaction: DatabaseTransaction,
    tenant: TenantId,
    application: bytes,
    now: Instant,
    *states: State,
) -> Application:
    await locked(transaction, tenant, None)
    for row in await repository.applications(transaction):
        if row.application == application:
            state = row.state(now)
            if state not in states:
                names = " or ".join(sorted(one.value for one in states))
                raise errors.wrong_state(names, state.value)
            if states[0] not in STANDING:
                await locked(transaction, tenant, row.project)
            return row
    raise errors.no_application()


async def _facts(
    transaction: DatabaseTransaction, tenant: TenantId, category: str, now: Instant
) -> Facts:
    created_at = await locked(transaction, tenant, None)
    domains = await repository.domains(transaction)
    return Facts(max(0, now - created_at) // DAY_MS, len(domains), None, category)


def _check_review(begin: Instant, review_at: Instant) -> None:
    if not begin < review_at <= begin + REVIEW_MS:
        raise InvalidInput("A review is at most a year after the start.", field="review_at")


def _checked_text(text: str, field: str) -> str:
    # PostgreSQL keeps no NUL.
    if not text.strip() or len(text) > TEXT_MAX or "\0" in text:
        raise InvalidInput(f"`{field}` has 1 to {TEXT_MAX} characters, no NUL.", field=field)
    return text

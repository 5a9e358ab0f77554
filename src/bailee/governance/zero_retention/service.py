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
    UNDECIDED,
    Application,
    Assessment,
    Facts,
    State,
)
from bailee.governance.zero_retention.standing import begin, begun, end_unapproved
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, MINUTE_MS, Instant
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
SKEW_MS: Final = 5 * MINUTE_MS
"""How long ago `since` may be and still mean now: clocks differ."""
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

        It is submitted at once, as by `submit`, unless it is to be a draft. Without an executed
        agreement it stays a draft; asked again in the same words, it is the same one.

        Raises:
            Forbidden: the actor may not, or there is no executed agreement; that names the draft.
            InvalidInput: a mode, category or use case that cannot be.
            NotFound: the organisation has no such project.
            Conflict: the project is archived, many applications are undecided, or one for the
                same mode in the same place waits for a decision.
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
        agreed = submit and await self._has_agreement(tenant)
        async with self._database.transaction(tenant) as transaction:
            await locked(transaction, tenant, project)
            known = await repository.applications(transaction)
            if submit:
                _refuse_second(known, row)
                row = next((one for one in known if _same_draft(one, row)), row)
            if row not in known and sum(one.undecided for one in known) >= _OPEN_MAX:
                raise Conflict(
                    f"{_OPEN_MAX} applications are undecided. Wait until some are decided, or"
                    " withdraw some (`bailee zero-retention withdraw`)."
                )
            if agreed:
                return await self._submitted(transaction, row)
            await repository.put(transaction, row)
        if submit:
            raise errors.stays_draft(row.application)
        return row

    async def submit(self, tenant: TenantId, application: bytes) -> Application:
        """Submit a draft: it is assessed at once, by the facts as they are now.

        Raises:
            Forbidden: the actor may not, or the organisation has no executed agreement.
            NotFound: the organisation has no such application.
            Conflict: it is no draft, its project is archived, or another for the same mode in the
                same place waits for a decision.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.apply", tenant, now)
        if not await self._found_agreed(tenant, application, State.DRAFT):
            raise errors.stays_draft(application)
        async with self._database.transaction(tenant) as transaction:
            row = await _in_state(transaction, tenant, application, now, State.DRAFT)
            _refuse_second(await repository.applications(transaction), row)
            return await self._submitted(transaction, row)

    async def withdraw(self, tenant: TenantId, application: bytes) -> Application:
        """End an application that nobody has decided: nobody will.

        Raises:
            Forbidden: the actor may not.
            NotFound, Conflict: there is no such application, or it is decided or withdrawn.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.apply", tenant, now)
        async with self._database.transaction(tenant) as transaction:
            row = await _in_state(transaction, tenant, application, now, *UNDECIDED)
            row = row._replace(withdrawn_at=now, withdrawn_by=self._actor.identifier)
            await repository.put(transaction, row)
            await self._audit.write(transaction, events.event("withdrawn", row))
        return row

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

    async def in_force(self, row: Application) -> RetentionMode:
        """The mode that holds now where an application is for. Raises Forbidden."""
        require(self._actor, "zero_retention.read", row.tenant, self._clock.now())
        async with self._database.transaction(row.tenant) as transaction:
            return (await repository.modes(transaction, row.tenant)).in_force(row.project)

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
        everywhere on return. Where a stricter one is in force that stays, and this is permitted.

        Raises:
            Forbidden: the actor may not, or the organisation has no executed agreement.
            InvalidInput: no reasons, or instants that cannot be.
            NotFound: the organisation has no such application.
            Conflict: it is not assessed, its project is archived, or the actor applied.
            Unavailable: as `Acknowledgement.everywhere`; the approval holds.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.decide", tenant, now)
        if not await self._found_agreed(tenant, application, State.ASSESSED):
            raise errors.no_agreement()
        start = _start(now, since)
        until = review_at or Instant(start + REVIEW_MS)
        _check_review(start, until, "now" if start == now else "`since`")
        async with self._database.transaction(tenant) as transaction:
            row = await self._decided(transaction, tenant, application, reasons, approved=True)
            row = row._replace(since=start, review_at=until)
            await repository.put(transaction, row)
            await transaction.append_entry(await approved_entry(transaction, row, now))
            await self._audit.write(transaction, events.event("approved", row))
            if start <= now:
                await begin(transaction, self._audit, row)
        return row if start > now else await self._activated(row)

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
        if not await self._found_agreed(tenant, application, *STANDING):
            raise errors.no_agreement()
        until = review_at or Instant(now + REVIEW_MS)
        _check_review(now, until, "now")
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

    async def _found_agreed(self, tenant: TenantId, application: bytes, *states: State) -> bool:
        """Whether there is an agreement. Raises first if there is no such application."""
        async with self._database.transaction(tenant) as transaction:
            await _in_state(transaction, tenant, application, self._clock.now(), *states)
        return await self._has_agreement(tenant)

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

    async def _activated(self, row: Application) -> Application:
        """Wait for the workers, then note it."""
        await self._acknowledgement.everywhere(self._grace_ms)
        now = self._clock.now()
        async with self._database.transaction(row.tenant) as transaction:
            await begun(transaction, self._audit, row, now)
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
            if state in UNDECIDED and states != UNDECIDED:  # an archived project's is withdrawn
                await locked(transaction, tenant, row.project)
            return row
    raise errors.no_application()


def _refuse_second(known: Sequence[Application], row: Application) -> None:
    for one in known:
        waits = one.submitted_at is not None and one.undecided
        if waits and (one.project, one.mode) == (row.project, row.mode):
            raise errors.waits_already(one.application)


def _same_draft(one: Application, row: Application) -> bool:
    kept = one._replace(application=row.application, created_at=row.created_at)
    return one.undecided and kept == row


async def _facts(
    transaction: DatabaseTransaction, tenant: TenantId, category: str, now: Instant
) -> Facts:
    created_at = await locked(transaction, tenant, None)
    domains = await repository.domains(transaction)
    return Facts(max(0, now - created_at) // DAY_MS, len(domains), None, category)


def _start(now: Instant, since: Instant | None) -> Instant:
    if since is None:
        return now
    if since < now - SKEW_MS:
        raise InvalidInput(
            "`since` has passed. It is an instant from now on; leave it out for at once.",
            field="since",
        )
    if since > now + REVIEW_MS:
        raise InvalidInput("`since` is at most 365 days from now.", field="since")
    return max(now, since)


def _check_review(start: Instant, review_at: Instant, named: str) -> None:
    if not start < review_at <= start + REVIEW_MS:
        raise InvalidInput(
            f"`review_at` is an instant after {named}, and at most 365 days after it.",
            field="review_at",
        )


def _checked_text(text: str, field: str) -> str:
    # PostgreSQL keeps no NUL.
    if not text.strip() or len(text) > TEXT_MAX or "\0" in text:
        raise InvalidInput(f"`{field}` has 1 to {TEXT_MAX} characters, no NUL.", field=field)
    return text

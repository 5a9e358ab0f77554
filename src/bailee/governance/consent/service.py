"""Commands on consent, for one actor. Each is one transaction, and holds everywhere on return.

A statement takes effect `NOTICE_MS` after it was made, at an instant that every gateway worker
knows before it comes: so nothing is sealed for training outside of what the ledger says, and
nothing inside is left out, but for calls under way and for workers that lost their lease.

Giving: row, columns, audit event and log entry commit together; then the command waits for every
worker, and for the instant. A crash after the commit costs nothing: the consent stands.

Withdrawing: the same; then what was shared is destroyed (`ending`). A crash between leaves a
consent that does not stand and a secret that nobody seals to; the command repeated, or the clerk,
destroys it.
"""

from typing import Final, NamedTuple

from bailee.governance.consent import repository, texts
from bailee.governance.consent.ending import SharingEnd
from bailee.governance.consent.errors import NothingStands, NotShareable, TextOutdated
from bailee.governance.consent.events import event_of
from bailee.governance.consent.model import (
    NOTICE_MS,
    Kind,
    Statement,
    Subject,
    spoken,
    stood,
    transitions,
)
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.ports.acknowledgement import Acknowledgement
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.keeper import TrainingDestroyer
from bailee.ports.randomness import Randomness
from bailee.transparency import entry

_ID_BYTES = 16
_SCOPES = {True: "organisation", False: "project"}


class Given(NamedTuple):
    """What was stated, and for which projects it counts nothing."""

    statement: Statement
    left_out: tuple[Subject, ...] = ()
    """Projects whose agreements exclude sharing."""


class Withdrawn(NamedTuple):
    """What was stated, and what was destroyed for it."""

    statement: Statement
    destroyed: tuple[str, ...] = ()
    """What receipts call it, as in `training/us/…`."""


_NO_PROJECT: Final = "There is no such project. List the organisation's projects."


class Consents:
    """Consent of organisations and projects, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        keeper: TrainingDestroyer,
        acknowledgement: Acknowledgement,
        clock: Clock,
        pace: Clock,
        randomness: Randomness,
        audit: Audit,
        actor: Actor,
    ) -> None:
        """`clock` tells when things are stated; `pace` awaits real time."""
        self._database = database
        self._acknowledgement = acknowledgement
        self._clock = clock
        self._pace = pace
        self._randomness = randomness
        self._audit = audit
        self._actor = actor
        self._end = SharingEnd(database, keeper, clock)

    async def give(
        self,
        tenant: TenantId,
        project: ProjectId | None,
        kind: Kind,
        text: str,
        digest: bytes,
        since: Instant | None = None,
    ) -> Given:
        """Agree to the current text of a kind, for the organisation or one project. Idempotent.

        `since`: of an opt-out that was given elsewhere before, when.

        Raises:
            Forbidden: the actor may not. TextOutdated: the text is not the current one.
            InvalidInput: the digest is not the text's, or `since` may not be given.
            NotFound: there is no such organisation or project.
            NotShareable: zero retention or another agreement excludes it.
            NotYet: an earlier withdrawal is being finished.
            Unavailable: the database is away; it may stand, and may be repeated.
        """
        action = "consent.give" if kind is Kind.SHARING else "consent.withdraw"
        now = self._clock.now()
        require(self._actor, action, tenant, now)
        self._check_text(kind, text, digest)
        if kind is Kind.SHARING:
            await self._end.finish(tenant, now)
            await self._end.require_finished(tenant, project)
        async with self._database.transaction(tenant) as transaction:
            subjects = await self._subjects(transaction, tenant, project)
            refused = [one for one in subjects if one.refusal is not None]
            if kind is Kind.SHARING and len(refused) == len(subjects) and refused:
                raise NotShareable({one.name: one.refusal or "" for one in refused})
            rows = await repository.ledger(transaction)
            latest = _latest(rows, kind, project)
            if latest is not None and latest.stands:
                made = latest
            else:
                begins = self._begins(kind, now, latest, since)
                made = self._made(tenant, project, kind, now, begins)
                made = made._replace(text=text, text_digest=digest)
                await self._state(transaction, rows, made, latest)
                await transaction.append_entry(
                    entry.consent_given(
                        now,
                        await _reference(transaction, project),
                        scope=_SCOPES[project is None],
                        kind=kind.value,
                        text=text,
                        text_digest=digest,
                    )
                )
            if project is None and kind is Kind.SHARING:
                # What cannot share now does not begin to by itself when it could.
                for one in refused:
                    silent = _latest(rows, kind, one.project) is None
                    if silent or _stands(rows, kind, one.project):
                        await self._end_one(transaction, rows, tenant, one.project, kind, now)
        await self._everywhere(made.valid_from)
        return Given(made, tuple(refused) if kind is Kind.SHARING else ())

    async def withdraw(self, tenant: TenantId, project: ProjectId | None, kind: Kind) -> Withdrawn:
        """Let a consent, or an opt-out, stand no more. Idempotent; finishes what a crash left.

        On return nothing is sealed for training any more, and what was shared opens for it no more.
        Whoever withdraws for the organisation withdraws what its projects gave by themselves too.

        Raises:
            Forbidden: the actor may not. NotFound: there is no such organisation or project.
            NothingStands: the organisation never gave it. What its projects withdrew before is
                destroyed all the same.
            Unavailable: a part is away. If the withdrawal was committed it holds, and the clerk
                destroys what was shared.
        """
        action = "consent.withdraw" if kind is Kind.SHARING else "consent.give"
        now = self._clock.now()
        require(self._actor, action, tenant, now)
        async with self._database.transaction(tenant) as transaction:
            made, last = await self._end_all(transaction, tenant, project, kind, now)
        await self._everywhere(last)
        destroyed = await self._end.finish(tenant, last) if kind is Kind.SHARING else []
        if made is None:
            raise NothingStands
        return Withdrawn(made, tuple(destroyed))

    async def ledger(
        self, tenant: TenantId, kind: Kind | None = None, known: Instant | None = None
    ) -> list[Statement]:
        """The ledger's rows in their order; with `known`, those that it held at that instant.

        Raises Forbidden.
        """
        require(self._actor, "consent.read", tenant, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            rows = await repository.ledger(transaction)
        return [
            row
            for row in rows
            if (kind is None or row.kind is kind) and (known is None or row.known(known))
        ]

    async def stood(
        self,
        tenant: TenantId,
        project: ProjectId | None,
        kind: Kind,
        at: Instant | None = None,
        known: Instant | None = None,
    ) -> Statement | None:
        """The statement that decided at `at`, as known at `known`; both are now by default.

        None: nobody had said anything. Raises Forbidden, NotFound.
        """
        now = self._clock.now()
        rows = await self.ledger(tenant)
        if project is not None and all(row.project != project for row in rows):
            async with self._database.transaction(tenant) as transaction:
                known_here = await repository.subjects(transaction)
            if all(one.project != project for one in known_here):
                raise NotFound(_NO_PROJECT)
        return stood(
            rows, kind, project, now if at is None else at, now if known is None else known
        )

    async def spoken(
        self,
        tenant: TenantId,
        kind: Kind,
        at: Instant | None = None,
        known: Instant | None = None,
    ) -> dict[ProjectId, Statement]:
        """As `stood`, for every project with a statement of its own. Raises Forbidden."""
        now = self._clock.now()
        rows = await self.ledger(tenant)
        return spoken(rows, kind, now if at is None else at, now if known is None else known)

    def _check_text(self, kind: Kind, version: str, digest: bytes) -> None:
        text = texts.current(kind)
        if version != text.version:
            raise TextOutdated(text.version)
        if digest != text.digest:
            raise InvalidInput("The digest is not the text's. Read the text again.", field="digest")

    async def _subjects(
        self, transaction: DatabaseTransaction, tenant: TenantId, project: ProjectId | None
    ) -> list[Subject]:
        """Whom a statement is about, locked against other statements. Raises NotFound."""
        if not await repository.lock(transaction, tenant):
            raise NotFound("There is no such organisation.")
        subjects = await repository.subjects(transaction)
        if project is None:
            return subjects
        found = [one for one in subjects if one.project == project]
        if not found:
            raise NotFound(_NO_PROJECT)
        return found

    async def _end_all(
        self,
        transaction: DatabaseTransaction,
        tenant: TenantId,
        project: ProjectId | None,
        kind: Kind,
        now: Instant,
    ) -> tuple[Statement | None, Instant]:
        """State that nothing stands any more; gives the scope's own word, and from when on none of
        them does. None where only projects had ever given it.

        Raises NotFound; NothingStands if there is nothing to end or to finish.
        """
        subjects = await self._subjects(transaction, tenant, project)
        rows = await repository.ledger(transaction)
        latest = _latest(rows, kind, project)
        own: list[ProjectId] = []
        before: list[Statement] = []
        if project is None and kind is Kind.SHARING:
            own = [one.project for one in subjects if _stands(rows, kind, one.project)]
            # Of a project's own withdrawal, which may have died on its way.
            before = [row for row in rows if row.kind is kind and row.superseded_at is None]
        ended = [row.valid_from for row in before if not row.stands]
        if latest is None and not own and (project is None or kind is Kind.OPT_OUT):
            if not ended:
                raise NothingStands
            return None, max(ended)
        if latest is not None and not latest.stands:
            made = latest
        else:
            made = await self._end_one(transaction, rows, tenant, project, kind, now)
        for scope in own:
            also = await self._end_one(transaction, rows, tenant, scope, kind, now)
            ended.append(also.valid_from)
        return made, max([made.valid_from, *ended])

    async def _end_one(
        self,
        transaction: DatabaseTransaction,
        rows: list[Statement],
        tenant: TenantId,
        project: ProjectId | None,
        kind: Kind,
        now: Instant,
    ) -> Statement:
        """State for one scope that nothing stands, in ledger and log."""
        latest = _latest(rows, kind, project)
        ends = self._begins(kind, now, latest, None)
        made = self._made(tenant, project, kind, now, ends)._replace(stands=False)
        await self._state(transaction, rows, made, latest)
        await transaction.append_entry(
            entry.consent_withdrawn(
                now,
                await _reference(transaction, project),
                scope=_SCOPES[project is None],
                kind=kind.value,
            )
        )
        return made

    def _begins(
        self, kind: Kind, now: Instant, latest: Statement | None, since: Instant | None
    ) -> Instant:
        """When a statement takes effect; turns never go back. Raises InvalidInput."""
        if since is not None:
            if kind is Kind.SHARING or latest is not None or since > now:
                raise InvalidInput(
                    "`since` is for the first opt-out alone, and past: sharing is never backdated.",
                    field="since",
                )
            return since
        earliest = Instant(now + NOTICE_MS)
        return earliest if latest is None else max(earliest, latest.valid_from)

    def _made(
        self,
        tenant: TenantId,
        project: ProjectId | None,
        kind: Kind,
        now: Instant,
        begins: Instant,
    ) -> Statement:
        return Statement(
            statement=self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            project=project,
            kind=kind,
            stands=True,
            valid_from=begins,
            valid_until=None,
            recorded_at=now,
            superseded_at=None,
            text=None,
            text_digest=None,
            actor=self._actor.identifier,
        )

    async def _state(
        self,
        transaction: DatabaseTransaction,
        rows: list[Statement],
        made: Statement,
        latest: Statement | None,
    ) -> None:
        """Write a statement: what held before is superseded by the same with an end."""
        held = [row for row in rows if row.kind is made.kind and row.project == made.project]
        present = [row for row in held if row.superseded_at is None]
        if latest is not None:
            await repository.supersede(transaction, latest.statement, made.recorded_at)
            ended = latest._replace(
                statement=self._randomness.random_bytes(_ID_BYTES),
                valid_until=made.valid_from,
                recorded_at=made.recorded_at,
            )
            await repository.add(transaction, ended)
            present = [ended if row is latest else row for row in present]
        await repository.add(transaction, made)
        turns = transitions([*present, made])
        await repository.set_turns(transaction, made.tenant, made.project, made.kind, turns)
        await self._audit.write(transaction, event_of(made))

    async def _everywhere(self, begins: Instant) -> None:
        """Wait until every worker knows, and until what begins then has taken effect."""
        until_s = self._pace.monotonic_s() + NOTICE_MS / 1000
        await self._acknowledgement.everywhere()
        if self._clock.now() < begins:
            await self._pace.sleep_s(max(0.0, until_s - self._pace.monotonic_s()))


def _latest(rows: list[Statement], kind: Kind, project: ProjectId | None) -> Statement | None:
    """The last word of a scope, as far as it is known now."""
    own = [
        row
        for row in rows
        if row.kind is kind
        and row.project == project
        and row.superseded_at is None
        and row.valid_until is None
    ]
    return own[-1] if own else None


def _stands(rows: list[Statement], kind: Kind, project: ProjectId) -> bool:
    """Whether a project's own last word is that it does."""
    latest = _latest(rows, kind, project)
    return latest is not None and latest.stands


async def _reference(transaction: DatabaseTransaction, project: ProjectId | None) -> bytes:
    if project is None:
        return await transaction.reference(b"organisation")
    return await transaction.reference(b"project", project)

"""Commands on drafts of policy versions.

    draft → in approval → approved → published
      ↑___________|____________|  (rewritten: approvals lapse)      or withdrawn

Promises: what is published was found faultless at that moment, approved as it reads by as many
different people as `policy.drafting` asks for, none of them its author, and takes effect on an
epoch's border that lies the notice ahead. A version, its log entry and its audit event are one
transaction; when `publish` returns, every gateway worker decides by it from its instant on, what
it brings forward has been brought forward, and every organisation that it concerns was told. A
crash in between is finished by publishing again, or by `settle`. Published versions are never
changed or taken back: another version follows.
"""

from typing import Final

from bailee.governance.policy_drafts import repository
from bailee.governance.policy_drafts.model import (
    DRAFT,
    Approval,
    Draft,
    Published,
    Reviewed,
    State,
)
from bailee.governance.policy_drafts.published import files_with, history_with
from bailee.kernel.errors import Conflict, Forbidden, NotFound
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import DAY_MS, Instant, to_rfc3339
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor, ActorKind
from bailee.policy.decide import API_SERVICE
from bailee.policy.difference import Difference, difference
from bailee.policy.drafting import DraftTexts, check, notice, packaged_rules, timely
from bailee.policy.history import PolicyHistory, PolicyVersion
from bailee.policy.reading import Problem
from bailee.policy.show import digest
from bailee.policy.simulation import Simulation, simulate
from bailee.ports.acknowledgement import Acknowledgement
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness
from bailee.transparency import entry

_ID_BYTES: Final = 16
_LIVE: Final = frozenset({State.DRAFT, State.IN_APPROVAL, State.APPROVED})
Examined = tuple[Draft, PolicyVersion | None, list[Problem]]


class PolicyDrafts:
    """Drafts and their publication, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
        acknowledgement: Acknowledgement,
        actor: Actor,
        *,
        grace_ms: int,
    ) -> None:
        """`grace_ms` is how long a gateway worker acts on what it knew while it hears nothing."""
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._acknowledgement = acknowledgement
        self._actor = actor
        self._grace_ms = grace_ms

    # Reading.

    async def policies(self) -> PolicyHistory:
        """The history, with what is published and not yet in force. Public."""
        async with self._database.transaction(None) as transaction:
            return history_with(await repository.published(transaction))

    async def published(self) -> list[Published]:
        """What this installation published, in that order. Public."""
        async with self._database.transaction(None) as transaction:
            return await repository.published(transaction)

    async def all(self) -> list[Draft]:
        """All drafts, newest first."""
        self._require("policy.read")
        async with self._database.transaction(None) as transaction:
            return await repository.drafts(transaction)

    async def one(self, draft: bytes) -> Reviewed:
        """A draft with everything that is wrong with it now. Raises NotFound."""
        now = self._require("policy.read")
        async with self._database.transaction(None) as transaction:
            found, _, problems = await self._examined(transaction, draft, now)
        return Reviewed(found, problems)

    async def difference(self, draft: bytes) -> Difference:
        """What the draft changes for whom, from when. Raises NotFound, Conflict."""
        now = self._require("policy.read")
        async with self._database.transaction(None) as transaction:
            examined = await self._examined(transaction, draft, now)
            policies = await _history_without(transaction, draft)
        return difference(policies, _readable(examined))

    async def simulate(self, draft: bytes, days: int) -> Simulation:
        """What the draft would have changed of the last days' decisions.

        Raises NotFound, Conflict for a draft that cannot be read.
        """
        now = self._require("policy.read")
        async with self._database.transaction(None) as transaction:
            version = _readable(await self._examined(transaction, draft, now))
            policies = await _history_without(transaction, draft)
        since = now // DAY_MS - days
        async with self._database.platform_reading() as reading:
            counted = await repository.counted(reading, version.service, since, policies)
        return simulate(policies, version, counted)

    async def lint(self, texts: DraftTexts) -> list[Problem]:
        """Everything that is wrong with a text, as if it were drafted now."""
        now = self._require("policy.read")
        async with self._database.transaction(None) as transaction:
            row = _new(b"", texts, self._actor.identifier, now)
            return (await _checked(transaction, row, now))[1]

    # Writing.

    async def write(self, texts: DraftTexts, draft: bytes | None = None) -> Reviewed:
        """Begin a draft, or rewrite one's own; approvals lapse. What is wrong with it is told.

        Raises:
            NotFound: there is no such draft.
            Forbidden: somebody else wrote it.
            Conflict: it was published or withdrawn.
        """
        now, tenant = self._require("policy.draft"), self._tenant()
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction)
            found = None if draft is None else await self._own(transaction, draft)
            identifier = self._randomness.random_bytes(_ID_BYTES)
            row = _new(identifier, texts, self._actor.identifier, now)
            if found is not None:
                row = row._replace(draft=found.draft, created_at=found.created_at)
            version, problems = await _checked(transaction, row, now)
            if version is not None:
                row = row._replace(
                    version=version.id,
                    service=version.service,
                    digest=digest(version),
                    effective=version.effective,
                )
            await repository.put(transaction, row)
            await repository.clear_approvals(transaction, row.draft)
            kind = "policy_draft.created" if found is None else "policy_draft.updated"
            await self._note(transaction, tenant, kind, row)
        return Reviewed(row, problems)

    async def submit(self, draft: bytes) -> Draft:
        """Ask for approvals. Raises NotFound, Forbidden, and Conflict while anything is wrong."""
        now, tenant = self._require("policy.draft"), self._tenant()
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction)
            row = await self._own(transaction, draft)
            if row.state is not State.DRAFT:
                raise Conflict("The draft was submitted. Rewrite it to begin anew.")
            _faultless(await self._examined(transaction, draft, now))
            row = row._replace(state=State.IN_APPROVAL)
            await repository.put(transaction, row)
            await self._note(transaction, tenant, "policy_draft.submitted", row)
        return row

    async def approve(self, draft: bytes, read: bytes) -> Draft:
        """Give one's word for a draft; `read` is the digest of what was read.

        Raises:
            NotFound: there is no such draft.
            Forbidden: whoever asks wrote it, or is not a person.
            Conflict: it is not up for approval, reads differently, or was approved by the same.
        """
        now, tenant = self._require("policy.approve"), self._tenant()
        if self._actor.kind is not ActorKind.PERSON:
            raise Forbidden("People approve drafts, signed in as themselves. Keys do not.")
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction)
            row = await _found(transaction, draft)
            if row.author == self._actor.identifier:
                raise Forbidden("Nobody approves a draft of their own. Ask two other people.")
            if row.state not in (State.IN_APPROVAL, State.APPROVED):
                raise Conflict("The draft is not up for approval. Its author submits it.")
            if row.digest != read:
                raise Conflict("The draft reads differently now. Read it again, then approve it.")
            if any(one.actor == self._actor.identifier for one in row.approvals):
                raise Conflict("You approved this draft. Somebody else is needed.")
            approval = Approval(self._actor.identifier, now)
            await repository.add_approval(transaction, draft, approval)
            row = row._replace(approvals=(*row.approvals, approval))
            if len(row.approvals) >= packaged_rules().approvers:
                row = row._replace(state=State.APPROVED)
            await repository.put(transaction, row)
            await self._note(transaction, tenant, "policy_draft.approved", row)
        return row

    async def withdraw(self, draft: bytes) -> Draft:
        """End a draft. Raises NotFound, and Conflict once it is published or withdrawn."""
        self._require("policy.draft")
        tenant = self._tenant()
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction)
            row = await _found(transaction, draft)
            _live(row)
            row = row._replace(state=State.WITHDRAWN)
            await repository.put(transaction, row)
            await self._note(transaction, tenant, "policy_draft.withdrawn", row)
        return row

    async def publish(self, draft: bytes) -> Published:
        """Publish an approved draft; on return every gateway worker knows it. Idempotent.

        Raises:
            NotFound: there is no such draft.
            Conflict: it is not approved, or something is wrong with it by now.
            Unavailable: the database is away. If the version was published, it holds; publish
                again, so that it is finished.
        """
        now, tenant = self._require("policy.publish"), self._tenant()
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction)
            known = [row for row in await repository.published(transaction) if row.draft == draft]
            row = known[0] if known else await self._publish(transaction, tenant, draft, now)
        return await self._finish(row)

    async def settle(self) -> int:
        """Finish what a crash left of publications; gives how many that concerned."""
        unfinished = [row for row in await self.published() if row.announced_at is None]
        for row in unfinished:
            await self._finish(row)
        return len(unfinished)

    async def _publish(
        self, transaction: DatabaseTransaction, tenant: TenantId, draft: bytes, now: Instant
    ) -> Published:
        examined = await self._examined(transaction, draft, now)
        found, version = examined[0], _faultless(examined)
        if found.state is not State.APPROVED:
            approvers = packaged_rules().approvers
            raise Conflict(
                f"The draft has {len(found.approvals)} of {approvers} approvals. Others than its"
                " author approve it first."
            )
        row = Published(
            version=version.id,
            service=version.service,
            effective=version.effective,
            endpoint_table=version.endpoint_table,
            texts=found.texts,
            digest=digest(version),
            draft=draft,
            published_by=self._actor.identifier,
            published_at=now,
            announced_at=None,
        )
        if row.digest != found.digest:
            raise Conflict("The draft means something else by now. Its author rewrites it.")
        await repository.add_published(transaction, row)
        await repository.put(transaction, found._replace(state=State.PUBLISHED))
        leaf = entry.policy_published(
            now, version.id, digest=row.digest, effective=version.effective
        )
        await transaction.append_entry(leaf)
        await repository.note_told(transaction, tenant, row.version, now)
        await self._audit.write(transaction, _told(row, tenant))
        await self._shorten(transaction, row, version)
        return row

    async def _finish(self, row: Published) -> Published:
        """Everything that comes after the commit. Each step may be repeated."""
        await self._acknowledgement.everywhere(self._grace_ms)
        # What was stored between the commit and the last worker's word.
        version = (await self.policies()).version(row.version)
        async with self._database.transaction(None) as transaction:
            if version is not None:
                await self._shorten(transaction, row, version)
        async with self._database.platform_reading() as reading:
            tenants = await repository.not_told(reading, row.version)
        for tenant in tenants:
            async with self._database.transaction(tenant) as transaction:
                concerned = row.service == API_SERVICE or await repository.concerned(
                    transaction, row.service
                )
                if concerned and await repository.note_told(
                    transaction, tenant, row.version, self._clock.now()
                ):
                    await self._audit.write(transaction, _told(row, tenant))
        now = self._clock.now()
        async with self._database.transaction(None) as transaction:
            await repository.mark_announced(transaction, row.version, now)
        return row._replace(announced_at=row.announced_at or now)

    async def _shorten(
        self, transaction: DatabaseTransaction, row: Published, version: PolicyVersion
    ) -> None:
        days = version.rules.stored_days
        await repository.shorten_stored(transaction, row.service, row.effective, days)

    async def _examined(
        self, transaction: DatabaseTransaction, draft: bytes, now: Instant
    ) -> Examined:
        row = await _found(transaction, draft)
        version, problems = await _checked(transaction, row, now)
        return row, version, problems

    async def _own(self, transaction: DatabaseTransaction, draft: bytes) -> Draft:
        row = await _found(transaction, draft)
        _live(row)
        if row.author != self._actor.identifier:
            raise Forbidden("Somebody else wrote this draft. Begin one of your own.")
        return row

    async def _note(
        self, transaction: DatabaseTransaction, tenant: TenantId, kind: str, row: Draft
    ) -> None:
        name = handle_text(DRAFT, row.draft)
        details = {"id": name, "version": row.version, "service": row.service}
        await self._audit.write(transaction, AuditEvent(kind, tenant, name, details))

    def _require(self, action: str) -> Instant:
        now = self._clock.now()
        require(self._actor, action, None, now)
        return now

    def _tenant(self) -> TenantId:
        """The organisation in whose audit log drafts are: that of whoever acts."""
        if self._actor.tenant is None:
            raise Forbidden("People of the operator's organisation draft, approve and publish.")
        return self._actor.tenant


def _new(draft: bytes, texts: DraftTexts, author: str, now: Instant) -> Draft:
    return Draft(draft, "", "", texts, State.DRAFT, author, now, now, None, None)


async def _found(transaction: DatabaseTransaction, draft: bytes) -> Draft:
    for row in await repository.drafts(transaction):
        if row.draft == draft:
            return row
    raise NotFound("There is no such draft. List the drafts.")


def _live(row: Draft) -> None:
    if row.state not in _LIVE:
        raise Conflict(f"The draft was {row.state.value}. Begin another.")


async def _checked(
    transaction: DatabaseTransaction, row: Draft, now: Instant
) -> tuple[PolicyVersion | None, list[Problem]]:
    """The draft as a version, and everything that is wrong with it at this instant.

    One that was published is looked at as if it had not been.
    """
    rows = [one for one in await repository.published(transaction) if one.draft != row.draft]
    read = check(files_with(rows), row.texts)
    problems = list(read.problems)
    version = read.version
    if version is not None and row.state is not State.PUBLISHED:
        too_soon = timely(history_with(rows), version, now)
        if too_soon is not None:
            problems.append(too_soon)
        if version.service not in await repository.services(transaction) | {API_SERVICE}:
            file = next(iter(read.files))
            problems.append(Problem(file, "service", "no such service; register it first"))
    return version, problems


async def _history_without(transaction: DatabaseTransaction, draft: bytes) -> PolicyHistory:
    rows = await repository.published(transaction)
    return history_with(row for row in rows if row.draft != draft)


def _readable(examined: Examined) -> PolicyVersion:
    """The version, whatever else is wrong. Raises Conflict if there is none to speak of."""
    _, version, problems = examined
    if version is None or any(problem.key != "effective" for problem in problems):
        raise Conflict(_said(problems))
    return version


def _faultless(examined: Examined) -> PolicyVersion:
    _, version, problems = examined
    if version is None or problems:
        raise Conflict(_said(problems))
    return version


def _said(problems: list[Problem]) -> str:
    lines = "\n".join(str(problem) for problem in problems)
    return f"The draft has {len(problems)} problem(s); its author corrects them:\n{lines}"


def _told(row: Published, tenant: TenantId) -> AuditEvent:
    """What an organisation is told, in both languages."""
    said = notice(row.version, row.service, row.effective)
    details = {
        "id": row.version,
        "service": row.service,
        "effective": to_rfc3339(row.effective),
        "english": said.english,
        "korean": said.korean,
    }
    return AuditEvent("policy.published", tenant, row.version, details)

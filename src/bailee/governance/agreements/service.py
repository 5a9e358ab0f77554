"""Commands on agreements, each one transaction with its audit event.

Nothing is executed here: when both have signed, the clerk makes the document and executes
(`execution`), so that no gateway holds the key that seals it. What a form says enters no event.
"""

from collections.abc import Mapping
from typing import Final

from bailee.governance.agreements import repository
from bailee.governance.agreements.errors import (
    no_document,
    not_in_force,
    terminating,
    unknown,
    wrong_state,
)
from bailee.governance.agreements.events import event
from bailee.governance.agreements.model import (
    IN_PREPARATION,
    Agreement,
    Ended,
    Kind,
    Language,
    Operator,
    Signature,
    State,
    Step,
    may,
)
from bailee.governance.agreements.standing import in_force
from bailee.governance.agreements.templates import (
    SIGNATORY,
    CountersignedBy,
    Library,
    Template,
    printable,
)
from bailee.governance.agreements.versions import Offered, offered
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant, to_rfc3339
from bailee.policy.access.matrix import allowed, require
from bailee.policy.access.model import Actor, ActorKind
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

_ID_BYTES: Final = 16
_NAME_MAX: Final = 100
_REASONS_MAX: Final = 2000


class Agreements:
    """Agreements of organisations on behalf of one actor, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
        actor: Actor,
        library: Library,
        operator: Operator | None,
    ) -> None:
        """`operator`: as the settings name the other party; None: nobody counter-signs."""
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._actor = actor
        self._library = library
        self._operator = operator

    async def offered(self, tenant: TenantId) -> list[Offered]:
        """The texts that can be agreed to now, one of each kind. Raises Forbidden."""
        self._require("agreement.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            return [await offered(transaction, self._library, kind) for kind in Kind]

    async def all(self, tenant: TenantId) -> list[Agreement]:
        """An organisation's agreements, in the order in which they were begun. Raises Forbidden."""
        self._require("agreement.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            return await repository.all_of(transaction)

    async def one(self, tenant: TenantId, agreement: bytes) -> Agreement:
        """One of them. Raises Forbidden, NotFound."""
        self._require("agreement.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            return await _one(transaction, agreement, lock=False)

    async def document(self, tenant: TenantId, agreement: bytes) -> bytes:
        """The signed PDF. Raises Forbidden, NotFound, Conflict where there is none (yet)."""
        self._require("agreement.read", tenant)
        async with self._database.transaction(tenant) as transaction:
            row = await _one(transaction, agreement, lock=False)
            found = await repository.document(transaction, agreement)
        if found is None:
            raise no_document(row.state)
        return found

    async def waiting(self) -> list[Agreement]:
        """Everybody's agreements that wait for the operator, oldest first. Raises Forbidden."""
        self._require("agreement.review", None)
        async with self._database.platform_reading() as reading:
            found = await repository.in_state(
                reading, {State.SUBMITTED, State.IN_REVIEW, State.SIGNED}
            )
        return [row for row in found if self._waits_for_operator(row)]

    async def draft(
        self,
        tenant: TenantId,
        kind: Kind,
        language: Language,
        form: Mapping[str, str],
        *,
        submit: bool = False,
    ) -> Agreement:
        """Begin an agreement to the text that is in force; `submit`: and hand it in, or neither.

        Raises:
            Forbidden: the actor may not.
            InvalidInput: a field that the form does not have, or cannot take.
            Conflict: the organisation prepares one of this kind already; as `submit`.
        """
        self._require("agreement.request", tenant)
        async with self._database.transaction(tenant) as transaction:
            template = (await offered(transaction, self._library, kind)).template
            if await repository.prepares(transaction, kind):
                raise Conflict(
                    "The organisation prepares an agreement of this kind. Go on with it, or"
                    " terminate it first."
                )
            row = Agreement(
                agreement=self._randomness.random_bytes(_ID_BYTES),
                tenant=tenant,
                kind=kind,
                version=template.version,
                text_digest=template.digest,
                language=language,
                state=State.DRAFT,
                form=template.checked(form, complete=False),
                created_at=self._clock.now(),
            )
            await repository.insert(transaction, row)
            await self._audit.write(transaction, event("drafted", row))
            if submit:
                row = await self._submitted(transaction, row)
        return row

    async def fill(
        self,
        tenant: TenantId,
        agreement: bytes,
        form: Mapping[str, str],
        language: Language | None = None,
    ) -> Agreement:
        """Change fields of a draft's form, and in which language it is to be signed.

        An empty value empties the field; None leaves the language.

        Raises Forbidden, NotFound, InvalidInput, Conflict.
        """
        self._require("agreement.request", tenant)
        async with self._database.transaction(tenant) as transaction:
            row = await _one(transaction, agreement)
            template = self._ready(row, Step.FILL)
            merged = template.checked({**row.form, **form}, complete=False)
            changed = row._replace(form=merged, language=language or row.language)
            await repository.write(transaction, changed)
            await self._audit.write(transaction, event("filled", changed))
        return changed

    async def submit(self, tenant: TenantId, agreement: bytes) -> Agreement:
        """Hand a completed form in.

        What nobody assesses is signed with it, where the actor may sign for the organisation.

        Raises:
            Forbidden, NotFound.
            InvalidInput: a field is missing.
            Conflict: it is no draft, its text is no longer in force, what it requires is not, or
                the operator has not named who counter-signs.
        """
        self._require("agreement.request", tenant)
        async with self._database.transaction(tenant) as transaction:
            return await self._submitted(transaction, await _one(transaction, agreement))

    async def begin_review(self, tenant: TenantId, agreement: bytes) -> Agreement:
        """Say that somebody of the operator's assesses it. Raises Forbidden, NotFound, Conflict."""
        return await self._reviewed(tenant, agreement, Step.BEGIN_REVIEW, "")

    async def accept(self, tenant: TenantId, agreement: bytes, reasons: str) -> Agreement:
        """Let it be signed. Raises Forbidden, NotFound, Conflict, InvalidInput."""
        return await self._reviewed(tenant, agreement, Step.ACCEPT, reasons)

    async def decline(self, tenant: TenantId, agreement: bytes, reasons: str) -> Agreement:
        """Refuse it, with reasons. Raises Forbidden, NotFound, Conflict, InvalidInput."""
        return await self._reviewed(tenant, agreement, Step.DECLINE, reasons)

    async def sign(self, tenant: TenantId, agreement: bytes) -> Agreement:
        """Sign for the organisation, under the name that the form gives.

        Raises Forbidden, NotFound; Conflict as `submit`, and before it was accepted.
        """
        self._require("agreement.sign", tenant)
        async with self._database.transaction(tenant) as transaction:
            row = await _one(transaction, agreement)
            template = self._ready(row, Step.SIGN)
            await self._check_current(transaction, row, template)
            signed = await self._signed(transaction, row, template)
            await repository.write(transaction, signed)
        return signed

    async def countersign(
        self, tenant: TenantId, agreement: bytes, name: str, title: str
    ) -> Agreement:
        """Sign for the operator; a person does.

        Raises:
            Forbidden: the actor may not, or is no person.
            NotFound, InvalidInput.
            Conflict: the organisation has not signed, what it requires is not in force, or the
                settings do not name the operator.
        """
        self._require("agreement.countersign", tenant)
        if self._actor.kind is not ActorKind.PERSON:
            raise Forbidden("A person counter-signs. Sign in as one who may.")
        for field, value in (("name", name), ("title", title)):
            if not 1 <= len(value.strip()) <= _NAME_MAX or not printable(value):
                raise InvalidInput(f"Give a {field} of 1 to {_NAME_MAX} letters.", field=field)
        async with self._database.transaction(tenant) as transaction:
            row = await _one(transaction, agreement)
            template = self._ready(row, Step.COUNTERSIGN)
            await self._check_required(transaction, template)
            signed = self._countersigned(row, name.strip(), title.strip(), self._actor.identifier)
            await repository.write(transaction, signed)
            await self._audit.write(transaction, event("countersigned", signed))
        return signed

    async def terminate(self, tenant: TenantId, agreement: bytes, reasons: str) -> Agreement:
        """Give notice that an executed agreement ends, or give up preparing one; either party may.

        An executed one is in force until the notice that its text states has passed; then the clerk
        ends it. Nobody takes a notice back: another agreement is executed instead.

        Raises:
            Forbidden, NotFound, InvalidInput.
            Conflict: it has ended, notice was given, its document is being made, another agreement
                requires it for longer, or projects are protected under it.
        """
        ours = allowed(self._actor, "agreement.sign", tenant)
        if not ours and not allowed(self._actor, "agreement.countersign", tenant):
            raise Forbidden(
                "This needs the permission `agreement.sign`, which an `owner` of the organisation"
                " may use, or `agreement.countersign`, which a `privacy_officer` of the operator's"
                " own organisation may use. Ask one of them."
            )
        self._require("agreement.sign" if ours else "agreement.countersign", tenant)
        ended = Ended(self._actor.identifier, self._clock.now(), _reasons(reasons))
        async with self._database.transaction(tenant) as transaction:
            row = await _one(transaction, agreement)
            template = self._ready(row, Step.TERMINATE)
            if row.state is State.EXECUTED:
                return await self._noticed(transaction, row, ended, template)
            terminated = row._replace(state=State.TERMINATED, ended=ended)
            await repository.write(transaction, terminated)
            await self._audit.write(transaction, event("terminated", terminated))
        return terminated

    async def _noticed(
        self, transaction: DatabaseTransaction, row: Agreement, ended: Ended, template: Template
    ) -> Agreement:
        if row.terminating:
            raise terminating(row)
        until = Instant(ended.at + template.termination_notice_ms)
        if row.in_force_until is not None:
            until = min(until, row.in_force_until)
        noticed = row._replace(ended=ended, in_force_until=until)
        await self._check_unneeded(transaction, noticed)
        await repository.write(transaction, noticed)
        more = {"in_force_until": to_rfc3339(until)}
        await self._audit.write(transaction, event("termination_noticed", noticed, **more))
        return noticed

    async def _reviewed(
        self, tenant: TenantId, agreement: bytes, step: Step, reasons: str
    ) -> Agreement:
        self._require("agreement.review", tenant)
        said = "" if step is Step.BEGIN_REVIEW else _reasons(reasons)
        state, what = _REVIEWS[step]
        async with self._database.transaction(tenant) as transaction:
            row = await _one(transaction, agreement)
            template = self._ready(row, step)
            if step is Step.ACCEPT:
                await self._check_required(transaction, template)
            reviewed = Ended(self._actor.identifier, self._clock.now(), said)
            changed = row._replace(state=state, reviewed=reviewed)
            await repository.write(transaction, changed)
            await self._audit.write(transaction, event(what, changed))
        return changed

    async def _submitted(self, transaction: DatabaseTransaction, row: Agreement) -> Agreement:
        template = self._ready(row, Step.SUBMIT)
        await self._check_current(transaction, row, template)
        submitted = row._replace(
            form=template.checked(row.form, complete=True),
            state=State.SUBMITTED,
            submitted_at=self._clock.now(),
        )
        if template.countersigned_by is CountersignedBy.STORED_SIGNATORY:
            self._stored_signatory()
        await self._audit.write(transaction, event("submitted", submitted))
        if not template.review and allowed(self._actor, "agreement.sign", row.tenant):
            submitted = await self._signed(transaction, submitted, template)
        await repository.write(transaction, submitted)
        return submitted

    async def _signed(
        self, transaction: DatabaseTransaction, row: Agreement, template: Template
    ) -> Agreement:
        self._require("agreement.sign", row.tenant)
        name, title = (row.form[field] for field in SIGNATORY)
        signature = Signature(name, title, self._actor.identifier, self._clock.now())
        signed = row._replace(state=State.SIGNED, signature=signature)
        await self._audit.write(transaction, event("signed", signed))
        if template.countersigned_by is not CountersignedBy.STORED_SIGNATORY:
            return signed
        name, title = self._stored_signatory()
        signed = self._countersigned(signed, name, title, "operator")
        await self._audit.write(transaction, event("countersigned", signed))
        return signed

    def _countersigned(self, row: Agreement, name: str, title: str, actor: str) -> Agreement:
        operator = self._named_operator()
        return row._replace(
            state=State.COUNTERSIGNED,
            countersignature=Signature(name, title, actor, self._clock.now()),
            operator_name=operator.legal_name,
            operator_address=operator.address,
        )

    def _stored_signatory(self) -> tuple[str, str]:
        signatory = self._named_operator().signatory
        if signatory is None:
            raise Conflict(
                "The operator has not said who signs for it. Ask it to set"
                " agreements.signatory_name and agreements.signatory_title."
            )
        return signatory.name, signatory.title

    def _named_operator(self) -> Operator:
        if self._operator is None:
            raise Conflict(
                "The operator has not said who it is. Ask it to set agreements.operator_name and"
                " agreements.operator_address."
            )
        return self._operator

    def _ready(self, row: Agreement, step: Step) -> Template:
        template = self._library.one(row.kind, row.version)
        if not may(step, row.state, reviewed=template.review):
            raise wrong_state(row, step, reviewed=template.review)
        return template

    async def _check_current(
        self, transaction: DatabaseTransaction, row: Agreement, template: Template
    ) -> None:
        """Nobody signs an older text than the one in force, nor another one of its name."""
        current = (await offered(transaction, self._library, row.kind)).template
        if (current.version, current.digest) != (row.version, row.text_digest):
            raise Conflict(
                f"Version {current.version} of this agreement is in force now. Terminate this"
                " one and begin anew."
            )
        await self._check_required(transaction, template)

    async def _check_required(self, transaction: DatabaseTransaction, template: Template) -> None:
        """Locked, so that nobody terminates meanwhile what this one requires."""
        now = self._clock.now()
        for kind in template.requires:
            found = await in_force(transaction, kind, now)
            if found is None:
                raise not_in_force(kind)
            if found.terminating:
                raise terminating(found)

    async def _check_unneeded(self, transaction: DatabaseTransaction, row: Agreement) -> None:
        binding = {State.COUNTERSIGNED, State.EXECUTED}
        for other in await repository.in_state(transaction, binding):
            requires = self._library.one(other.kind, other.version).requires
            ends = other.in_force_until
            sooner = ends is not None and ends <= (row.in_force_until or 0)
            if other.agreement != row.agreement and row.kind in requires and not sooner:
                raise Conflict(
                    f"The {other.kind.value.replace('_', ' ')} requires this agreement. Terminate"
                    " that one first."
                )
        if row.kind is Kind.BUSINESS_ASSOCIATE_AGREEMENT and await repository.protected_projects(
            transaction
        ):
            raise Conflict("Projects are protected under this agreement. Archive them first.")

    def _waits_for_operator(self, row: Agreement) -> bool:
        template = self._library.one(row.kind, row.version)
        return row.state is State.SIGNED or (row.state in IN_PREPARATION and template.review)

    def _require(self, action: str, tenant: TenantId | None) -> None:
        require(self._actor, action, tenant, self._clock.now())


_REVIEWS: Final = {
    Step.BEGIN_REVIEW: (State.IN_REVIEW, "review_begun"),
    Step.ACCEPT: (State.ACCEPTED, "accepted"),
    Step.DECLINE: (State.DECLINED, "declined"),
}


async def _one(
    transaction: DatabaseTransaction, agreement: bytes, *, lock: bool = True
) -> Agreement:
    found = await repository.one(transaction, agreement, lock=lock)
    if found is None:
        raise unknown()
    return found


def _reasons(reasons: str) -> str:
    text = reasons.strip()
    if not 1 <= len(text) <= _REASONS_MAX:
        raise InvalidInput(f"Give reasons, in at most {_REASONS_MAX} characters.", field="reasons")
    return text

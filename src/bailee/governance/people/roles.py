"""Commands on roles: giving, ending, and looking every quarter at who holds which.

A role is an assignment with a beginning and an end; nothing of its history is changed or removed.
Roles that nobody holds together are refused, house roles outside the operator's own organisation
too, and an organisation keeps an owner for as long as it has had one. What a role allows is the
matrix's business (`policy.access`).
"""

from typing import Final

from bailee.governance.people import repository
from bailee.governance.people.model import Assignment
from bailee.kernel.errors import Conflict, Forbidden, NotFound
from bailee.kernel.ids import TenantId, handle_text, tenant_text
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import check_together, packaged_matrix, require
from bailee.policy.access.model import HOUSE_ROLES, Actor, Role
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

ASSIGNMENT: Final = "assign_"
USER: Final = "user_"
_ID_BYTES: Final = 16


class Roles:
    """Roles of an organisation's people, on behalf of one actor, in the role `administrator`."""

    def __init__(
        self, database: Database, clock: Clock, randomness: Randomness, audit: Audit, actor: Actor
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._actor = actor

    async def assignments(self, tenant: TenantId, person: bytes | None = None) -> list[Assignment]:
        """Assignments of an organisation, or of one person of it; ended ones too, oldest first.

        Raises Forbidden; NotFound for a person who never held a role there.
        """
        require(self._actor, "people.read", tenant, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            found = await repository.assignments(transaction)
        if person is None:
            return found
        of_person = [one for one in found if one.person == person]
        if not of_person:
            raise _nobody()
        return of_person

    async def give(self, tenant: TenantId, person: bytes, role: Role) -> Assignment:
        """Give a person a role; nobody gives one to themselves.

        Raises:
            Forbidden, SignInAgain: the matrix says so, or it is the actor's own.
            NotFound: there is no such person.
            Conflict: they hold it, or one that nobody holds together with it; or it is a house
                role and this is not the operator's own organisation.
        """
        now = self._clock.now()
        require(self._actor, "roles.assign", tenant, now)
        self.check_not_own(person)
        async with self._database.transaction(tenant) as transaction:
            if await repository.person(transaction, person) is None:
                raise _nobody()
            return await self.give_within(transaction, tenant, person, role)

    async def end(self, tenant: TenantId, person: bytes, role: Role) -> Assignment:
        """Take a role from a person.

        Raises:
            Forbidden, SignInAgain: the matrix says so.
            NotFound: nobody of this name holds the role.
            Conflict: this is the organisation's last owner.
        """
        require(self._actor, "roles.assign", tenant, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            return await self.end_within(transaction, person, role)

    async def due(self, tenant: TenantId) -> list[Assignment]:
        """What nobody has looked at in this quarter, oldest first. Raises Forbidden."""
        now = self._clock.now()
        require(self._actor, "people.read", tenant, now)
        async with self._database.transaction(tenant) as transaction:
            found = await repository.lasting_assignments(transaction)
        return [one for one in found if one.due(now)]

    async def overdue(self) -> dict[TenantId, int]:
        """How many assignments of each organisation should have been looked at, for operators."""
        require(self._actor, "people.read", None, self._clock.now())
        now = self._clock.now()
        counts: dict[TenantId, int] = {}
        async with self._database.platform_reading() as transaction:
            for one in await repository.lasting_assignments(transaction):
                if one.overdue(now):
                    counts[one.tenant] = counts.get(one.tenant, 0) + 1
        return counts

    async def recertify(self, tenant: TenantId, assignment: bytes, *, keep: bool) -> Assignment:
        """Confirm that a person goes on holding a role, or end it; either is recorded.

        Nobody confirms a role of their own, as long as somebody else of the organisation may. Of a
        holder's own confirmation the audit event says `by_holder`.

        Raises:
            Forbidden, SignInAgain: the matrix says so, or it is the actor's own.
            NotFound: there is no such assignment that lasts.
            Conflict: it would end the organisation's last owner's.
        """
        now = self._clock.now()
        require(self._actor, "roles.recertify", tenant, now)
        async with self._database.transaction(tenant) as transaction:
            lasting = await repository.lasting_assignments(transaction)
            for one in lasting:
                if one.assignment == assignment:
                    break
            else:
                raise NotFound("There is no such assignment. List what is due.")
            if keep and self._is_actor(one.person) and _others(lasting, one.person):
                raise Forbidden(
                    "Nobody confirms their own role. Ask another owner, or the operator's privacy"
                    " officer, to confirm it."
                )
            by = self._actor.identifier
            confirmation = self._randomness.random_bytes(_ID_BYTES)
            await repository.confirm(transaction, confirmation, one, by, now, kept=keep)
            await self._write(transaction, "role.recertified", one, kept=keep)
            if not keep:
                return await self.end_within(transaction, one.person, one.role)
        return one._replace(confirmed_by=by, confirmed_at=now)

    async def house(self) -> TenantId | None:
        """The operator's own organisation."""
        async with self._database.platform_reading() as transaction:
            return await repository.house(transaction)

    async def set_house(self, tenant: TenantId) -> None:
        """Make an organisation the operator's own, in place of the one that was. Idempotent.

        Raises:
            Forbidden: only the operator may.
            NotFound: there is no such organisation.
            Conflict: people of the one that was hold house roles.
        """
        require(self._actor, "organisation.create", tenant, self._clock.now())
        former = await self.house()
        if former == tenant:
            return
        async with self._database.transaction(tenant) as transaction:
            if not await repository.organisation_exists(transaction):
                raise NotFound("There is no such organisation. List the organisations.")
        # A crash between the two leaves no house, so nobody with a house role: give the command
        # again.
        if former is not None:
            async with self._database.transaction(former) as transaction:
                lasting = await repository.lasting_assignments(transaction)
                if any(one.role in HOUSE_ROLES for one in lasting):
                    raise Conflict("People of the present house hold house roles. End those first.")
                await self._set_house(transaction, former, house=False)
        async with self._database.transaction(tenant) as transaction:
            await self._set_house(transaction, tenant, house=True)

    async def _set_house(
        self, transaction: DatabaseTransaction, tenant: TenantId, *, house: bool
    ) -> None:
        await repository.set_house(transaction, tenant, house=house)
        resource = tenant_text(tenant)
        details = {"id": resource, "changes_requested": {"house": house}}
        event = AuditEvent("organization.updated", tenant, resource, details)
        await self._audit.write(transaction, event)

    async def give_within(
        self, transaction: DatabaseTransaction, tenant: TenantId, person: bytes, role: Role
    ) -> Assignment:
        """Give a role within a command that has asked the matrix. Raises Conflict as `give`."""
        lasting = [one for one in await repository.assignments(transaction) if _lasts(one, person)]
        held = {one.role for one in lasting}
        if role in held:
            raise Conflict(f"The person holds `{role.value}`.")
        check_together({*held, role})
        if role in HOUSE_ROLES and await repository.house(transaction) != tenant:
            raise Conflict(
                f"`{role.value}` is held in the operator's own organisation alone. Give it to"
                " somebody of that one (`bailee admin house` says which it is)."
            )
        given = Assignment(
            self._randomness.random_bytes(_ID_BYTES),
            tenant,
            person,
            role,
            self._actor.identifier,
            self._clock.now(),
        )
        await repository.give(transaction, given)
        await self._write(transaction, "role.assignment.created", given)
        return given

    async def end_within(
        self, transaction: DatabaseTransaction, person: bytes, role: Role
    ) -> Assignment:
        """Take a role within a command that has asked the matrix. Raises as `end`."""
        lasting = [one for one in await repository.assignments(transaction) if _lasts(one)]
        for one in lasting:
            if (one.person, one.role) == (person, role):
                break
        else:
            raise NotFound("The person does not hold this role. List their roles.")
        owners = [other for other in lasting if other.role is Role.OWNER]
        if role is Role.OWNER and len(owners) < 2:
            raise Conflict("This is the organisation's last owner. Make another owner first.")
        now, by = Instant(self._clock.now()), self._actor.identifier
        await repository.end(transaction, one.assignment, by, now)
        await self._write(transaction, "role.assignment.deleted", one)
        return one._replace(ended_by=by, ended_at=now)

    async def held_within(self, transaction: DatabaseTransaction, person: bytes) -> set[Role]:
        """What a person holds; it cannot change until the transaction ends."""
        found = await repository.assignments(transaction)
        return {one.role for one in found if _lasts(one, person)}

    def check_not_own(self, person: bytes) -> None:
        """Return if the person is not the actor. Raises Forbidden."""
        if self._is_actor(person):
            raise Forbidden("Nobody gives themselves a role. Ask another owner, or the operator.")

    def _is_actor(self, person: bytes) -> bool:
        return self._actor.identifier == handle_text(USER, person)

    async def _write(
        self,
        transaction: DatabaseTransaction,
        kind: str,
        row: Assignment,
        *,
        kept: bool | None = None,
    ) -> None:
        resource = handle_text(USER, row.person)
        details: dict[str, object] = {
            "id": handle_text(ASSIGNMENT, row.assignment),
            "principal_id": resource,
            "principal_type": "user",
            "resource_type": "organization",
            "role": row.role.value,
        }
        if kept is not None:
            details["kept"] = kept
            details["by_holder"] = self._is_actor(row.person)
        await self._audit.write(transaction, AuditEvent(kind, row.tenant, resource, details))


def _others(lasting: list[Assignment], person: bytes) -> bool:
    """Whether somebody else of the organisation may confirm roles."""
    permission = packaged_matrix().permissions["roles.recertify"]
    may = permission.own | permission.any & HOUSE_ROLES
    return any(one.role in may and one.person != person for one in lasting)


def _lasts(one: Assignment, person: bytes | None = None) -> bool:
    return one.ended_at is None and person in (None, one.person)


def _nobody() -> NotFound:
    return NotFound("There is no such person. List the organisation's users.")

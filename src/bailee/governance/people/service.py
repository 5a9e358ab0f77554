"""Commands on people, each one transaction with its audit event.

Audit events name people by identifier and never by address, so that removing a person leaves none.
Nobody is sent anything: the operator, or whoever invites, passes the invitation on. Whoever may
invite and remove people may not make owners or remove somebody with more than a developer's role:
that asks for `roles.assign` besides.
"""

from typing import Final

from bailee.governance.people import repository
from bailee.governance.people.model import (
    INVITE_MS,
    Invite,
    InviteState,
    Member,
    Person,
    ProjectRole,
    Role,
    checked_email,
)
from bailee.governance.people.roles import USER, Roles
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId, handle_text
from bailee.kernel.instants import Instant
from bailee.kernel.names import NAME_LONGEST, checked_name
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.policy.access.model import Role as HeldRole
from bailee.ports.audit import Audit, AuditEvent, Details
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

INVITE: Final = "invite_"
_ID_BYTES: Final = 16


class People:
    """People and invitations of organisations, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
        actor: Actor,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._actor = actor
        self._roles = Roles(database, clock, randomness, audit, actor)

    async def people(self, tenant: TenantId) -> list[Person]:
        """An organisation's people, in the order in which they were added."""
        async with self._database.transaction(tenant) as transaction:
            return await repository.people(transaction)

    async def person(self, tenant: TenantId, person: bytes) -> Person:
        """One person. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            return await _person(transaction, person)

    async def set_role(self, tenant: TenantId, person: bytes, role: Role) -> Person:
        """Make a person an owner, or no owner; whoever is left without a role is a developer.

        Raises:
            Forbidden, SignInAgain: as `roles.assign`; nobody makes themselves an owner.
            NotFound: there is no such person.
            Conflict: the last owner; a role that nobody holds together with owner.
        """
        require(self._actor, "roles.assign", tenant, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            found = await _person(transaction, person)
            held = await self._roles.held_within(transaction, person)
            if role is Role.READER:
                if HeldRole.OWNER in held:
                    await self._roles.end_within(transaction, person, HeldRole.OWNER)
                if not held - {HeldRole.OWNER}:
                    await self._roles.give_within(transaction, tenant, person, HeldRole.DEVELOPER)
            elif HeldRole.OWNER not in held:
                self._roles.check_not_own(person)
                await self._roles.give_within(transaction, tenant, person, HeldRole.OWNER)
            changes = {"changes_requested": {"role": role.value}}
            await self._audit.write(transaction, _event("user.updated", found, changes))
        return found._replace(role=role)

    async def remove(self, tenant: TenantId, person: bytes) -> None:
        """Remove a person, what they sign in with, their part in projects, and their invitations.

        Raises NotFound; Conflict for the last owner; Forbidden as `roles.assign` for somebody with
        more than a developer's role.
        """
        async with self._database.transaction(tenant) as transaction:
            found = await _person(transaction, person)
            held = await self._roles.held_within(transaction, person)
            if held - {HeldRole.DEVELOPER}:
                require(self._actor, "roles.assign", tenant, self._clock.now())
            for role in held:
                await self._roles.end_within(transaction, person, role)
            await repository.remove(transaction, person)
            await repository.remove_invites_of(transaction, found.email)
            await self._audit.write(transaction, _event("user.deleted", found, {}))

    async def members(self, tenant: TenantId, project: ProjectId) -> list[Member]:
        """A project's people. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            await _require_project(transaction, project)
            return await repository.members(transaction, project)

    async def member(self, tenant: TenantId, project: ProjectId, person: bytes) -> Member:
        """One of them. Raises NotFound."""
        for member in await self.members(tenant, project):
            if member.person.person == person:
                return member
        raise NotFound("There is no such person in the project. List the project's users.")

    async def add_member(
        self,
        tenant: TenantId,
        project: ProjectId,
        role: ProjectRole,
        *,
        person: bytes | None = None,
        email: str | None = None,
    ) -> Member:
        """Add a person of the organisation to a project, by identifier or by address.

        Raises:
            InvalidInput: neither or both were given.
            NotFound: the organisation has no such project or person.
            Conflict: the person is in the project.
        """
        if (person is None) == (email is None):
            raise InvalidInput("Give either `user_id` or `email`.", field="user_id")
        now = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            await _require_project(transaction, project)
            if email is not None:
                found = await repository.person_by_email(transaction, checked_email(email))
            else:
                found = await repository.person(transaction, person or b"")
            if found is None:
                raise NotFound("There is no such person in the organisation. Invite them first.")
            present = await repository.members(transaction, project)
            if any(member.person.person == found.person for member in present):
                raise Conflict(
                    "The person is in the project. Change their role.",
                    field="user_id" if email is None else "email",
                )
            member = Member(found, role, now)
            await repository.put_member(transaction, project, member)
            more = {"data": {"role": role.value}}
            await self._audit.write(transaction, _event("user.added", found, more, project))
        return member

    async def set_project_role(
        self, tenant: TenantId, project: ProjectId, person: bytes, role: ProjectRole
    ) -> Member:
        """Give a person another role in a project. Raises NotFound."""
        member = await self.member(tenant, project, person)
        async with self._database.transaction(tenant) as transaction:
            changed = member._replace(role=role)
            await repository.put_member(transaction, project, changed)
            changes = {"changes_requested": {"role": role.value}}
            event = _event("user.updated", member.person, changes, project)
            await self._audit.write(transaction, event)
        return changed

    async def remove_member(self, tenant: TenantId, project: ProjectId, person: bytes) -> None:
        """Take a person out of a project. Raises NotFound."""
        member = await self.member(tenant, project, person)
        async with self._database.transaction(tenant) as transaction:
            await repository.remove_member(transaction, project, person)
            await self._audit.write(transaction, _event("user.deleted", member.person, {}, project))

    async def invites(self, tenant: TenantId) -> list[Invite]:
        """An organisation's invitations, oldest first."""
        async with self._database.transaction(tenant) as transaction:
            return await repository.invites(transaction)

    async def invite(self, tenant: TenantId, invite: bytes) -> Invite:
        """One invitation. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            return await _invite(transaction, invite)

    async def send_invite(
        self,
        tenant: TenantId,
        email: str,
        role: Role,
        projects: tuple[tuple[ProjectId, ProjectRole], ...],
    ) -> Invite:
        """Invite somebody, for seven days.

        Raises:
            InvalidInput: this is no address.
            NotFound: the organisation has no such project.
            Conflict: the person is in the organisation, or invited.
            Forbidden: as `roles.assign`, for an owner.
        """
        now = self._clock.now()
        if role is Role.OWNER:
            require(self._actor, "roles.assign", tenant, now)
        row = Invite(
            invite=self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            email=checked_email(email),
            role=role,
            projects=projects,
            created_at=now,
            expires_at=Instant(now + INVITE_MS),
            accepted_at=None,
        )
        async with self._database.transaction(tenant) as transaction:
            if await repository.person_by_email(transaction, row.email) is not None:
                raise Conflict("The person is in the organisation.", field="email")
            for known in await repository.invites(transaction):
                if known.email == row.email and known.state(now) is InviteState.PENDING:
                    raise Conflict(
                        "The person is invited. Delete the invitation to make another.",
                        field="email",
                    )
            for project, _ in projects:
                await _require_project(transaction, project)
            await repository.add_invite(transaction, row)
            more = {"data": {"role": role.value}}
            await self._audit.write(transaction, _invite_event("invite.sent", row, more))
        return row

    async def accept_invite(self, invite: bytes, name: str) -> Person:
        """Make an invited person one of the organisation's, for an operator who knows who it is.

        Raises:
            NotFound: there is no such invitation.
            Conflict: it was accepted, or has expired.
            InvalidInput: a name that is empty, long or unprintable.
        """
        checked_name(name)
        async with self._database.platform_reading() as reading:
            tenant = await repository.tenant_of_invite(reading, invite)
        if tenant is None:
            raise _no_invite()
        now = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            found = await _invite(transaction, invite)
            if found.state(now) is not InviteState.PENDING:
                raise Conflict("The invitation was accepted or has expired. Make another.")
            identifier = self._randomness.random_bytes(_ID_BYTES)
            person = Person(identifier, tenant, found.email, name, found.role, now)
            await repository.add(transaction, person)
            held = HeldRole.OWNER if found.role is Role.OWNER else HeldRole.DEVELOPER
            await self._roles.give_within(transaction, tenant, identifier, held)
            for project, role in found.projects:
                if await repository.project_exists(transaction, project):
                    await repository.put_member(transaction, project, Member(person, role, now))
            await repository.mark_accepted(transaction, invite, now)
            await self._audit.write(transaction, _invite_event("invite.accepted", found, {}))
            more = {"data": {"role": found.role.value}}
            await self._audit.write(transaction, _event("user.added", person, more))
        return person

    async def welcome(self, email: str, name: str, tenant: TenantId | None = None) -> None:
        """Accept the invitation of an address that is proved, if exactly one is pending.

        Within `tenant`, if it is given.
        """
        async with self._database.platform_reading() as reading:
            pending = await repository.pending_invites(reading, email, self._clock.now())
        found = [invite for invite in pending if tenant in (None, invite.tenant)]
        if len(found) == 1:
            printable = "".join(letter for letter in name if letter.isprintable())
            await self.accept_invite(
                found[0].invite, printable[:NAME_LONGEST].strip() or email[:NAME_LONGEST]
            )

    async def delete_invite(self, tenant: TenantId, invite: bytes) -> None:
        """Delete an invitation. Raises NotFound; Conflict if it was accepted."""
        async with self._database.transaction(tenant) as transaction:
            found = await _invite(transaction, invite)
            if found.accepted_at is not None:
                raise Conflict("The invitation was accepted. Remove the person.")
            await repository.remove_invite(transaction, invite)
            await self._audit.write(transaction, _invite_event("invite.deleted", found, {}))


async def _person(transaction: DatabaseTransaction, person: bytes) -> Person:
    found = await repository.person(transaction, person)
    if found is None:
        raise NotFound("There is no such person. List the organisation's users.")
    return found


async def _invite(transaction: DatabaseTransaction, invite: bytes) -> Invite:
    found = await repository.invite(transaction, invite)
    if found is None:
        raise _no_invite()
    return found


async def _require_project(transaction: DatabaseTransaction, project: ProjectId) -> None:
    if not await repository.project_exists(transaction, project):
        raise NotFound("There is no such project. List the organisation's projects.")


def _no_invite() -> NotFound:
    return NotFound("There is no such invitation. List the organisation's invites.")


def _event(
    kind: str, person: Person, more: Details, project: ProjectId | None = None
) -> AuditEvent:
    resource = handle_text(USER, person.person)
    return AuditEvent(kind, person.tenant, resource, {"id": resource, **more}, project)


def _invite_event(kind: str, invite: Invite, more: Details) -> AuditEvent:
    resource = handle_text(INVITE, invite.invite)
    return AuditEvent(kind, invite.tenant, resource, {"id": resource, **more})

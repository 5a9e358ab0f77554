"""Roles of people: given, ended, looked at every quarter, and what is refused."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.unit.governance.conftest import Installation

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness
from bailee.governance.audit.model import Wanted
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.people.model import (
    RECERTIFY_WITHIN_MS,
    Person,
    quarter_start,
)
from bailee.governance.people.model import Role as WireRole
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.kernel.errors import Conflict, Forbidden, NotFound
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import DAY_MS, Instant, from_rfc3339
from bailee.policy.access.model import HOUSE_ROLES, OPERATOR, Actor, ActorKind, Role

NOW = from_rfc3339("2026-11-23T08:00:00Z")


class Desk:
    """People and roles of one organisation, as different actors command them."""

    def __init__(self, engine: AsyncEngine, clock: ManualClock, tenant: TenantId) -> None:
        self.database = PostgresDatabase(engine)
        self.clock = clock
        self.tenant = tenant

    def people(self, actor: Actor = OPERATOR) -> People:
        audit = AuditTrail(actor.identifier, self.clock, SystemRandomness())
        return People(self.database, self.clock, SystemRandomness(), audit, actor)

    def roles(self, actor: Actor = OPERATOR) -> Roles:
        audit = AuditTrail(actor.identifier, self.clock, SystemRandomness())
        return Roles(self.database, self.clock, SystemRandomness(), audit, actor)

    def actor(self, *roles: Role, tenant: TenantId | None = None) -> Actor:
        return Actor(
            ActorKind.PERSON, "user_1", tenant or self.tenant, frozenset(roles), self.clock.now()
        )

    async def person(self, name: str, role: WireRole = WireRole.READER) -> Person:
        invite = await self.people().send_invite(self.tenant, f"{name}@example.org", role, ())
        return await self.people().accept_invite(invite.invite, name)

    async def held(self, person: Person) -> set[Role]:
        found = await self.roles().assignments(self.tenant, person.person)
        return {one.role for one in found if one.ended_at is None}


@pytest.fixture
async def desk(installation: Installation, administrator_engine: AsyncEngine) -> Desk:
    tenant = (await installation.tenancy.create_organisation("Acme")).tenant
    return Desk(administrator_engine, ManualClock(NOW), tenant)


async def test_the_words_on_the_wire_are_assignments(desk: Desk) -> None:
    ada, bob = await desk.person("ada", WireRole.OWNER), await desk.person("bob")
    assert (await desk.held(ada), await desk.held(bob)) == ({Role.OWNER}, {Role.DEVELOPER})
    with pytest.raises(Conflict, match="last owner"):
        await desk.people().set_role(desk.tenant, ada.person, WireRole.READER)
    await desk.people().set_role(desk.tenant, bob.person, WireRole.OWNER)
    assert await desk.held(bob) == {Role.DEVELOPER, Role.OWNER}
    await desk.people().set_role(desk.tenant, ada.person, WireRole.READER)
    assert await desk.held(ada) == {Role.DEVELOPER}
    roles = {one.name: one.role for one in await desk.people().people(desk.tenant)}
    assert roles == {"ada": WireRole.READER, "bob": WireRole.OWNER}


async def test_history_is_kept_and_said(desk: Desk) -> None:
    await desk.person("ada", WireRole.OWNER)
    bob = await desk.person("bob")
    await desk.roles().give(desk.tenant, bob.person, Role.ADMINISTRATOR)
    with pytest.raises(Conflict, match="holds"):
        await desk.roles().give(desk.tenant, bob.person, Role.ADMINISTRATOR)
    desk.clock.advance(60_000)
    await desk.roles().end(desk.tenant, bob.person, Role.ADMINISTRATOR)
    with pytest.raises(NotFound):
        await desk.roles().end(desk.tenant, bob.person, Role.ADMINISTRATOR)
    await desk.people().remove(desk.tenant, bob.person)
    history = await desk.roles().assignments(desk.tenant, bob.person)
    # Both were given in the same millisecond: neither comes first.
    assert {one.role: (one.given_by, one.ended_by) for one in history} == {
        Role.DEVELOPER: ("operator", "operator"),
        Role.ADMINISTRATOR: ("operator", "operator"),
    }
    (ended,) = (one for one in history if one.role is Role.ADMINISTRATOR)
    assert ended.ended_at == NOW + 60_000
    events = await AuditLog(desk.database).events(
        desk.tenant, Wanted(types=("role.assignment.deleted",)), 10
    )
    assert {event.details["role"] for event in events} == {"administrator", "developer"}
    assert "example.org" not in str(events)


async def test_nobody_gives_or_confirms_a_role_of_their_own(desk: Desk) -> None:
    ada = await desk.person("ada", WireRole.OWNER)
    herself = desk.actor(Role.OWNER)._replace(identifier=handle_text("user_", ada.person))
    with pytest.raises(Forbidden, match="another owner"):
        await desk.roles(herself).give(desk.tenant, ada.person, Role.ADMINISTRATOR)
    desk.clock.advance(100 * DAY_MS)
    herself = herself._replace(signed_in_at=desk.clock.now())
    (due,) = await desk.roles().due(desk.tenant)
    kept = await desk.roles(herself).recertify(desk.tenant, due.assignment, keep=True)
    assert kept.confirmed_by == herself.identifier, "nobody else of the organisation may"
    bob = await desk.person("bob", WireRole.OWNER)
    with pytest.raises(Forbidden, match="their own"):
        await desk.roles(herself).recertify(desk.tenant, due.assignment, keep=True)
    himself = herself._replace(identifier=handle_text("user_", bob.person))
    kept = await desk.roles(himself).recertify(desk.tenant, due.assignment, keep=True)
    assert kept.confirmed_by == himself.identifier
    events = await AuditLog(desk.database).events(
        desk.tenant, Wanted(types=("role.recertified",)), 10
    )
    assert [one.details["by_holder"] for one in events] == [False, True]


async def test_nobody_makes_themselves_an_owner(desk: Desk) -> None:
    """Not even who may give roles and is none, as a person's roles may have ended meanwhile."""
    await desk.person("ada", WireRole.OWNER)
    bob = await desk.person("bob")
    himself = desk.actor(Role.OWNER)._replace(identifier=handle_text("user_", bob.person))
    with pytest.raises(Forbidden, match="another owner"):
        await desk.people(himself).set_role(desk.tenant, bob.person, WireRole.OWNER)
    assert await desk.held(bob) == {Role.DEVELOPER}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
async def test_house_roles_are_the_houses_alone(desk: Desk, role: Role) -> None:
    await desk.person("ada", WireRole.OWNER)
    bob = await desk.person("bob")
    if role in HOUSE_ROLES:
        with pytest.raises(Conflict, match="operator's own organisation"):
            await desk.roles().give(desk.tenant, bob.person, role)
        await desk.roles().set_house(desk.tenant)
    if role is not Role.DEVELOPER:
        await desk.roles().give(desk.tenant, bob.person, role)
    assert role in await desk.held(bob)


async def test_one_organisation_is_the_house(installation: Installation, desk: Desk) -> None:
    other = (await installation.tenancy.create_organisation("House")).tenant
    await desk.person("ada", WireRole.OWNER)
    bob = await desk.person("bob")
    with pytest.raises(Forbidden):
        await desk.roles(desk.actor(Role.OWNER)).set_house(desk.tenant)
    with pytest.raises(NotFound):
        await desk.roles().set_house(TenantId(bytes(16)))
    await desk.roles().set_house(desk.tenant)
    with pytest.raises(NotFound):
        await desk.roles().set_house(TenantId(bytes(16)))
    assert await desk.roles().house() == desk.tenant, "what is refused changes nothing"
    await desk.roles().give(desk.tenant, bob.person, Role.AUDITOR)
    with pytest.raises(Conflict, match="End those first"):
        await desk.roles().set_house(other)
    await desk.roles().end(desk.tenant, bob.person, Role.AUDITOR)
    await desk.roles().set_house(other)
    assert await desk.roles().house() == other
    trail = AuditLog(desk.database)
    told = await trail.events(desk.tenant, Wanted(types=("organization.updated",)), 10)
    assert [event.details["changes_requested"]["house"] for event in told] == [False, True]


async def test_roles_that_conflict_are_refused(desk: Desk) -> None:
    await desk.roles().set_house(desk.tenant)
    await desk.person("ada", WireRole.OWNER)
    bob = await desk.person("bob")
    await desk.roles().give(desk.tenant, bob.person, Role.AUDITOR)
    for role in (Role.ADMINISTRATOR, Role.OPERATOR, Role.REVIEWER):
        with pytest.raises(Conflict, match="Nobody holds"):
            await desk.roles().give(desk.tenant, bob.person, role)
    with pytest.raises(Conflict, match="Nobody holds"):
        await desk.people().set_role(desk.tenant, bob.person, WireRole.OWNER)
    assert await desk.held(bob) == {Role.DEVELOPER, Role.AUDITOR}


async def test_an_administrator_makes_no_owners_and_removes_none(desk: Desk) -> None:
    await desk.person("ada", WireRole.OWNER)
    zoe = await desk.person("zoe", WireRole.OWNER)
    bob = await desk.person("bob")
    people = desk.people(desk.actor(Role.ADMINISTRATOR))
    for refused in (
        people.send_invite(desk.tenant, "eve@example.org", WireRole.OWNER, ()),
        people.set_role(desk.tenant, bob.person, WireRole.OWNER),
        people.remove(desk.tenant, zoe.person),
        desk.roles(desk.actor(Role.ADMINISTRATOR)).give(desk.tenant, bob.person, Role.OWNER),
    ):
        with pytest.raises(Forbidden, match=r"roles\.assign"):
            await refused
    await people.send_invite(desk.tenant, "eve@example.org", WireRole.READER, ())
    await people.remove(desk.tenant, bob.person)


async def test_every_quarter_somebody_looks(desk: Desk) -> None:
    ada, bob = await desk.person("ada", WireRole.OWNER), await desk.person("bob")
    assert await desk.roles().due(desk.tenant) == []
    began = from_rfc3339("2027-01-01T00:00:00Z")
    assert quarter_start(Instant(began + 5 * DAY_MS)) == began
    desk.clock.set(Instant(began + RECERTIFY_WITHIN_MS + 1))
    due = {one.person: one for one in await desk.roles().due(desk.tenant)}
    assert due.keys() == {ada.person, bob.person}
    assert await desk.roles().overdue() == {desk.tenant: 2}
    owner = desk.roles(desk.actor(Role.OWNER))
    with pytest.raises(Forbidden):
        await desk.roles().recertify(desk.tenant, due[ada.person].assignment, keep=True)
    kept = await owner.recertify(desk.tenant, due[ada.person].assignment, keep=True)
    assert (kept.confirmed_by, kept.confirmed_at) == ("user_1", desk.clock.now())
    assert (await owner.recertify(desk.tenant, due[bob.person].assignment, keep=False)).ended_at
    assert await owner.due(desk.tenant) == []
    assert await desk.held(bob) == set()
    desk.clock.set(from_rfc3339("2027-04-01T00:00:00Z"))
    owner = desk.roles(desk.actor(Role.OWNER))
    (last,) = await owner.due(desk.tenant)
    with pytest.raises(Conflict, match="last owner"):
        await owner.recertify(desk.tenant, last.assignment, keep=False)
    events = await AuditLog(desk.database).events(
        desk.tenant, Wanted(types=("role.recertified",)), 10
    )
    assert [event.details["kept"] for event in events] == [False, True]

"""Agreements: who may do what, in which order, and what is left of it."""

import hashlib

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.agreements import (
    FORMS,
    HOUSE,
    NEWER,
    NOW,
    VERSION,
    World,
    admin_key,
    officer,
    person,
    two_versions,
    world_of,
)
from tests.fixtures.postgres import FreshDatabase
from tests.unit.governance.conftest import Installation

from bailee.governance.agreements.model import Agreement, Kind, Language, State
from bailee.governance.agreements.standing import Standing
from bailee.governance.audit.model import EVENT_TYPES, Wanted
from bailee.governance.audit.service import AuditLog
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import DAY_MS, Instant, to_rfc3339
from bailee.policy.access.matrix import SignInAgain
from bailee.policy.access.model import Role
from bailee.transparency.entry import parse_entry

DPA = Kind.DATA_PROCESSING_ADDENDUM
ENTERPRISE = Kind.ENTERPRISE_AGREEMENT
BAA = Kind.BUSINESS_ASSOCIATE_AGREEMENT


@pytest.fixture
def world(administrator_engine: AsyncEngine, clerk_engine: AsyncEngine) -> World:
    return world_of(administrator_engine, clerk_engine, two_versions())


@pytest.fixture
async def tenant(installation: Installation) -> TenantId:
    return (await installation.tenancy.create_organisation("Customer")).tenant


async def begun(world: World, tenant: TenantId, kind: Kind) -> bytes:
    customer = world.by(admin_key(tenant))
    drafted = await customer.draft(tenant, kind, Language.ENGLISH, FORMS[kind])
    await customer.submit(tenant, drafted.agreement)
    return drafted.agreement


async def executed(world: World, tenant: TenantId, kind: Kind) -> Agreement:
    customer, house = world.by(admin_key(tenant)), world.by(officer(world.clock.now()))
    agreement = await begun(world, tenant, kind)
    if kind is not DPA:
        await house.begin_review(tenant, agreement)
        await house.accept(tenant, agreement, "a good case")
        await customer.sign(tenant, agreement)
        await house.countersign(tenant, agreement, "O. Officer", "Privacy officer")
    await world.clerk().step(None)
    row = await customer.one(tenant, agreement)
    assert row.state is State.EXECUTED
    return row


async def test_an_addendum_executes_with_its_form(
    world: World, tenant: TenantId, postgres_database: FreshDatabase
) -> None:
    customer = world.by(admin_key(tenant))
    drafted = await customer.draft(tenant, DPA, Language.KOREAN, {"country_of_law": "KR"})
    with pytest.raises(InvalidInput, match=r"`legal_name` .* `signatory_title`"):
        await customer.submit(tenant, drafted.agreement)
    await customer.fill(tenant, drafted.agreement, FORMS[DPA])
    submitted = await customer.submit(tenant, drafted.agreement)
    assert submitted.state is State.COUNTERSIGNED
    with pytest.raises(Conflict, match="being made"):
        await customer.document(tenant, drafted.agreement)
    await world.clerk().step(None)
    await world.clerk().step(None)
    row = await customer.one(tenant, drafted.agreement)
    document = await customer.document(tenant, drafted.agreement)
    assert row.in_force(world.clock.now())
    assert row.document_digest == hashlib.sha256(document).digest()
    said = document.decode()
    for words in ("개인정보 처리 위탁", "주식회사 가나다", "C. Customer", "A. Signatory", VERSION):
        assert words in said
    leaves = await postgres_database.as_owner("SELECT leaf FROM outbox")
    (logged,) = [parse_entry(bytes(leaf["leaf"])) for leaf in leaves]
    assert (logged.type, logged.fields["kind"], logged.fields["text"]) == (
        "agreement_executed",
        "data_processing_addendum",
        VERSION,
    )
    events = await AuditLog(world.database).events(tenant, Wanted(), 20)
    assert [one.type.removeprefix("agreement.") for one in reversed(events)] == [
        *("drafted", "filled", "submitted", "signed", "countersigned", "executed")
    ]
    told = msgspec.json.encode([one.details for one in events]).decode()
    assert not any(value in told for value in FORMS[DPA].values())
    assert "가나다" not in repr(row)


async def test_a_business_associate_agreement_needs_an_enterprise_agreement_and_people(
    world: World, tenant: TenantId
) -> None:
    customer, house = world.by(admin_key(tenant)), world.by(officer(NOW))
    with pytest.raises(Conflict, match="executed enterprise agreement"):
        await begun(world, tenant, BAA)
    (refused,) = await customer.all(tenant)
    await customer.terminate(tenant, refused.agreement, "too early")
    first = await executed(world, tenant, ENTERPRISE)
    agreement = await begun(world, tenant, BAA)
    assert [row.agreement for row in await house.waiting()] == [agreement]
    with pytest.raises(Conflict, match="signing is not possible"):
        await customer.sign(tenant, agreement)
    with pytest.raises(Conflict, match="counter-signing is not possible"):
        await house.countersign(tenant, agreement, "O. Officer", "Privacy officer")
    for forbidden in (customer.accept, customer.decline):
        with pytest.raises(Forbidden):
            await forbidden(tenant, agreement, "yes")
    with pytest.raises(InvalidInput, match="reasons"):
        await house.decline(tenant, agreement, " ")
    await house.accept(tenant, agreement, "it qualifies")
    with pytest.raises(Forbidden):
        await house.sign(tenant, agreement)
    administrator = world.by(person(tenant, Role.ADMINISTRATOR, NOW))
    with pytest.raises(Forbidden):
        await administrator.sign(tenant, agreement)
    await customer.sign(tenant, agreement)
    with pytest.raises(Forbidden):
        await customer.countersign(tenant, agreement, "X", "Y")
    with pytest.raises(SignInAgain):
        await world.by(officer(None)).countersign(tenant, agreement, "X", "Y")
    await house.countersign(tenant, agreement, "O. Officer", "Privacy officer")
    with pytest.raises(Conflict):
        await customer.terminate(tenant, agreement, "its document is being made")
    with pytest.raises(Conflict, match="requires this agreement"):
        await customer.terminate(tenant, first.agreement, "another requires it")
    await world.clerk().step(None)
    standing = Standing(world.clerk_database, world.clock)
    assert await standing.has(tenant, BAA)
    assert await standing.has(tenant, ENTERPRISE)
    assert not await standing.has(tenant, DPA)


async def test_declining_says_why_and_ends_it(world: World, tenant: TenantId) -> None:
    agreement = await begun(world, tenant, ENTERPRISE)
    house = world.by(officer(NOW))
    await house.begin_review(tenant, agreement)
    declined = await house.decline(tenant, agreement, "no such company")
    assert declined.reviewed is not None
    assert declined.reviewed.reasons == "no such company"
    with pytest.raises(Conflict):
        await house.accept(tenant, agreement, "after all")
    assert await begun(world, tenant, ENTERPRISE) != agreement, "another can be begun"


async def test_one_of_a_kind_is_prepared_at_a_time(world: World, tenant: TenantId) -> None:
    await begun(world, tenant, ENTERPRISE)
    with pytest.raises(Conflict, match="prepares"):
        await begun(world, tenant, ENTERPRISE)


async def test_organisations_do_not_see_each_other(
    world: World, tenant: TenantId, installation: Installation
) -> None:
    row = await executed(world, tenant, DPA)
    other = (await installation.tenancy.create_organisation("Other")).tenant
    stranger = world.by(admin_key(other))
    assert await stranger.all(other) == []
    with pytest.raises(NotFound):
        await stranger.document(other, row.agreement)
    with pytest.raises(Forbidden):
        await stranger.document(tenant, row.agreement)
    with pytest.raises(Forbidden):
        await stranger.waiting()
    assert await world.by(officer(NOW)).document(tenant, row.agreement)


async def test_a_newer_version_supersedes_after_its_notice_or_when_executed(
    world: World, tenant: TenantId, installation: Installation
) -> None:
    second = (await installation.tenancy.create_organisation("Second")).tenant
    first_row = await executed(world, tenant, DPA)
    second_row = await executed(world, second, DPA)
    publisher = world.versions(officer(NOW))
    with pytest.raises(Forbidden):
        await world.versions(admin_key(tenant)).publish(DPA, NEWER)
    listed = await publisher.publish(DPA, NEWER)
    until = NOW + 30 * DAY_MS
    assert {one.agreement.agreement: one.in_force_until for one in listed} == {
        first_row.agreement: until,
        second_row.agreement: until,
    }
    with pytest.raises(Conflict, match="only a newer one"):
        await publisher.publish(DPA, VERSION)
    await world.clerk().step(None)
    noted = await world.by(admin_key(tenant)).one(tenant, first_row.agreement)
    assert (noted.state, noted.in_force_until) == (State.EXECUTED, until)
    anew = await executed(world, tenant, DPA)
    assert anew.version == NEWER
    world.clock.advance(until - world.clock.now() - 1)
    await world.clerk().step(None)
    assert (await world.by(admin_key(second)).one(second, second_row.agreement)).state is (
        State.EXECUTED
    )
    world.clock.advance(1)
    standing = Standing(world.database, world.clock)
    assert not await standing.has(second, DPA), "whether the clerk has come by or not"
    await world.clerk().step(None)
    states = {
        one.version: one.state
        for owner in (tenant, second)
        for one in await world.by(admin_key(owner)).all(owner)
        if owner == tenant or one.version == VERSION
    }
    assert states == {VERSION: State.SUPERSEDED, NEWER: State.EXECUTED}
    assert await world.by(admin_key(second)).document(second, second_row.agreement)
    assert await publisher.outstanding(DPA) == []


async def test_an_older_text_is_not_signed_any_more(world: World, tenant: TenantId) -> None:
    agreement = await begun(world, tenant, ENTERPRISE)
    house = world.by(officer(NOW))
    await house.accept(tenant, agreement, "yes")
    await world.versions(officer(NOW)).publish(ENTERPRISE, NEWER)
    with pytest.raises(Conflict, match=f"Version {NEWER} of this agreement is in force"):
        await world.by(admin_key(tenant)).sign(tenant, agreement)


async def test_a_form_takes_what_its_template_says(world: World, tenant: TenantId) -> None:
    customer = world.by(admin_key(tenant))
    for field, value in (
        ("country_of_law", "Korea"),
        ("privacy_contact", "nobody"),
        ("customer_role", "owner"),
        ("legal_name", "x" * 201),
        ("legal_name", "\N{GRINNING FACE}"),
        ("legal_name", "two\nlines"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await customer.draft(tenant, DPA, Language.ENGLISH, {field: value})
        assert refused.value.field == f"form.{field}"
        assert value not in str(refused.value)
    with pytest.raises(InvalidInput, match="no such field"):
        await customer.draft(tenant, DPA, Language.ENGLISH, {"iban": "x"})


async def test_a_draft_changes_its_language_until_it_is_handed_in(
    world: World, tenant: TenantId
) -> None:
    customer = world.by(admin_key(tenant))
    named = (await customer.draft(tenant, DPA, Language.ENGLISH, FORMS[DPA])).agreement
    await customer.fill(tenant, named, {}, Language.KOREAN)
    kept = await customer.fill(tenant, named, {"customer_role": "processor"})
    assert kept.language is Language.KOREAN
    await customer.submit(tenant, named)
    with pytest.raises(Conflict, match="changing its form is not possible"):
        await customer.fill(tenant, named, {}, Language.ENGLISH)
    await world.clerk().step(None)
    assert (await customer.one(tenant, named)).language is Language.KOREAN
    (document,) = world.documents.made
    assert document.language == "ko"


async def test_nothing_is_countersigned_for_an_operator_without_a_name(
    world: World, tenant: TenantId
) -> None:
    world.operator = None
    customer = world.by(admin_key(tenant))
    drafted = await customer.draft(tenant, DPA, Language.ENGLISH, FORMS[DPA])
    with pytest.raises(Conflict, match=r"agreements\.operator_name"):
        await customer.submit(tenant, drafted.agreement)
    assert (await customer.one(tenant, drafted.agreement)).state is State.DRAFT


async def test_what_cannot_be_typeset_keeps_no_other_from_being_executed(
    world: World, tenant: TenantId, installation: Installation
) -> None:
    second = (await installation.tenancy.create_organisation("Second")).tenant
    await begun(world, tenant, DPA)
    await begun(world, second, DPA)
    world.documents.lacks_letters_of = 1
    await world.clerk().step(None)
    states = [(await world.by(admin_key(owner)).all(owner))[0].state for owner in (tenant, second)]
    assert states == [State.COUNTERSIGNED, State.EXECUTED]


async def test_a_project_is_protected_under_an_agreement_in_force_alone(
    world: World, tenant: TenantId, installation: Installation
) -> None:
    project = (await installation.tenancy.create_project(tenant, "clinic", Region("us"))).project
    protection = world.protection(admin_key(tenant))
    with pytest.raises(Conflict, match="executed business associate agreement"):
        await protection.protect(tenant, project)
    await executed(world, tenant, ENTERPRISE)
    agreement = (await executed(world, tenant, BAA)).agreement
    with pytest.raises(Forbidden):
        await world.protection(person(tenant, Role.DEVELOPER, NOW)).protect(tenant, project)
    with pytest.raises(NotFound):
        await protection.protect(tenant, ProjectId(HOUSE))
    await protection.protect(tenant, project)
    await protection.protect(tenant, project)
    with pytest.raises(Conflict, match="Archive them first"):
        await world.by(admin_key(tenant)).terminate(tenant, agreement, "no longer needed")


@pytest.mark.parametrize(("kind", "days"), [(ENTERPRISE, 60), (DPA, 30)])
@pytest.mark.parametrize("side", ["customer", "operator"])
async def test_a_termination_ends_what_was_executed_after_its_notice(
    world: World, tenant: TenantId, kind: Kind, days: int, side: str
) -> None:
    named = (await executed(world, tenant, kind)).agreement
    by = world.by(admin_key(tenant) if side == "customer" else officer(world.clock.now()))
    noticed = await by.terminate(tenant, named, "no longer needed")
    until = Instant(world.clock.now() + days * DAY_MS)
    assert (noticed.state, noticed.in_force_until) == (State.EXECUTED, until)
    with pytest.raises(Conflict, match=f"It is in force until {to_rfc3339(until)}"):
        await by.terminate(tenant, named, "again")
    standing = Standing(world.database, world.clock)
    world.clock.advance(until - world.clock.now() - 1)
    await world.clerk().step(None)
    assert await standing.has(tenant, kind)
    world.clock.advance(1)
    assert not await standing.has(tenant, kind), "whether the clerk has come by or not"
    for _ in range(2):
        await world.clerk().step(None)
    ended = await world.by(admin_key(tenant)).one(tenant, named)
    assert (ended.state, ended.ended) == (State.TERMINATED, noticed.ended)
    events = await AuditLog(world.database).events(tenant, Wanted(), 20)
    told = [one.type.removeprefix("agreement.") for one in events]
    assert told[:2] == ["terminated", "termination_noticed"]
    assert {one.type for one in events} <= EVENT_TYPES
    assert "no longer needed" not in str([one.details for one in events])


async def test_nothing_new_rests_on_an_agreement_that_ends(
    world: World, tenant: TenantId, installation: Installation
) -> None:
    project = (await installation.tenancy.create_project(tenant, "clinic", Region("us"))).project
    customer = world.by(admin_key(tenant))
    enterprise = (await executed(world, tenant, ENTERPRISE)).agreement
    associate = (await executed(world, tenant, BAA)).agreement
    with pytest.raises(Conflict, match="requires this agreement"):
        await customer.terminate(tenant, enterprise, "first")
    await customer.terminate(tenant, associate, "first")
    with pytest.raises(Conflict, match="termination was given"):
        await world.protection(admin_key(tenant)).protect(tenant, project)
    noticed = await customer.terminate(tenant, enterprise, "then")
    with pytest.raises(Conflict, match="termination was given"):
        await begun(world, tenant, BAA)
    anew = await executed(world, tenant, ENTERPRISE)
    ended = await customer.one(tenant, enterprise)
    assert (anew.in_force_until, ended.state) == (None, State.SUPERSEDED)
    assert ended.ended == noticed.ended, "who gave notice, and why, stays"


async def test_the_database_keeps_what_was_executed(
    world: World, tenant: TenantId, postgres_database: FreshDatabase
) -> None:
    await executed(world, tenant, DPA)
    for change in ("form = '{}'", "document = '\\x00'", "signed_name = 'X'", "executed_at = 1"):
        with pytest.raises(Exception, match="does not change"):
            await postgres_database.as_owner(f"UPDATE agreements SET {change}")  # noqa: S608

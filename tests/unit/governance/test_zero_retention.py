"""Applications for retention modes: assessed by rule, decided by people, in force everywhere."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.postgres import FreshDatabase
from tests.unit.governance.conftest import Installation

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import EVENT_TYPES, INSTALLATION, Wanted
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.tenancy.model import Project
from bailee.governance.tenancy.projects import Projects
from bailee.governance.zero_retention.assessment import assess, packaged_rules
from bailee.governance.zero_retention.model import (
    APPLICATION,
    REVIEW_MS,
    Facts,
    Likelihood,
    State,
)
from bailee.governance.zero_retention.operating import OperatorsRetention
from bailee.governance.zero_retention.service import ZeroRetention
from bailee.governance.zero_retention.standing import StandingApprovals
from bailee.governance.zero_retention.watch import RetentionWatch
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from bailee.kernel.ids import ProjectId, Region, TenantId, handle_text
from bailee.kernel.instants import DAY_MS, MINUTE_MS, Instant
from bailee.policy.access.model import OPERATOR, Actor, ActorKind, Role
from bailee.policy.model import RetentionMode
from bailee.ports.database import DatabaseTransaction
from bailee.transparency import entry

DEFAULT, MODIFIED, ZERO = (
    RetentionMode.DEFAULT,
    RetentionMode.MODIFIED_ABUSE_MONITORING,
    RetentionMode.ZERO_DATA_RETENTION,
)
GRACE_MS: Final = 60_000
HOUSE: Final = TenantId(bytes(15) + b"\x09")


@dataclass
class Waits:
    """Everybody has acknowledged at once; `away` is a database that is gone."""

    asked_ms: list[int] = field(default_factory=list)
    away: bool = False

    async def everywhere(self, lapse_ms: int = 1000) -> None:
        if self.away:
            raise Unavailable("The database is away.")
        self.asked_ms.append(lapse_ms)


class TickingClock(ManualClock):
    """Time passes between any two looks."""

    def now(self) -> Instant:
        self.advance(1)
        return super().now()


@dataclass
class World:
    """One organisation with a project, and everybody who may have a word."""

    project: Project
    clock: ManualClock
    waits: Waits
    agreed: list[bool]
    owner: ZeroRetention
    lead: ZeroRetention
    operator: OperatorsRetention
    projects: Projects
    watch: RetentionWatch
    log: AuditLog
    leaves: Callable[[], Any]

    @property
    def tenant(self) -> TenantId:
        return self.project.tenant

    async def mode(self) -> RetentionMode:
        """What holds for the project."""
        own = (await self.projects.project(self.tenant, self.project.project)).retention_mode
        return own or (await self.projects.organisation(self.tenant)).retention_mode

    async def assessed(self, project: ProjectId | None, mode: RetentionMode = ZERO) -> bytes:
        row = await self.owner.apply(self.tenant, project, mode, "health", "Notes of physicians")
        return row.application

    async def state(self, application: bytes) -> State:
        found = await self.owner.one(self.tenant, application)
        return found.state(self.clock.now())

    async def events(self) -> list[str]:
        """Types of the events about applications, oldest first."""
        found = await self.log.events(self.tenant, Wanted(), 100)
        return [one.type for one in reversed(found) if one.type.startswith("zero_retention")]

    async def entries(self) -> list[str]:
        """Types of the log's entries, oldest first."""
        return [str(entry.parse(bytes(row["leaf"]))["type"]) for row in await self.leaves()]


def owner_of(tenant: TenantId) -> Actor:
    return Actor(ActorKind.ADMIN_KEY, "key_00", tenant, frozenset({Role.OWNER}))


def of_the_house(role: Role, name: str, clock: ManualClock) -> Actor:
    return Actor(ActorKind.PERSON, name, HOUSE, frozenset({role}), clock.now())


@pytest.fixture
def build(
    installation: Installation,
    administrator_engine: AsyncEngine,
    clerk_engine: AsyncEngine,
    postgres_database: FreshDatabase,
) -> Callable[[], Awaitable[World]]:
    return lambda: built(installation, administrator_engine, clerk_engine, postgres_database)


@pytest.fixture
async def world(build: Callable[[], Awaitable[World]]) -> World:
    return await build()


async def built(
    installation: Installation,
    administrator_engine: AsyncEngine,
    clerk_engine: AsyncEngine,
    postgres_database: FreshDatabase,
) -> World:
    organisation = await installation.tenancy.create_organisation("Acme")
    made = await installation.tenancy.create_project(organisation.tenant, "main", Region("us"))
    clock, randomness, waits = TickingClock(SystemClock().now()), SystemRandomness(), Waits()
    agreed = [True]
    database = PostgresDatabase(administrator_engine)

    async def has_agreement(_tenant: TenantId) -> bool:
        return agreed[0]

    async def agreed_within(_transaction: DatabaseTransaction, _now: Instant) -> bool:
        return agreed[0]

    def trail(name: str) -> AuditTrail:
        return AuditTrail(name, clock, randomness)

    def noun(actor: Actor) -> ZeroRetention:
        name = trail(actor.identifier)
        return ZeroRetention(
            *(database, clock, randomness, name, actor, has_agreement, waits, GRACE_MS)
        )

    return World(
        project=made,
        clock=clock,
        waits=waits,
        agreed=agreed,
        owner=noun(owner_of(made.tenant)),
        lead=noun(of_the_house(Role.SAFETY_LEAD, "user_lead", clock)),
        operator=OperatorsRetention(
            *(database, clock, randomness, trail("operator"), OPERATOR, waits, GRACE_MS)
        ),
        projects=Projects(
            database, clock, trail("key_00"), StandingApprovals(clock, agreed_within)
        ),
        watch=RetentionWatch(
            PostgresDatabase(clerk_engine),
            PostgresLeases(clerk_engine, clock),
            waits,
            trail(INSTALLATION),
            *(clock, SystemClock(), "worker"),
            GRACE_MS,
            has_agreement,
        ),
        log=AuditLog(database),
        leaves=lambda: postgres_database.as_owner("SELECT leaf FROM outbox ORDER BY position"),
    )


async def test_from_an_application_to_its_end(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    row = await world.owner.apply(tenant, project, ZERO, "health", "Notes", submit=False)
    assert await world.state(row.application) is State.DRAFT
    assert await world.events() == []
    row = await world.owner.submit(tenant, row.application)
    assert row.assessment is not None
    assert row.assessment.likelihood is Likelihood.HIGH, "new, unverified, and about health"
    assert {reason.fact for reason in row.assessment.reasons} == {
        *("account_age", "verified_domain", "flags", "category"),
    }
    assert (await world.state(row.application), await world.mode()) == (State.ASSESSED, DEFAULT)
    approved = await world.lead.approve(tenant, row.application, "Known for years")
    assert (await world.state(row.application), await world.mode()) == (State.ACTIVE, ZERO)
    assert world.waits.asked_ms == [GRACE_MS], "a worker that is cut off has its grace"
    assert approved.since is not None
    assert approved.review_at == approved.since + REVIEW_MS
    with pytest.raises(Conflict, match="it is active"):
        await world.lead.approve(tenant, row.application, "again")
    ended = await world.lead.revoke(tenant, row.application, "Agreement ended")
    assert ended.revocation_reasons == "Agreement ended"
    assert (await world.state(row.application), await world.mode()) == (State.REVOKED, DEFAULT)
    assert world.waits.asked_ms == [GRACE_MS, GRACE_MS]
    with pytest.raises(Conflict, match="it is revoked"):
        await world.lead.revoke(tenant, row.application, "again")
    verbs = ("submitted", "assessed", "approved", "started", "revoked")
    assert await world.events() == [f"zero_retention.{verb}" for verb in verbs]
    assert await world.entries() == ["zero_retention_approved", "zero_retention_revoked"]
    found = await world.log.events(tenant, Wanted(), 100)
    assert {one.type for one in found} <= EVENT_TYPES
    assert "Known for years" not in str([one.details for one in found])


async def test_a_decision_that_declines_changes_nothing(world: World) -> None:
    application = await world.assessed(None)
    await world.lead.decline(world.tenant, application, "Too little is known")
    assert (await world.state(application), await world.mode()) == (State.DECLINED, DEFAULT)
    assert (await world.entries(), world.waits.asked_ms) == ([], [])


async def test_an_agreement_is_wanted_to_apply_and_to_approve(world: World) -> None:
    tenant = world.tenant
    draft = await world.owner.apply(tenant, None, ZERO, "health", "Notes", submit=False)
    standing, application = await world.assessed(None), await world.assessed(None, MODIFIED)
    await world.lead.approve(tenant, standing, "Yes")
    world.agreed[0] = False
    for refused in (
        world.owner.submit(tenant, draft.application),
        world.lead.approve(tenant, application, "Yes"),
        world.lead.review(tenant, standing),
    ):
        with pytest.raises(Forbidden, match="no executed enterprise agreement"):
            await refused
    for nowhere in (
        world.lead.approve(HOUSE, application, "Yes"),
        world.lead.approve(tenant, bytes(16), "Yes"),
        world.lead.review(tenant, bytes(16)),
        world.owner.submit(tenant, bytes(16)),
    ):
        with pytest.raises(NotFound):
            await nowhere
    with pytest.raises(Conflict, match="it is assessed"):
        await world.lead.review(tenant, application)
    assert len(await world.owner.all(tenant)) == 3
    await world.lead.decline(tenant, application, "No agreement any more")


async def test_what_is_applied_for_without_an_agreement_is_kept_as_a_draft(world: World) -> None:
    tenant, asked = world.tenant, (None, ZERO, "health", "Notes")
    world.agreed[0] = False
    for _ in range(2):
        with pytest.raises(Forbidden, match="bailee agreements submit") as refused:
            await world.owner.apply(tenant, *asked)
        (kept,) = await world.owner.all(tenant)
        name = handle_text(APPLICATION, kept.application)
        assert f"bailee zero-retention submit {name}" in str(refused.value)
        assert (await world.state(kept.application), kept.use_case) == (State.DRAFT, "Notes")
    assert await world.events() == []
    world.agreed[0] = True
    again = await world.owner.apply(tenant, *asked)
    assert again.application == kept.application, "the draft is what is asked for"
    assert await world.state(kept.application) is State.ASSESSED


async def test_of_one_mode_in_one_place_a_single_application_waits(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    first = await world.assessed(None)
    draft = await world.owner.apply(tenant, None, ZERO, "education", "Essays", submit=False)
    name = handle_text(APPLICATION, first)
    for second in (
        world.owner.apply(tenant, None, ZERO, "internal_tools", "Search"),
        world.owner.submit(tenant, draft.application),
    ):
        with pytest.raises(Conflict, match=f"{name} asks for the same mode"):
            await second
    await world.assessed(None, MODIFIED)
    await world.assessed(project)
    await world.lead.decline(tenant, first, "Too little is known")
    await world.owner.submit(tenant, draft.application)
    assert len(await world.lead.everywhere((State.ASSESSED,))) == 3


async def test_what_nobody_has_decided_can_be_withdrawn(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    first = await world.assessed(project)
    draft = await world.owner.apply(tenant, None, ZERO, "education", "Essays", submit=False)
    with pytest.raises(Forbidden):
        await world.lead.withdraw(tenant, first)
    with pytest.raises(NotFound):
        await world.owner.withdraw(tenant, bytes(16))
    world.agreed[0] = False
    await world.projects.archive(tenant, project)
    for application in (first, draft.application):
        ended = await world.owner.withdraw(tenant, application)
        assert (ended.withdrawn_by, ended.approved) == ("key_00", None)
        assert await world.state(application) is State.WITHDRAWN
    world.agreed[0] = True
    assert await world.lead.everywhere((State.ASSESSED,)) == []
    for late in (
        world.owner.withdraw(tenant, first),
        world.owner.submit(tenant, draft.application),
        world.lead.approve(tenant, first, "Yes"),
        world.lead.decline(tenant, first, "No"),
    ):
        with pytest.raises(Conflict, match="it is withdrawn"):
            await late
    again = await world.owner.apply(tenant, None, ZERO, "education", "Essays")
    assert again.application != draft.application
    await world.lead.approve(tenant, again.application, "Yes")
    with pytest.raises(Conflict, match="it is active"):
        await world.owner.withdraw(tenant, again.application)
    assert (await world.events()).count("zero_retention.withdrawn") == 2


async def test_drafts_that_are_withdrawn_make_room(world: World) -> None:
    made = [
        await world.owner.apply(world.tenant, None, ZERO, "health", f"{number}", submit=False)
        for number in range(50)
    ]
    with pytest.raises(Conflict, match="bailee zero-retention withdraw"):
        await world.owner.apply(world.tenant, None, ZERO, "health", "one more")
    await world.owner.withdraw(world.tenant, made[0].application)
    await world.assessed(None)


async def test_who_may_not(world: World) -> None:
    tenant, application = world.tenant, await world.assessed(None)
    for refused in (
        world.lead.apply(tenant, None, ZERO, "health", "Notes"),
        world.owner.approve(tenant, application, "Yes"),
        world.owner.decline(tenant, application, "No"),
        world.owner.revoke(tenant, application, "No"),
        world.owner.everywhere((State.ASSESSED,)),
    ):
        with pytest.raises(Forbidden, match="zero_retention"):
            await refused
    assert [one.application for one in await world.lead.everywhere((State.ASSESSED,))] == [
        application
    ]
    with pytest.raises(NotFound):
        await world.owner.one(tenant, bytes(16))


async def test_whoever_applied_does_not_decide(world: World, monkeypatch: Any) -> None:
    application = await world.assessed(None)
    both = Actor(
        ActorKind.PERSON,
        "key_00",
        world.tenant,
        frozenset({Role.OWNER, Role.SAFETY_LEAD}),
        world.clock.now(),
    )
    monkeypatch.setattr(world.lead, "_actor", both)
    with pytest.raises(Conflict, match="does not decide"):
        await world.lead.approve(world.tenant, application, "I trust myself")


async def test_what_cannot_be_applied_for(world: World) -> None:
    tenant = world.tenant
    for field_name, arguments in {
        "mode": (None, DEFAULT, "health", "Notes"),
        "category": (None, ZERO, "operator", "Notes"),
        "use_case": (None, ZERO, "health", " "),
        "use_case ": (None, ZERO, "health", "a\0b"),
    }.items():
        with pytest.raises(InvalidInput) as refused:
            await world.owner.apply(tenant, *arguments)
        assert refused.value.field == field_name.strip()
    with pytest.raises(NotFound):
        await world.owner.apply(tenant, ProjectId(bytes(16)), ZERO, "health", "Notes")
    application = await world.assessed(None)
    now = world.clock.now()
    for since, review_at, said in (
        (None, now, "`review_at` is an instant after now"),
        (None, now + REVIEW_MS + DAY_MS, "at most 365 days after it"),
        (now + 2 * DAY_MS, now + DAY_MS, "`review_at` is an instant after `since`"),
        (now + 2 * REVIEW_MS, None, "`since` is at most 365 days from now"),
        (now - DAY_MS, None, "`since` has passed"),
        (0, None, "leave it out for at once"),
    ):
        with pytest.raises(InvalidInput, match=said) as refused:
            await world.lead.approve(
                tenant,
                application,
                "Yes",
                since=None if since is None else Instant(since),
                review_at=None if review_at is None else Instant(review_at),
            )
        assert f"`{refused.value.field}`" in str(refused.value)
    just_now = Instant(world.clock.now() - MINUTE_MS)
    begun = await world.lead.approve(tenant, application, "Yes", since=just_now)
    assert begun.since is not None and begun.since > just_now  # noqa: PT018 - for mypy
    assert await world.state(application) is State.ACTIVE, "clocks differ, and it means now"
    for review_at in (now, now + 2 * REVIEW_MS):
        with pytest.raises(InvalidInput, match="after now, and at most 365 days"):
            await world.lead.review(tenant, application, Instant(review_at))


async def test_an_admin_key_sets_what_is_approved_and_nothing_else(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    for mode in (ZERO, MODIFIED):
        with pytest.raises(Forbidden, match="zero_retention/applications"):
            await world.projects.set_retention(tenant, project, mode)
        with pytest.raises(Forbidden, match="zero_retention/applications"):
            await world.projects.set_organisation_retention(tenant, mode)
    await world.lead.approve(tenant, await world.assessed(project, MODIFIED), "Yes")
    with pytest.raises(Forbidden):
        await world.projects.set_retention(tenant, project, ZERO)
    for own in (DEFAULT, MODIFIED, None):
        await world.projects.set_retention(tenant, project, own)
    with pytest.raises(Forbidden):
        await world.projects.set_organisation_retention(tenant, MODIFIED)
    whole = await world.assessed(None, ZERO)
    await world.lead.approve(tenant, whole, "Yes")
    for mode in (ZERO, MODIFIED):
        await world.projects.set_retention(tenant, project, mode)
    await world.projects.set_organisation_retention(tenant, DEFAULT)
    await world.projects.set_retention(tenant, project, ZERO)
    await world.lead.revoke(tenant, whole, "No more")
    assert await world.mode() is MODIFIED, "the project's own mode needed it; this one is permitted"
    await world.projects.set_retention(tenant, project, DEFAULT)
    await world.projects.set_retention(tenant, project, MODIFIED)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("later", [True, False])
async def test_an_approval_lowers_nothing_that_is_in_force(
    world: World, whole: bool, later: bool
) -> None:
    tenant, project = world.tenant, world.project.project
    await world.lead.approve(tenant, await world.assessed(None), "Yes")
    since = Instant(world.clock.now() + DAY_MS) if later else None
    lesser = await world.assessed(None if whole else project, MODIFIED)
    row = await world.lead.approve(tenant, lesser, "Yes", since=since)
    if since is not None:
        world.clock.set(since)
        await world.watch.step()
    assert (await world.state(lesser), await world.mode()) == (State.ACTIVE, ZERO)
    assert await world.owner.in_force(row) is ZERO
    (told, _) = await world.log.events(tenant, Wanted(types=("zero_retention.started",)), 10)
    assert (told.details["mode"], told.details["in_force"]) == (MODIFIED.value, ZERO.value)
    lead = world.lead
    lead._actor = lead._actor._replace(signed_in_at=world.clock.now())
    await lead.revoke(tenant, lesser, "Not wanted")
    assert await world.mode() is ZERO


async def test_the_owners_choose_the_lesser_mode_that_is_permitted(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    await world.lead.approve(tenant, await world.assessed(None), "Yes")
    await world.lead.approve(tenant, await world.assessed(project, MODIFIED), "Yes")
    await world.projects.set_retention(tenant, project, MODIFIED)
    assert await world.mode() is MODIFIED
    await world.lead.approve(tenant, await world.assessed(project), "Yes")
    assert await world.mode() is ZERO, "an approval raises"


async def test_what_is_still_permitted_comes_after_what_is_revoked(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    for mode in (MODIFIED, ZERO):
        await world.lead.approve(tenant, await world.assessed(None, mode), "Yes")
    own = await world.assessed(project)
    await world.lead.approve(tenant, own, "Yes")
    await world.projects.set_retention(tenant, project, None)
    modified, zero = [one.application for one in await world.owner.all(tenant)][:2]
    await world.lead.revoke(tenant, zero, "Too much")
    assert (await world.projects.organisation(tenant)).retention_mode is MODIFIED
    assert await world.mode() is ZERO, "the project's own approval stands, and it was in force"
    await world.lead.revoke(tenant, own, "Too much")
    assert (await world.projects.project(tenant, project)).retention_mode is None
    assert await world.mode() is MODIFIED
    await world.lead.revoke(tenant, modified, "Too much")
    assert await world.mode() is DEFAULT


async def test_a_start_in_the_future_begins_no_earlier(world: World) -> None:
    tenant = world.tenant
    since = Instant(world.clock.now() + DAY_MS)
    application = await world.assessed(world.project.project)
    await world.lead.approve(tenant, application, "From tomorrow", since=since)
    await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.APPROVED, DEFAULT)
    with pytest.raises(Forbidden):
        await world.projects.set_retention(tenant, world.project.project, ZERO)
    world.clock.set(since)
    world.waits.away = True
    with pytest.raises(Unavailable):
        await world.watch.step()
    assert await world.state(application) is State.APPROVED, "not known to hold everywhere"
    world.waits.away = False
    await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.ACTIVE, ZERO)
    await world.watch.step()
    events = await world.events()
    assert events.count("zero_retention.started") == 1


async def test_a_crash_while_waiting_for_the_workers_is_finished(world: World) -> None:
    application = await world.assessed(world.project.project)
    world.waits.away = True
    with pytest.raises(Unavailable):
        await world.lead.approve(world.tenant, application, "Yes")
    assert (await world.state(application), await world.mode()) == (State.APPROVED, ZERO)
    world.waits.away = False
    await world.watch.step()
    assert await world.state(application) is State.APPROVED, "somebody may still be waiting"
    world.clock.advance(GRACE_MS)
    await world.watch.step()
    assert await world.state(application) is State.ACTIVE


async def test_a_review_date_prompts_and_ends_nothing(world: World) -> None:
    application = await world.assessed(world.project.project)
    await world.lead.approve(world.tenant, application, "Yes")
    world.clock.advance(REVIEW_MS)
    for _ in range(2):
        await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.DUE_FOR_REVIEW, ZERO)
    assert (await world.events()).count("zero_retention.review_due") == 1
    due = await world.owner.all(world.tenant)
    assert [one.application for one in due] == [application]
    lead = world.lead
    lead._actor = lead._actor._replace(signed_in_at=world.clock.now())
    await lead.review(world.tenant, application)
    assert await world.state(application) is State.ACTIVE
    assert (await world.entries()).count("zero_retention_approved") == 2
    world.clock.advance(REVIEW_MS)
    await world.watch.step()
    assert (await world.events()).count("zero_retention.review_due") == 2


async def test_when_the_agreement_ends_approvals_want_review_and_are_not_taken_up_again(
    world: World,
) -> None:
    tenant, project = world.tenant, world.project.project
    application = await world.assessed(project)
    await world.lead.approve(tenant, application, "Yes")
    world.agreed[0] = False
    for _ in range(2):
        await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.DUE_FOR_REVIEW, ZERO)
    (told,) = await world.log.events(tenant, Wanted(types=("zero_retention.review_due",)), 10)
    assert told.details["because"] == "agreement_ended"
    with pytest.raises(Forbidden, match="executed enterprise agreement"):
        await world.lead.review(tenant, application)
    with pytest.raises(Forbidden, match="in force any more"):
        await world.projects.set_retention(tenant, project, MODIFIED)
    await world.projects.set_retention(tenant, project, None)
    with pytest.raises(Forbidden, match="in force any more"):
        await world.projects.set_retention(tenant, project, ZERO)
    assert await world.mode() is DEFAULT
    world.agreed[0] = True
    await world.projects.set_retention(tenant, project, ZERO)
    await world.lead.review(tenant, application)
    await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.ACTIVE, ZERO)


async def test_an_approval_for_later_does_not_start_without_an_agreement(world: World) -> None:
    since = Instant(world.clock.now() + DAY_MS)
    application = await world.assessed(world.project.project)
    await world.lead.approve(world.tenant, application, "From tomorrow", since=since)
    world.agreed[0] = False
    world.clock.set(since)
    await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.APPROVED, DEFAULT)
    world.agreed[0] = True
    await world.watch.step()
    assert (await world.state(application), await world.mode()) == (State.ACTIVE, ZERO)


async def test_the_operators_own_approvals_rest_on_no_agreement(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    world.agreed[0] = False
    await world.operator.set_mode(tenant, project, ZERO)
    await world.watch.step()
    (row,) = await world.owner.all(tenant)
    assert row.state(world.clock.now()) is State.ACTIVE
    await world.projects.set_retention(tenant, project, None)
    await world.projects.set_retention(tenant, project, ZERO)
    assert await world.mode() is ZERO


async def test_the_operators_word_is_written_down(world: World) -> None:
    tenant, project = world.tenant, world.project.project
    await world.operator.set_mode(tenant, project, MODIFIED)
    assert await world.mode() is MODIFIED
    (row,) = await world.owner.all(tenant)
    assert (row.category, row.decided_by, row.created_by) == ("operator", "operator", "operator")
    assert row.state(world.clock.now()) is State.ACTIVE
    await world.operator.set_mode(tenant, project, MODIFIED)
    assert len(await world.owner.all(tenant)) == 1, "it stands"
    await world.operator.set_mode(tenant, project, DEFAULT)
    assert await world.state(row.application) is State.REVOKED
    assert await world.entries() == ["zero_retention_approved", "zero_retention_revoked"]
    await world.operator.set_mode(tenant, None, ZERO)
    await world.operator.set_mode(tenant, project, None)
    assert await world.mode() is ZERO
    await world.operator.set_mode(tenant, None, DEFAULT)
    assert await world.mode() is DEFAULT
    assert world.waits.asked_ms == [GRACE_MS] * 6


async def test_domains_are_the_operators_word(world: World) -> None:
    first = await world.operator.verify_domain(world.tenant, "Example.ORG.")
    world.clock.advance(1)
    again = await world.operator.verify_domain(world.tenant, "example.org")
    assert (first, first.domain, first.verified_by) == (again, "example.org", "operator")
    for wrong in ("example", "exa mple.org", "-a.org", "a" * 64 + ".org", "예시.한국"):
        with pytest.raises(InvalidInput):
            await world.operator.verify_domain(world.tenant, wrong)
    found = await world.owner.assessment(world.tenant, "internal_tools")
    assert {one.fact: one.value for one in found.reasons}["verified_domain"] == "1"
    assert found.likelihood is Likelihood.MEDIUM
    events = await world.log.events(world.tenant, Wanted(), 10)
    assert [one.type for one in events] == ["organization.domain_verified"]


# The assessment.

RULES: Final = packaged_rules()
FACTS: Final = st.builds(
    Facts,
    account_age_days=st.integers(0, 4000),
    verified_domains=st.integers(0, 3),
    flags=st.none() | st.integers(0, 5),
    category=st.sampled_from(sorted(RULES.categories)),
)


@given(FACTS)
def test_every_fact_has_its_reason_and_the_points_are_their_sum(facts: Facts) -> None:
    found = assess(facts, RULES)
    assert found.points == sum(reason.points for reason in found.reasons)
    assert len(found.reasons) == len(Facts._fields)
    assert all(reason.english and reason.korean for reason in found.reasons)
    assert assess(facts, RULES) == found


@given(FACTS, st.integers(0, 4000))
def test_more_to_go_by_never_makes_misuse_likelier(facts: Facts, older: int) -> None:
    better = (
        facts._replace(account_age_days=facts.account_age_days + older),
        facts._replace(verified_domains=facts.verified_domains + 1),
        facts._replace(flags=0),
    )
    for one in better:
        assert assess(one, RULES).points <= assess(facts, RULES).points


def test_the_rules_are_in_order_and_reach_every_likelihood() -> None:
    bounds = [row.below_days for row in RULES.account_age]
    assert bounds[-1] is None
    known = [bound for bound in bounds if bound is not None]
    assert all(one < other for one, other in pairwise(known))
    seen = {
        assess(Facts(age, domains, flags, category), RULES).likelihood
        for age in (0, 100, 1000)
        for domains in (0, 1)
        for flags in (None, 0, 3)
        for category in RULES.categories
    }
    assert seen == set(Likelihood)
    with pytest.raises(InvalidInput, match="internal_tools"):
        assess(Facts(0, 0, None, "gossip"), RULES)


# Any order of commands.

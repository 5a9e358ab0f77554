"""A policy is published by several people, all at once or not at all, and then holds everywhere."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.policy_office import Interruptible, PolicyOffice, person, version_text
from tests.fixtures.postgres import FreshDatabase
from tests.unit.governance.conftest import PEPPER, Installation
from tests.unit.governance.test_acknowledgement import NoChanges

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import Wanted
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.decisions.counting import DecisionCounts, DecisionsForgotten
from bailee.governance.policy_drafts.model import State
from bailee.governance.policy_drafts.published import PolicyInForce
from bailee.governance.policy_drafts.service import PolicyDrafts
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.tenancy.model import Organisation
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.kernel.errors import BaileeError, Conflict, Forbidden, NotFound, Unavailable
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import DAY_MS, EPOCH_LENGTH_MS, HOUR_MS, Instant, from_rfc3339
from bailee.policy.access.matrix import SignInAgain
from bailee.policy.access.model import Actor, ActorKind, Role
from bailee.policy.decide import Decider
from bailee.policy.drafting import DraftTexts
from bailee.policy.model import Facts
from bailee.policy.show import digest
from bailee.ports.audit import AuditEvent, NoAudit
from bailee.ports.database import DatabaseTransaction
from bailee.schema.roles import ADMINISTRATOR, CLERK
from bailee.transparency.entry import parse_entry

NOW = from_rfc3339("2026-12-01T10:10:00Z")
LATER = "2027-02-01T00:00:00Z"
SHORTER = DraftTexts(version_text("2027-02", LATER, stored_days="14"))
RESPONSES = Facts("api", "/v1/responses", Region("us"), NOW)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def house(installation: Installation) -> Organisation:
    return await installation.tenancy.create_organisation("House")


@pytest.fixture
def office(installation: Installation, house: Organisation, clock: ManualClock) -> PolicyOffice:
    randomness = SystemRandomness()
    audit = AuditTrail("user_x", clock, randomness)
    return PolicyOffice(installation.database, clock, randomness, audit, house.tenant)


async def _leaves(database: FreshDatabase) -> list[dict[str, object]]:
    rows = await database.as_owner("SELECT leaf FROM outbox ORDER BY 1")
    return [parse_entry(bytes(row["leaf"])).fields for row in rows]


async def _events(office: PolicyOffice, tenant: TenantId) -> list[str]:
    found = await AuditLog(office.database).events(tenant, Wanted(), 100)
    return [event.type for event in reversed(found) if event.type.startswith("policy")]


async def test_a_version_is_drafted_approved_and_published(
    office: PolicyOffice, house: Organisation, installation: Installation,
    postgres_database: FreshDatabase,
) -> None:  # fmt: skip
    customer = await installation.tenancy.create_organisation("Customer")
    published = await office.publish(SHORTER)
    assert published.announced_at == NOW
    version = (await office.of("ada").policies()).version("2027-02")
    assert version is not None
    assert version.rules.stored_days == 14
    leaf = (await _leaves(postgres_database))[-1]
    assert (leaf["type"], leaf["policy"]) == ("policy_published", "2027-02")
    assert leaf["effective"] == "2027-02-01T00:00:00.000Z"
    assert published.digest == digest(version)
    assert await _events(office, house.tenant) == [
        "policy_draft.created", "policy_draft.submitted", "policy_draft.approved",
        "policy_draft.approved", "policy.published",
    ]  # fmt: skip
    assert await _events(office, customer.tenant) == ["policy.published"]
    (told,) = await AuditLog(office.database).events(
        customer.tenant, Wanted(types=("policy.published",)), 5
    )
    assert "2027-02" in told.details["english"]
    assert "시행" in told.details["korean"]


async def test_a_draft_may_be_wrong_and_is_not_submitted_then(office: PolicyOffice) -> None:
    text = version_text("2027-02", LATER, stored_days="31", grant_hours="9")
    written = await office.of("ada").write(DraftTexts(text))
    assert {problem.key for problem in written.problems} == {
        "clauses.C10.parameters.stored_days", "clauses.C07.parameters.grant_hours"
    }  # fmt: skip
    with pytest.raises(Conflict, match="stored_days"):
        await office.of("ada").submit(written.draft.draft)
    quoted = DraftTexts(version_text("2027-02", f'"{LATER}"'))
    undated = await office.of("ada").write(quoted, written.draft.draft)
    (problem,) = undated.problems
    assert (problem.file, problem.key) == ("versions/2027-02.toml", "effective")
    assert "date-time" in problem.message
    assert (undated.draft.effective, undated.draft.digest) == (None, None)
    mended = await office.of("ada").write(SHORTER, written.draft.draft)
    assert mended.problems == []
    assert (await office.of("ada").submit(written.draft.draft)).state is State.IN_APPROVAL


async def test_nobody_approves_their_own_nor_twice_nor_with_a_key(office: PolicyOffice) -> None:
    written = (await office.of("ada").write(SHORTER)).draft
    assert written.digest is not None
    await office.of("ada").submit(written.draft)
    with pytest.raises(Forbidden, match="of their own"):
        await office.of("ada").approve(written.draft, written.digest)
    await office.of("bo").approve(written.draft, written.digest)
    with pytest.raises(Conflict, match="You approved"):
        await office.of("bo").approve(written.draft, written.digest)
    with pytest.raises(Conflict, match="1 of 2"):
        await office.of("ada").publish(written.draft)
    key = Actor(ActorKind.ADMIN_KEY, "key_1", office.house, frozenset({Role.PRIVACY_OFFICER}))
    drafts = PolicyDrafts(
        office.database, office.clock, office.randomness, office.audit, Interruptible(), key,
        grace_ms=1,
    )  # fmt: skip
    with pytest.raises(Forbidden, match="People"):
        await drafts.approve(written.draft, written.digest)


async def test_an_approval_is_for_what_was_read_and_lapses(office: PolicyOffice) -> None:
    draft = await office.approved(SHORTER)
    assert draft.digest is not None
    other = DraftTexts(version_text("2027-02", LATER, stored_days="7"))
    rewritten = (await office.of("ada").write(other, draft.draft)).draft
    assert (rewritten.state, rewritten.approvals) == (State.DRAFT, ())
    await office.of("ada").submit(draft.draft)
    with pytest.raises(Conflict, match="reads differently"):
        await office.of("bo").approve(draft.draft, draft.digest)
    with pytest.raises(Forbidden, match="Somebody else"):
        await office.of("bo").write(SHORTER, draft.draft)


async def test_roles_and_fresh_sign_ins_are_asked_for(
    office: PolicyOffice, clock: ManualClock
) -> None:
    draft = await office.approved(SHORTER)
    for role in (Role.AUDITOR, Role.SAFETY_LEAD, Role.OWNER, Role.OPERATOR):
        with pytest.raises(Forbidden):
            await office.of("dee", role).publish(draft.draft)
        with pytest.raises(Forbidden):
            await office.of("dee", role).write(SHORTER)
    stale = office.of("ada")
    clock.advance(HOUR_MS)
    with pytest.raises(SignInAgain):
        await stale.publish(draft.draft)


async def test_notice_that_has_become_too_short_is_refused(
    office: PolicyOffice, clock: ManualClock
) -> None:
    draft = await office.approved(SHORTER)
    clock.advance(from_rfc3339(LATER) - NOW - 13 * DAY_MS)
    with pytest.raises(Conflict, match="too soon"):
        await office.of("ada").publish(draft.draft)


async def test_of_two_drafts_for_one_instant_one_is_published(office: PolicyOffice) -> None:
    first = await office.approved(SHORTER)
    other = await office.approved(DraftTexts(version_text("other", LATER, stored_days="7")))
    await office.of("ada").publish(first.draft)
    with pytest.raises(Conflict, match="same instant"):
        await office.of("ada").publish(other.draft)


async def test_a_later_version_keeps_no_more_than_the_published_one(office: PolicyOffice) -> None:
    await office.publish(SHORTER)
    longer = DraftTexts(version_text("2027-03", "2027-03-01T00:00:00Z", stored_days="20"))
    written = await office.of("ada").write(longer)
    assert ["14 days" in problem.message for problem in written.problems] == [True]


async def test_a_withdrawn_draft_is_at_its_end(office: PolicyOffice) -> None:
    draft = await office.approved(SHORTER)
    await office.of("cy").withdraw(draft.draft)
    for command in (
        office.of("ada").publish(draft.draft),
        office.of("ada").withdraw(draft.draft),
        office.of("ada").write(SHORTER, draft.draft),
    ):
        with pytest.raises(Conflict):
            await command
    with pytest.raises(NotFound):
        await office.of("ada").one(bytes(16))


async def test_what_a_crash_left_is_finished(
    office: PolicyOffice, installation: Installation
) -> None:
    customer = await installation.tenancy.create_organisation("Customer")
    draft = await office.approved(SHORTER)
    office.acknowledgement.cut_off = True
    with pytest.raises(Unavailable):
        await office.of("ada").publish(draft.draft)
    assert [row.announced_at for row in await office.of("ada").published()] == [None]
    assert await _events(office, customer.tenant) == []
    office.acknowledgement.cut_off = False
    assert await office.of("ada").settle() == 1
    assert await office.of("ada").settle() == 0
    await office.of("ada").publish(draft.draft)
    assert await _events(office, customer.tenant) == ["policy.published"]


async def test_what_was_stored_before_ends_sooner_and_never_later(
    office: PolicyOffice, installation: Installation, postgres_database: FreshDatabase
) -> None:
    customer = await installation.tenancy.create_organisation("Customer")
    made = await installation.tenancy.create_project(customer.tenant, "p", Region("us"))
    effective = from_rfc3339(LATER)
    stored = {
        "old": effective - 20 * DAY_MS, "new": effective - 5 * DAY_MS, "file": effective - DAY_MS,
    }  # fmt: skip
    for name, at in stored.items():
        kind = "file" if name == "file" else "response"
        await postgres_database.as_owner(
            "INSERT INTO held_objects (object, tenant, project, region, kind, public_id, state,"
            " label, created_at, expires_at, key_block, details)"
            " VALUES ($1, $2, $3, 'us', $4, $5, 'kept', '', $6, $7, '', '')",
            *(name.encode().ljust(16), customer.tenant, made.project, kind, name),
            *(at, at + 30 * DAY_MS),
        )
    await office.publish(SHORTER)
    rows = await postgres_database.as_owner("SELECT public_id, expires_at FROM held_objects")
    ends = {row["public_id"]: row["expires_at"] for row in rows}
    early = 15 * 60_000
    assert ends == {
        "old": effective - early,
        "new": stored["new"] + 14 * DAY_MS - early,
        "file": stored["file"] + 30 * DAY_MS,
    }


async def test_no_worker_decides_by_the_old_version_at_the_instant(
    office: PolicyOffice, gateway_engine: AsyncEngine, postgres_database: FreshDatabase
) -> None:
    """A worker that has not read the version is waited for; once it has, its decisions change at
    the instant, and the memory of earlier decisions does not outlive it."""
    workers = []
    for name in ("one", "other"):
        in_force = PolicyInForce()
        decider = Decider(in_force())
        in_force.tell(decider.replace)
        database = PostgresDatabase(gateway_engine)
        snapshot = FactsSnapshot(
            database, NoChanges(), SystemClock(), PEPPER, worker=name, beside=in_force.read
        )
        await snapshot.refresh()
        workers.append((snapshot, decider))
    effective = from_rfc3339(LATER)
    before = RESPONSES._replace(submitted_at=Instant(effective - 1))
    after = RESPONSES._replace(submitted_at=effective)
    assert {decider.decide(before).policy_version for _, decider in workers} == {"2026-11-23"}
    draft = await office.approved(SHORTER)
    async with postgres_database.engine(ADMINISTRATOR) as engine:
        office.acknowledgement.waited_for = Acknowledgements(
            PostgresDatabase(engine), SystemClock()
        )
        publishing = asyncio.create_task(office.of("ada").publish(draft.draft))
        await workers[0][0].refresh()
        done, _ = await asyncio.wait({publishing}, timeout=0.2)
        assert not done, "the other worker is waited for"
        while not publishing.done():
            for snapshot, _ in workers:
                await snapshot.refresh()
            await asyncio.wait({publishing}, timeout=0.05)
        await publishing
    for _, decider in workers:
        ends = decider.decide(before)
        assert ends.policy_version == "2026-11-23"
        until = {one.purpose.value: one.until for one in ends.handlings}
        epoch_begin = effective - EPOCH_LENGTH_MS
        assert until["application_state"] == epoch_begin + 14 * DAY_MS, "brought forward"
        assert decider.decide(after).policy_version == "2027-02"


async def test_a_service_has_a_policy_of_its_own_at_once(
    office: PolicyOffice, installation: Installation, gateway_engine: AsyncEngine
) -> None:
    text = version_text("chat-1", "2026-12-01T10:00:00Z", stored_days="7")
    chat = DraftTexts(text.replace('service = "api"', 'service = "chat"'))
    written = await office.of("ada").write(chat)
    assert [problem.key for problem in written.problems] == ["service"]
    await office.services().register("chat", "Chat", "채팅")
    await office.publish(chat)
    in_force = PolicyInForce()
    policies = await in_force.present(PostgresDatabase(gateway_engine))
    version = policies.version_at("chat", NOW)
    assert version is not None
    assert version.id == "chat-1"
    assert policies.version_at("chat", Instant(NOW - HOUR_MS)) is None


async def test_past_decisions_are_replayed_under_a_draft_and_forgotten(
    office: PolicyOffice, gateway_engine: AsyncEngine, clerk_engine: AsyncEngine,
    clock: ManualClock, installation: Installation, postgres_database: FreshDatabase,
) -> None:  # fmt: skip
    customer = await installation.tenancy.create_organisation("Customer")
    project = ProjectId(b"p" * 16)
    # Gateways and the worker, which is a clerk to the database, add to the same rows.
    for engine, calls, facts in (
        (gateway_engine, 3, RESPONSES),
        (clerk_engine, 5, RESPONSES._replace(endpoint="/v1/embeddings")),
    ):
        counts = DecisionCounts(PostgresDatabase(engine), clock, SystemClock())
        tally = counts.tally(customer.tenant, project, facts, "2026-11-23")
        tally.calls += calls
        await counts.flush()
        tally.calls += calls
        await counts.flush()
        await counts.flush()
    draft = (await office.of("ada").write(SHORTER)).draft
    said = await office.of("ada").simulate(draft.draft, 31)
    assert (said.calls, said.projects) == (16, 1)
    assert (said.calls_that_differ, said.projects_that_differ) == (6, 1)
    changed = await office.of("ada").difference(draft.draft)
    assert {one.aspect for one in changed.effects} == {"kept.application_state"}
    async with postgres_database.engine(CLERK) as engine:
        clock.advance(31 * DAY_MS)
        await DecisionsForgotten(PostgresDatabase(engine), clock).step(None)
        (row,) = await postgres_database.as_owner("SELECT count(*) AS kept FROM decision_days")
        assert row["kept"] == 2
        clock.advance(DAY_MS)
        await DecisionsForgotten(PostgresDatabase(engine), clock).step(None)
    (row,) = await postgres_database.as_owner("SELECT count(*) AS kept FROM decision_days")
    assert row["kept"] == 0


# ------------------------------------------------------------------ every order of commands


class Step(NamedTuple):
    """A command by somebody."""

    who: str
    what: str
    crash: bool = False


PEOPLE = {"ada": Role.PRIVACY_OFFICER, "bo": Role.PRIVACY_OFFICER, "cy": Role.SAFETY_LEAD,
          "dee": Role.OPERATOR, "eve": Role.AUDITOR}  # fmt: skip
ACTIONS = ("good", "bad", "submit", "approve", "withdraw", "publish", "wait")
steps = st.lists(
    st.builds(
        Step, st.sampled_from(list(PEOPLE)), st.sampled_from(ACTIONS), st.sampled_from([0, 0, 1])
    ),
    min_size=4,
    max_size=18,
)
road = [Step("ada", "good"), Step("ada", "submit"), Step("bo", "approve"), Step("cy", "approve")]


class Crashing(NoAudit):
    """Fails in the middle of a transaction."""

    crash = False

    async def write(self, transaction: DatabaseTransaction, event: AuditEvent) -> None:
        if self.crash:
            raise Unavailable("crash")


class Model:
    """What is to come of the commands."""

    def __init__(self) -> None:
        self.state = ""
        self.author = ""
        self.good = False
        self.approvals: set[str] = set()
        self.in_time = True

    def allowed(self, step: Step) -> bool:
        """Whether a command is to succeed; then it is done here too."""
        officer = PEOPLE[step.who] is Role.PRIVACY_OFFICER
        live = self.state in ("draft", "in_approval", "approved")
        match step.what:
            case "good" | "bad":
                may = officer if not self.state else live and step.who == self.author
                if may:
                    self.author = step.who
                    self.state, self.good, self.approvals = "draft", step.what == "good", set()
            case "submit":
                mine = step.who == self.author
                may = mine and self.state == "draft" and self.good and self.in_time
                self.state = "in_approval" if may else self.state
            case "approve":
                may = step.who not in {self.author, "eve"} | self.approvals and self.state in (
                    "in_approval",
                    "approved",
                )
                if may:
                    self.approvals.add(step.who)
                    self.state = "approved" if len(self.approvals) >= 2 else self.state
            case "withdraw":
                may = officer and live
                self.state = "withdrawn" if may else self.state
            case "publish":
                may = officer and (
                    self.state == "published" or (self.state == "approved" and self.in_time)
                )
                self.state = "published" if may else self.state
            case _:
                may = True
        return may


@settings(
    deadline=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps, st.booleans())
def test_in_every_order_only_approved_drafts_are_published(
    postgres_database: FreshDatabase, wanted: Sequence[Step], along_the_road: bool
) -> None:
    asyncio.run(_follow(postgres_database, [*(road if along_the_road else ()), *wanted]))


async def _follow(place: FreshDatabase, wanted: Sequence[Step]) -> None:
    await place.as_owner(
        "TRUNCATE policy_notices, policy_versions, policy_approvals, policy_drafts"
    )
    house, clock, audit, model = TenantId(b"h" * 16), ManualClock(NOW), Crashing(), Model()
    await place.as_owner(
        "INSERT INTO organisations (tenant, name, status, created_at) VALUES ($1, 'h', 'active', 1)"
        " ON CONFLICT DO NOTHING", house,
    )  # fmt: skip
    async with place.engine(ADMINISTRATOR) as engine:
        office = PolicyOffice(PostgresDatabase(engine), clock, SystemRandomness(), audit, house)
        draft, read = bytes(16), bytes(32)
        for step in wanted:
            drafts = office.of(step.who, PEOPLE[step.who])
            before = (model.state, model.author, model.good, set(model.approvals))
            if step.what == "wait":
                clock.advance(30 * DAY_MS)
                model.in_time = clock.now() <= from_rfc3339(LATER) - 14 * DAY_MS
                continue
            allowed = model.allowed(step)
            audit.crash = step.crash
            text = SHORTER if step.what == "good" else DraftTexts(SHORTER.version + "\nx = 1")
            try:
                match step.what:
                    case "good" | "bad":
                        written = await drafts.write(text, draft if before[0] else None)
                        draft, read = written.draft.draft, written.draft.digest or b""
                    case "submit":
                        await drafts.submit(draft)
                    case "approve":
                        await drafts.approve(draft, read)
                    case "withdraw":
                        await drafts.withdraw(draft)
                    case _:
                        await drafts.publish(draft)
            except BaileeError as error:
                succeeded, crashed = False, isinstance(error, Unavailable)
            else:
                succeeded, crashed = True, False
            if crashed:  # nothing of it happened
                model.state, model.author, model.good, model.approvals = before
            assert crashed or succeeded == allowed, step
            assert not crashed or step.crash, step
            audit.crash = False
            rows = await office.of("eve", Role.AUDITOR).all()
            assert [row.state.value for row in rows] == ([model.state] if model.state else [])
            if rows:
                assert {one.actor for one in rows[0].approvals} == {
                    f"user_{name}" for name in model.approvals
                }
            assert len(await drafts.published()) == (model.state == "published")


def test_people_of_the_tests_are_people() -> None:
    assert person("ada", TenantId(bytes(16)), Role.AUDITOR, NOW).kind is ActorKind.PERSON

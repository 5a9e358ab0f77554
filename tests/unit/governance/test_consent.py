"""Consent as its commands leave it: the ledger, what gateways are told, and what is destroyed."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.postgres import FreshDatabase
from tests.support.keeper_world import World as KeeperWorld
from tests.unit.governance.conftest import PEPPER, Installation

from bailee.drivers.memory import ManualClock, SeededRandomness
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system.clock import SystemClock
from bailee.drivers.system.randomness import SystemRandomness
from bailee.governance.audit.service import AuditTrail
from bailee.governance.consent import texts
from bailee.governance.consent.ending import SharingEnd
from bailee.governance.consent.errors import NothingStands, NotShareable, TextOutdated
from bailee.governance.consent.model import NOTICE_MS, Kind, Statement
from bailee.governance.consent.service import Consents
from bailee.governance.tenancy.model import Consent
from bailee.governance.tenancy.projects import Projects
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.governance.tenancy.standing import ConsentsAhead
from bailee.kernel.errors import DestroyedKey, Forbidden, InvalidInput, NotFound, Unavailable
from bailee.kernel.ids import ProjectId, Purpose, Region, ScopeKeyName, TenantId
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.policy.access.model import Actor, ActorKind, Role
from bailee.policy.model import RetentionMode
from bailee.policy.turns import stands
from bailee.ports.acknowledgement import NobodyElse
from bailee.ports.audit import NoAudit
from bailee.ports.keeper import CredentialKeeper, DestructionStatement, TrainingScope

US = Region("us")
START = Instant(1_795_419_000_000)


class PassingClock(ManualClock):
    """Waiting takes no time and moves the clock."""

    async def sleep_s(self, seconds: float) -> None:
        self.advance(round(seconds * 1000))


@dataclass
class Keeper:
    """A real keeper in memory that can be away, before or after it did what it was asked."""

    world: KeeperWorld
    away: str = ""

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        if self.away == "before":
            raise Unavailable("The keeper is away.")
        said = await self.world.keeper.destroy_training(scopes)
        if self.away == "after":
            raise Unavailable("The keeper is away.")
        return said


@dataclass
class Office:
    """One organisation with two projects, and its owner."""

    tenant: TenantId
    project: ProjectId
    other: ProjectId
    database: PostgresDatabase
    clock: PassingClock
    keeper: Keeper
    consents: Consents
    projects: Projects
    end: SharingEnd
    tenancy: Tenancy

    def as_role(self, role: Role) -> Consents:
        actor = Actor(ActorKind.ADMIN_KEY, "key_test", self.tenant, frozenset({role}))
        audit = AuditTrail(actor.identifier, self.clock, SeededRandomness(8))
        return Consents(
            *(self.database, self.keeper, NobodyElse(), self.clock, self.clock),
            *(SeededRandomness(ord(role.value[0])), audit, actor),
        )

    async def share(self, project: ProjectId | None = None) -> Statement:
        text = texts.current(Kind.SHARING)
        given = await self.consents.give(
            self.tenant, project, Kind.SHARING, text.version, text.digest
        )
        return given.statement

    async def withdraw(self, project: ProjectId | None = None) -> tuple[str, ...]:
        return (await self.consents.withdraw(self.tenant, project, Kind.SHARING)).destroyed

    async def consent(self, project: ProjectId) -> Consent:
        """As a worker in the background reads it."""
        ahead = ConsentsAhead(self.database, SystemClock())
        await ahead.refresh()
        return ahead.consent(project)

    async def shares(self, project: ProjectId, at: int | None = None) -> bool:
        consent = await self.consent(project)
        return stands(consent.sharing, self.clock.now() if at is None else at)

    async def rows(self, statement: Any) -> list[Any]:
        async with self.database.transaction(self.tenant) as transaction:
            return list(await transaction.rows(statement))


class Approved:
    """Every retention mode is."""

    async def require(self, *_: object) -> None:
        """Return."""


@pytest.fixture
async def office(installation: Installation, administrator_engine: AsyncEngine) -> Office:
    clock = PassingClock(START)
    remembering = cast("CredentialKeeper", installation.keeper)
    tenancy = Tenancy(installation.database, remembering, clock, SystemRandomness(), PEPPER)
    tenant = (await tenancy.create_organisation("University")).tenant
    made = [await tenancy.create_project(tenant, name, US) for name in ("search", "mail")]
    world = await KeeperWorld(clock=clock).begin()
    database = PostgresDatabase(administrator_engine)
    keeper = Keeper(world)
    actor = Actor(ActorKind.ADMIN_KEY, "key_test", tenant, frozenset({Role.OWNER}))
    audit = AuditTrail(actor.identifier, clock, SeededRandomness(2))
    consents = Consents(
        *(database, keeper, NobodyElse(), clock, clock), *(SeededRandomness(3), audit, actor)
    )
    return Office(
        *(tenant, made[0].project, made[1].project, database, clock, keeper, consents),
        Projects(database, clock, NoAudit(), Approved()),
        SharingEnd(database, keeper, clock),
        tenancy,
    )


async def scope_state(office: Office, project: ProjectId, generation: int) -> str:
    """What the keeper answers about a scope for training."""
    name = ScopeKeyName(US, Purpose.TRAINING, project, generation)
    try:
        await office.keeper.world.keeper.scope_public_key(name)
    except DestroyedKey:
        return "destroyed"
    except Exception:  # noqa: BLE001 - unknown, and nothing else
        return "unknown"
    return "alive"


async def test_it_stands_from_the_instant_that_was_announced(office: Office) -> None:
    began = office.clock.now()
    given = await office.share()
    assert given.valid_from == began + NOTICE_MS <= office.clock.now()
    for project in (office.project, office.other):
        assert not await office.shares(project, given.valid_from - 1)
        assert await office.shares(project, given.valid_from)
    stood = await office.consents.stood(office.tenant, office.project, Kind.SHARING)
    assert stood is not None
    assert (stood.stands, stood.text) == (True, "sharing-2026-11-26")
    assert await office.share() == given, "giving what stands changes nothing"


async def test_a_project_speaks_for_itself(office: Office) -> None:
    await office.share()
    await office.withdraw(office.project)
    assert not await office.shares(office.project)
    assert await office.shares(office.other)
    await office.share(office.project)
    assert await office.shares(office.project)


async def test_projects_with_a_word_of_their_own_are_listed(office: Office) -> None:
    given = await office.share(office.project)
    before = Instant(given.valid_from - 1)
    assert await office.consents.spoken(office.tenant, Kind.SHARING) == {office.project: given}
    assert await office.consents.spoken(office.tenant, Kind.SHARING, before) == {}
    assert await office.consents.spoken(office.tenant, Kind.OPT_OUT) == {}
    assert await office.consents.stood(office.tenant, None, Kind.SHARING) is None
    await office.share()
    await office.withdraw(office.project)
    own = await office.consents.spoken(office.tenant, Kind.SHARING)
    assert {project: said.stands for project, said in own.items()} == {office.project: False}


async def test_withdrawing_for_the_organisation_ends_what_its_projects_gave(
    office: Office,
) -> None:
    """As the text says: when it returns, nothing is sealed for training any more."""
    await office.share(office.project)
    assert len(await office.withdraw()) == 1, "the organisation itself never gave it"
    assert not await office.shares(office.project)
    await office.share()
    await office.share(office.other)
    assert not await office.shares(office.project), "it shares again when it says so"
    await office.withdraw()
    assert not await office.shares(office.other)
    assert len(await office.rows("SELECT subject FROM receipts")) == 2


async def test_of_no_project_nothing_is_said(office: Office) -> None:
    await office.share()
    with pytest.raises(NotFound):
        await office.consents.stood(office.tenant, ProjectId(bytes(16)), Kind.SHARING)


async def test_the_ledger_says_when_it_held_and_when_we_knew(office: Office) -> None:
    given = await office.share()
    office.clock.advance(MINUTE_MS)
    before_withdrawal = Instant(office.clock.now() - 1)
    await office.withdraw()
    held_until = (await office.consents.ledger(office.tenant))[-1].valid_from

    async def stood(at: int, known: int) -> bool | None:
        found = await office.consents.stood(
            office.tenant, None, Kind.SHARING, Instant(at), Instant(known)
        )
        return None if found is None else found.stands

    now = office.clock.now()
    assert await stood(given.valid_from - 1, now) is None
    assert await stood(given.valid_from, now) is True
    assert await stood(held_until - 1, now) is True
    assert await stood(held_until, now) is False
    assert await stood(held_until, before_withdrawal) is True, "nobody knew of the end yet"
    assert await stood(given.valid_from, given.recorded_at - 1) is None
    rows = await office.consents.ledger(office.tenant)
    assert [(row.stands, row.valid_until, row.superseded_at is None) for row in rows] == [
        (True, None, False),
        (True, held_until, True),
        (False, None, True),
    ]
    assert await office.consents.ledger(office.tenant, known=before_withdrawal) == rows[:1]


async def test_withdrawing_destroys_what_was_shared_and_sharing_begins_anew(
    office: Office,
) -> None:
    await office.share()
    keeper = office.keeper.world.keeper
    await keeper.create_scope(ScopeKeyName(US, Purpose.TRAINING, office.project, 0))
    (mine,) = await office.withdraw(office.project)
    assert mine.startswith("training/us/")
    assert await scope_state(office, office.project, 0) == "destroyed"
    assert await scope_state(office, office.other, 0) == "unknown", "it still shares"
    assert await office.withdraw(office.project) == (), "once is enough"
    await office.share(office.project)
    assert (await office.consent(office.project)).generation == 1
    await keeper.create_scope(ScopeKeyName(US, Purpose.TRAINING, office.project, 1))
    destroyed = await office.withdraw(office.project) + await office.withdraw()
    assert len(set(destroyed)) == 2
    for project, generation in ((office.project, 1), (office.other, 0)):
        assert await scope_state(office, project, generation) == "destroyed"


async def test_log_and_receipts_name_nobody(
    office: Office, postgres_database: FreshDatabase
) -> None:
    await office.share()
    await office.withdraw()
    rows = await postgres_database.as_owner("SELECT leaf FROM outbox ORDER BY position")
    leaves = [bytes(row["leaf"]) for row in rows]
    entries = [msgspec.json.decode(leaf) for leaf in leaves]
    kinds = [entry["type"] for entry in entries]
    assert kinds == ["consent_given", "consent_withdrawn", "destroyed", "destroyed"]
    assert entries[0]["text_digest"]
    assert entries[0]["scope"] == "organisation"
    assert entries[0]["reference"] == entries[1]["reference"]
    hidden = [office.tenant.hex(), office.project.hex(), office.other.hex()]
    for leaf in leaves:
        assert not [name for name in hidden if name.encode() in leaf]
    events = await office.rows("SELECT type, details FROM audit_events ORDER BY position")
    assert [event.type for event in events] == ["consent.given", "consent.withdrawn"]


@pytest.mark.parametrize("away", ["before", "after"])
async def test_a_crash_on_the_way_is_taken_up_again(office: Office, away: str) -> None:
    await office.share()
    office.keeper.away = away
    with pytest.raises(Unavailable):
        await office.withdraw()
    assert not await office.shares(office.project), "the withdrawal holds"
    assert (await scope_state(office, office.project, 0) == "destroyed") == (away == "after")
    await office.end.settle()
    with pytest.raises(Unavailable):
        await office.share()
    office.keeper.away = ""
    office.clock.advance(MINUTE_MS)
    await office.end.settle()
    for project in (office.project, office.other):
        assert await scope_state(office, project, 0) == "destroyed"
    assert len(await office.rows("SELECT subject FROM receipts")) == 2
    await office.share()
    assert (await office.consent(office.other)).generation == 1
    await office.end.settle()
    assert await office.shares(office.project)


async def test_an_organisations_withdrawal_finishes_its_projects_too(office: Office) -> None:
    """Both died on their way, the project's later than the organisation's."""
    await office.share()
    office.keeper.away = "before"
    for project in (None, office.project):
        with pytest.raises(Unavailable):
            await office.withdraw(project)
        office.clock.advance(1)
    office.keeper.away = ""
    assert len(await office.withdraw()) == 2
    for project in (office.project, office.other):
        assert not await office.shares(project)
        assert await scope_state(office, project, 0) != "alive"
    assert len(await office.rows("SELECT subject FROM receipts")) == 2


async def test_where_nothing_stands_what_projects_withdrew_is_finished(office: Office) -> None:
    await office.share(office.project)
    office.keeper.away = "before"
    with pytest.raises(Unavailable):
        await office.withdraw(office.project)
    office.keeper.away = ""
    with pytest.raises(NothingStands):
        await office.withdraw()
    assert await scope_state(office, office.project, 0) == "destroyed"


async def test_a_command_and_the_clerk_may_finish_side_by_side(office: Office) -> None:
    await office.share()
    office.keeper.away = "before"
    with pytest.raises(Unavailable):
        await office.withdraw()
    office.keeper.away = ""
    office.clock.advance(MINUTE_MS)
    await asyncio.gather(office.end.settle(), office.withdraw(), office.withdraw())
    assert len(await office.rows("SELECT subject FROM receipts")) == 2
    assert (await office.consent(office.project)).generation == 1


async def test_zero_retention_cannot_share(office: Office) -> None:
    for mode, word in (
        (RetentionMode.ZERO_DATA_RETENTION, "zero data retention"),
        (RetentionMode.MODIFIED_ABUSE_MONITORING, "modified abuse monitoring"),
    ):
        await office.projects.set_retention(office.tenant, office.project, mode)
        with pytest.raises(NotShareable, match=f"`search`.*{word}"):
            await office.share(office.project)
    text = texts.current(Kind.SHARING)
    given = await office.consents.give(office.tenant, None, Kind.SHARING, text.version, text.digest)
    assert [one.name for one in given.left_out] == ["search"]
    await office.projects.set_retention(office.tenant, office.project, RetentionMode.DEFAULT)
    assert not await office.shares(office.project), "it was left out, and nobody agreed since"
    assert await office.shares(office.other)
    await office.share(office.project)
    assert await office.shares(office.project)
    await office.projects.set_retention(
        office.tenant, office.project, RetentionMode.ZERO_DATA_RETENTION
    )
    await office.withdraw()
    await office.projects.set_retention(
        office.tenant, office.other, RetentionMode.ZERO_DATA_RETENTION
    )
    with pytest.raises(NotShareable) as refusal:
        await office.share()
    for name in ("search", "mail"):
        assert f"`{name}`: zero data retention" in str(refusal.value)


async def test_a_protected_project_cannot_share(office: Office) -> None:
    async with office.database.transaction(office.tenant) as transaction:
        await transaction.rows(
            "UPDATE projects SET protected_health = true WHERE project = :project",
            project=office.project,
        )
    with pytest.raises(NotShareable, match=r"`search`.*business associate agreement"):
        await office.share(office.project)


async def test_what_is_agreed_to_is_the_text_that_is_current(office: Office) -> None:
    text = texts.current(Kind.SHARING)
    with pytest.raises(TextOutdated, match=text.version):
        await office.consents.give(
            office.tenant, None, Kind.SHARING, "sharing-2020-01-01", text.digest
        )
    with pytest.raises(InvalidInput):
        await office.consents.give(office.tenant, None, Kind.SHARING, text.version, bytes(32))
    with pytest.raises(NotFound):
        await office.share(ProjectId(bytes(16)))
    with pytest.raises(NothingStands):
        await office.withdraw()
    assert await office.consents.ledger(office.tenant) == []


async def test_owners_share_and_administrators_may_stop_it(office: Office) -> None:
    text = texts.current(Kind.SHARING)
    administrator, developer = (
        office.as_role(Role.ADMINISTRATOR),
        office.as_role(Role.DEVELOPER),
    )
    for nobody in (administrator, developer):
        with pytest.raises(Forbidden, match="`owner`"):
            await nobody.give(office.tenant, None, Kind.SHARING, text.version, text.digest)
    await office.share()
    with pytest.raises(Forbidden):
        await developer.withdraw(office.tenant, None, Kind.SHARING)
    assert await developer.ledger(office.tenant)
    await administrator.withdraw(office.tenant, None, Kind.SHARING)
    assert not await office.shares(office.project)


async def test_an_opt_out_of_the_earlier_regime_may_have_been_given_before(
    office: Office,
) -> None:
    text = texts.current(Kind.OPT_OUT)
    since = Instant(1_650_000_000_000)

    async def opt_out(since: Instant | None) -> Statement:
        return (
            await office.consents.give(
                office.tenant, None, Kind.OPT_OUT, text.version, text.digest, since
            )
        ).statement

    with pytest.raises(InvalidInput, match="past"):
        await opt_out(Instant(office.clock.now() + 1))
    assert (await opt_out(since)).valid_from == since
    consent = await office.consent(office.project)
    assert not stands(consent.opt_out, since - 1)
    assert stands(consent.opt_out, since)
    unknown = await office.consents.stood(
        office.tenant, office.project, Kind.OPT_OUT, since, Instant(START - 1)
    )
    assert unknown is None, "it held then, and we know it only since now"
    await office.consents.withdraw(office.tenant, None, Kind.OPT_OUT)
    assert not stands((await office.consent(office.project)).opt_out, office.clock.now())
    assert not await office.rows("SELECT subject FROM receipts"), "nothing was shared by it"


async def test_gateways_learn_of_it_with_their_other_facts(
    office: Office, gateway_engine: AsyncEngine
) -> None:
    class NoChanges:
        async def wait(self) -> None:
            await asyncio.Event().wait()

    created = await office.tenancy.create_key(office.tenant, office.project, "one")
    snapshot = FactsSnapshot(
        PostgresDatabase(gateway_engine), NoChanges(), SystemClock(), PEPPER, worker="one"
    )
    await snapshot.refresh()

    def consent() -> Consent:
        known = snapshot.authenticate(created.credential, Instant(SystemClock().now()))
        assert snapshot.consent(office.project) == known.consent
        return known.consent

    assert consent() == Consent()
    given = await office.share()
    await snapshot.refresh()
    assert consent() == Consent((given.valid_from,), (), 0)
    await office.withdraw(office.project)
    await snapshot.refresh()
    assert (len(consent().sharing), consent().generation) == (4, 1)


async def test_a_new_project_shares_as_its_organisation_does(
    office: Office,
) -> None:
    await office.share()
    late = await office.tenancy.create_project(office.tenant, "late", US)
    assert await office.shares(late.project)
    await office.withdraw()
    assert await scope_state(office, late.project, 0) == "destroyed"
    later = await office.tenancy.create_project(office.tenant, "later", US)
    office.clock.advance(MINUTE_MS)
    await office.end.settle()
    assert await scope_state(office, later.project, 0) == "unknown", "it never shared"


def test_the_texts_are_in_two_languages_and_say_what_the_clause_says() -> None:
    for kind in Kind:
        text = texts.current(kind)
        assert (text.kind, texts.text(text.version)) == (kind, text)
        assert len(text.digest) == 32
        for wording in (text.title, text.body):
            assert wording.english.strip()
            assert any("가" <= sign <= "힣" for sign in wording.korean)
    sharing = texts.current(Kind.SHARING).body
    for phrase in ("serve your use cases better", "No benefit is promised", "30 days", "withdraw"):
        assert phrase in sharing.english
    assert "30일" in sharing.korean
    with pytest.raises(NotFound):
        texts.text("../texts")

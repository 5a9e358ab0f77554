"""Whatever is said in whatever order, and wherever it crashes, the ledger, the facts and the keys
agree.

A machine gives, withdraws, opts out, lets time pass, and seals; commands die when the keeper or the
database goes away on their way, and are given again or left to the clerk. Beside it stands a model
that knows of nothing but what was said when.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.fixtures.postgres import FreshDatabase
from tests.support.keeper_world import World as KeeperWorld

from bailee.drivers.memory import ManualClock, SeededRandomness
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import open_engine
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.consent import texts
from bailee.governance.consent.ending import SharingEnd
from bailee.governance.consent.errors import NothingStands
from bailee.governance.consent.model import NOTICE_MS, Kind
from bailee.governance.consent.service import Consents
from bailee.governance.tenancy.model import Consent
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.tenancy.standing import ConsentsAhead
from bailee.kernel.errors import DestroyedKey, NotYet, Unavailable
from bailee.kernel.ids import ProjectId, Purpose, Region, ScopeKeyName, TenantId
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.policy.access.model import Actor, ActorKind, Role
from bailee.policy.turns import stands
from bailee.ports.acknowledgement import NobodyElse
from bailee.ports.audit import NoAudit
from bailee.ports.database import DatabaseTransaction
from bailee.ports.keeper import CredentialKeeper, DestructionStatement, TrainingScope
from bailee.schema.roles import ADMINISTRATOR

US = Region("us")
START = Instant(1_795_419_000_000)
PEPPER = bytes(32)
PROJECTS = (0, 1)
SCOPES = st.sampled_from((None, *PROJECTS))
KINDS = st.sampled_from((Kind.SHARING, Kind.SHARING, Kind.SHARING, Kind.OPT_OUT))
CRASHES = st.sampled_from((0, 0, 0, 1, 2, 3, 4, 5))
"""After how many of a command's calls it dies; 0: never."""
REACHED = {"sealed", "sealed anew", "destroyed", "Unavailable"}
"""What has to come to pass for a campaign to mean anything."""


class PassingClock(ManualClock):
    """Waiting takes no time and moves the clock; `meanwhile` something happens."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def sleep_s(self, seconds: float) -> None:
        for milliseconds in (round(seconds * 1000) - 1, 1):
            self.advance(milliseconds)
            if self.meanwhile is not None:
                await self.meanwhile()


@dataclass
class Crash:
    """Ends a command at one of its calls, after what the call did was done, or before."""

    left: int = 0

    def passed(self) -> None:
        if self.left:
            self.left -= 1
            if not self.left:
                raise Unavailable("The process died here.")


class CrashingDatabase:
    """A database whose transactions commit, and then the process may be gone."""

    def __init__(self, database: PostgresDatabase, crash: Crash) -> None:
        self._database, self._crash = database, crash

    @asynccontextmanager
    async def transaction(self, tenant: TenantId | None) -> AsyncIterator[DatabaseTransaction]:
        async with self._database.transaction(tenant) as transaction:
            yield transaction
        self._crash.passed()

    def platform_reading(self) -> AbstractAsyncContextManager[DatabaseTransaction]:
        return self._database.platform_reading()


class CrashingKeeper:
    """A real keeper, before and after which the process may be gone."""

    def __init__(self, world: KeeperWorld, crash: Crash) -> None:
        self._world, self._crash = world, crash

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        self._crash.passed()
        said = await self._world.keeper.destroy_training(scopes)
        self._crash.passed()
        return said


class NoScopes:
    """The part of the keeper that making projects needs."""

    async def create_scope(self, name: ScopeKeyName) -> None:
        """Do nothing."""


class Said(NamedTuple):
    """What the model knows of one statement."""

    kind: Kind
    scope: int | None
    stands: bool
    effective: Instant
    recorded: Instant


class Sealed(NamedTuple):
    """Something that was sealed for training."""

    project: int
    generation: int
    at: Instant


class Answered(NamedTuple):
    """What the ledger said about an instant when it was asked."""

    kind: Kind
    project: int
    at: Instant
    known: Instant
    stood: bool


@dataclass
class House:
    """One organisation, its noun, and the keeper."""

    tenant: TenantId
    projects: tuple[ProjectId, ...]
    clock: PassingClock
    world: KeeperWorld
    crash: Crash
    consents: Consents
    end: SharingEnd
    database: PostgresDatabase
    said: list[Said] = field(default_factory=list)
    sealed: list[Sealed] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)

    def scope(self, number: int | None) -> ProjectId | None:
        return None if number is None else self.projects[number]

    def expected(self, kind: Kind, project: int, at: int, known: int) -> bool:
        """What the model says stood."""
        heard = [one for one in self.said if one.kind is kind and one.recorded <= known]
        for scope in (project, None):
            of_scope = [one for one in heard if one.scope == scope and one.effective <= at]
            if of_scope:
                return of_scope[-1].stands
        return False


class Consenting(RuleBasedStateMachine):
    """The machine; the fixture `house` says where it works."""

    runner: ClassVar[asyncio.Runner]
    database: ClassVar[PostgresDatabase]
    fresh: ClassVar[FreshDatabase]
    reached: ClassVar[set[str]]
    """What has come to pass in some example."""

    def __init__(self) -> None:
        super().__init__()
        # Gateways and the clerk read of every organisation: former ones would slow each step.
        self.do(self.fresh.as_owner("TRUNCATE organisations CASCADE"))
        self.house: House = self.do(make_house(self.database))
        self.house.clock.meanwhile = self._calls

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @rule(kind=KINDS, scope=SCOPES, crash=CRASHES)
    def give(self, kind: Kind, scope: int | None, crash: int) -> None:
        text, house = texts.current(kind), self.house

        async def run() -> None:
            await house.consents.give(
                house.tenant, house.scope(scope), kind, text.version, text.digest
            )

        if self._command(kind, scope, True, run, crash):
            for project in PROJECTS if scope is None else (scope,):
                own = [one for one in house.said if one.scope == project and one.kind is kind]
                if scope is not None or not own:
                    turns = _turns(self.do(_consent(house, project)))
                    assert stands(turns[kind], house.clock.now())

    @rule(kind=KINDS, scope=SCOPES, crash=CRASHES)
    def withdraw(self, kind: Kind, scope: int | None, crash: int) -> None:
        house = self.house

        async def run() -> None:
            with suppress(NothingStands):
                await house.consents.withdraw(house.tenant, house.scope(scope), kind)

        if self._command(kind, scope, False, run, crash) and kind is Kind.SHARING:
            self._nothing_opens(scope)

    @rule(milliseconds=st.sampled_from((1, 700, NOTICE_MS - 1, NOTICE_MS, MINUTE_MS)))
    def time_passes(self, milliseconds: int) -> None:
        self.house.clock.advance(milliseconds)

    @rule()
    def the_clerk_ticks(self) -> None:
        self.do(self.house.end.settle())

    @rule()
    def calls_are_sealed(self) -> None:
        self.do(self._calls())

    async def _calls(self) -> None:
        """One of each project, as a worker seals it, by its facts. They come at every instant."""
        house, now = self.house, self.house.clock.now()
        for number, project in enumerate(house.projects):
            consent = await _consent(house, number)
            if stands(consent.sharing, now):
                name = ScopeKeyName(US, Purpose.TRAINING, project, consent.generation)
                await house.world.keeper.create_scope(name)
                house.sealed.append(Sealed(number, consent.generation, now))
                self.reached.add("sealed anew" if consent.generation else "sealed")

    @rule(project=st.sampled_from(PROJECTS), kind=KINDS, ago_ms=st.integers(0, 5000))
    def somebody_asks(self, project: int, kind: Kind, ago_ms: int) -> None:
        house, known = self.house, self.house.clock.now()
        at = Instant(known - ago_ms)
        stood = self._stood(kind, project, at, known)
        assert stood == house.expected(kind, project, at, known)
        house.answers.append(Answered(kind, project, at, known, stood))
        # What is recorded within this millisecond is known at it.
        house.clock.advance(1)

    @invariant()
    def facts_are_what_the_ledger_says(self) -> None:
        house, now = self.house, self.house.clock.now()
        for project in PROJECTS:
            for kind, turns in _turns(self.do(_consent(house, project))).items():
                for at in (now, *(one.effective for one in house.said[-3:])):
                    assert stands(turns, at) == house.expected(kind, project, at, now)

    @invariant()
    def nothing_was_sealed_outside(self) -> None:
        house, now = self.house, self.house.clock.now()
        for one in house.sealed:
            assert house.expected(Kind.SHARING, one.project, one.at, now)

    @invariant()
    def what_stands_can_be_opened(self) -> None:
        house, now = self.house, self.house.clock.now()
        for one in house.sealed:
            ended = [
                said.effective
                for said in house.said
                if said.kind is Kind.SHARING and one.at < said.effective and not said.stands
            ]
            if not ended and house.expected(Kind.SHARING, one.project, now, now):
                assert self._opens(one)

    def teardown(self) -> None:
        """What was answered once is answered so for ever; what ended is dead in the end."""
        house = self.house
        for one in house.answers:
            assert self._stood(one.kind, one.project, one.at, one.known) == one.stood
        house.clock.advance(MINUTE_MS)
        self.do(house.end.settle())
        self._nothing_opens(None)

    def _command(
        self,
        kind: Kind,
        scope: int | None,
        means: bool,
        run: Callable[[], Coroutine[Any, Any, None]],
        crash: int,
    ) -> bool:
        """Run a command; note what it recorded. True if it returned."""
        house = self.house
        began, before = house.clock.now(), len(self.do(_ledger(house)))
        scopes: list[int | None] = [scope]
        if scope is None and not means and kind is Kind.SHARING:
            scopes += [one for one in PROJECTS if self._own(one)]
        house.crash.left = crash
        try:
            self.do(run())
            returned = True
        except (Unavailable, NotYet) as error:
            returned = False
            self.reached.add(type(error).__name__)
        finally:
            house.crash.left = 0
        if len(self.do(_ledger(house))) > before:
            rows = self.do(_ledger(house))[before:]
            told = [row for row in rows if row.valid_until is None]
            places = {house.scope(one): one for one in scopes}
            if len(told) < len(places):
                del places[None]  # the organisation's stood no more
            assert {row.project for row in told} == places.keys()
            assert len(told) == len(places)
            for made in told:
                place = places[made.project]
                assert (made.kind, made.stands) == (kind, means)
                assert made.recorded_at == began
                assert made.valid_from >= began + NOTICE_MS
                house.said.append(Said(kind, place, means, made.valid_from, made.recorded_at))
        # Two statements are never of one millisecond: they are transactions one after the other.
        house.clock.advance(1)
        self.do(self._calls())
        return returned

    def _own(self, project: int) -> bool:
        """Whether a project's own last word is that it shares."""
        own = [
            one.stands
            for one in self.house.said
            if one.kind is Kind.SHARING and one.scope == project
        ]
        return bool(own) and own[-1]

    def _nothing_opens(self, scope: int | None) -> None:
        """Of what was sealed in a project that does not share now."""
        house, now = self.house, self.house.clock.now()
        for one in house.sealed:
            if scope in (None, one.project) and not house.expected(
                Kind.SHARING, one.project, now, now
            ):
                assert not self._opens(one), one
                self.reached.add("destroyed")

    def _opens(self, one: Sealed) -> bool:
        project = self.house.projects[one.project]
        name = ScopeKeyName(US, Purpose.TRAINING, project, one.generation)
        try:
            self.do(self.house.world.keeper.scope_public_key(name))
        except DestroyedKey:
            return False
        return True

    def _stood(self, kind: Kind, project: int, at: Instant, known: Instant) -> bool:
        house = self.house
        found = self.do(
            house.consents.stood(house.tenant, house.projects[project], kind, at, known)
        )
        return found is not None and bool(found.stands)


async def _consent(house: House, project: int) -> Consent:
    ahead = ConsentsAhead(house.database, SystemClock())
    await ahead.refresh()
    return ahead.consent(house.projects[project])


def _turns(consent: Consent) -> Mapping[Kind, Sequence[int]]:
    return {Kind.SHARING: consent.sharing, Kind.OPT_OUT: consent.opt_out}


async def _ledger(house: House) -> Any:
    return await house.consents.ledger(house.tenant)


async def make_house(database: PostgresDatabase) -> House:
    """An organisation of its own, the only one in its database."""
    clock, crash = PassingClock(START), Crash()
    scopes = cast("CredentialKeeper", NoScopes())
    tenancy = Tenancy(database, scopes, clock, SystemRandomness(), PEPPER)
    tenant = (await tenancy.create_organisation("University")).tenant
    made = [await tenancy.create_project(tenant, f"project {number}", US) for number in PROJECTS]
    world = await KeeperWorld(clock=clock).begin()
    crashing, keeper = CrashingDatabase(database, crash), CrashingKeeper(world, crash)
    actor = Actor(ActorKind.ADMIN_KEY, "key_test", tenant, frozenset({Role.OWNER}))
    consents = Consents(
        *(crashing, keeper, NobodyElse(), clock, clock),
        *(SeededRandomness(int.from_bytes(tenant[:6], "big")), NoAudit(), actor),
    )
    end = SharingEnd(crashing, keeper, clock)
    projects = tuple(one.project for one in made)
    return House(tenant, projects, clock, world, crash, consents, end, database)


@pytest.fixture
def house(postgres_database: FreshDatabase) -> Iterator[type[Consenting]]:
    """The machine on a database, in an event loop of its own."""
    with asyncio.Runner() as runner:
        url = postgres_database.url(ADMINISTRATOR)
        engine = open_engine(url, ADMINISTRATOR, connections=2)

        Consenting.runner, Consenting.fresh = runner, postgres_database
        Consenting.database, Consenting.reached = PostgresDatabase(engine), set()
        yield Consenting
        runner.run(engine.dispose())


def _run(machine: type[Consenting], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_ledger_facts_and_keys_agree(house: type[Consenting]) -> None:
    _run(house, examples=30, steps=25)
    assert house.reached >= REACHED


@pytest.mark.soak
def test_ledger_facts_and_keys_agree_for_long(house: type[Consenting]) -> None:
    _run(house, examples=1500, steps=40)
    assert house.reached >= REACHED

"""Applications for retention modes under random actors, commands, time and crashes.

Whatever happens: a mode that keeps less is set only while an approval stands that permits it, never
after its revocation; nobody but owners and operators lowers what is in force while it is permitted;
nobody decides what they asked for; the log tells of each; and what a crash left half done, also
while workers were waited for, is finished by the watch.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.fixtures.crashing import TENANTS, Crash, Running, campaign, opened
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import INSTALLATION
from bailee.governance.audit.service import AuditTrail
from bailee.governance.tenancy.projects import Projects
from bailee.governance.zero_retention import repository
from bailee.governance.zero_retention.assessment import OPERATORS_OWN
from bailee.governance.zero_retention.model import REVIEW_MS, Application, State
from bailee.governance.zero_retention.operating import OperatorsRetention
from bailee.governance.zero_retention.service import ZeroRetention
from bailee.governance.zero_retention.standing import StandingApprovals
from bailee.governance.zero_retention.watch import SETTLING_MS, RetentionWatch
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, MINUTE_MS, Instant
from bailee.policy.access.model import OPERATOR, Actor, ActorKind, Role
from bailee.policy.model import RetentionMode
from bailee.ports.database import DatabaseTransaction
from bailee.transparency.entry import parse

NOW: Final = Instant(1_795_680_000_000)
HOUSE: Final = TenantId(bytes(15) + b"\x07")
DEFAULT, MODIFIED, ZERO = (
    RetentionMode.DEFAULT,
    RetentionMode.MODIFIED_ABUSE_MONITORING,
    RetentionMode.ZERO_DATA_RETENTION,
)
STRICTEST: Final = (ZERO, MODIFIED, DEFAULT)
MODES: Final = st.sampled_from((DEFAULT, MODIFIED, ZERO))


def actor(who: str, tenant: TenantId, now: Instant) -> Actor:
    """Somebody by a short name."""
    if who == "key":
        return Actor(ActorKind.ADMIN_KEY, "key_00", tenant, frozenset({Role.OWNER}))
    held, role = {
        "owner": (tenant, Role.OWNER),
        "developer": (tenant, Role.DEVELOPER),
        "lead": (HOUSE, Role.SAFETY_LEAD),
        "officer": (HOUSE, Role.PRIVACY_OFFICER),
        "auditor": (HOUSE, Role.AUDITOR),
    }[who]
    return Actor(ActorKind.PERSON, f"user_{who}", held, frozenset({role}), now)


ASKS: Final = st.sampled_from(("key", "owner", "key", "owner", "developer", "lead"))
DECIDES: Final = st.sampled_from(("lead", "officer", "lead", "officer", "owner", "auditor"))


class Workers:
    """What waits for every worker; it may be asked by a process that is then gone."""

    def __init__(self) -> None:
        self.crashes = False

    async def everywhere(self, lapse_ms: int = 1000) -> None:
        """See the port."""
        crashes, self.crashes = self.crashes, False
        if crashes:
            raise Crash


@pytest.fixture
def running(postgres_database: FreshDatabase) -> Iterator[Running]:
    with opened(postgres_database) as made:
        yield made


Scope = tuple[TenantId, ProjectId | None]


class Applying(RuleBasedStateMachine):
    """Everybody does anything, in any order."""

    running: Running

    def __init__(self) -> None:
        super().__init__()
        self.running.run(self.running.empty("zero_retention_applications", "projects", "leases"))
        self.clock, self.workers = ManualClock(NOW), Workers()
        self.agreed = dict.fromkeys(TENANTS, True)
        self.projects = {tenant: ProjectId(bytes(tenant)) for tenant in TENANTS}
        for tenant, project in self.projects.items():
            self.running.rows(
                "INSERT INTO projects (project, tenant, name, region, status, created_at)"
                " VALUES ($1, $2, 'one', 'us', 'active', 0)",
                *(bytes(project), bytes(tenant)),
            )
        self.ended: Mapping[bytes, Application] = {}
        self.in_force: Mapping[Scope, RetentionMode] = {}
        self.chosen = False

    def trail(self, name: str) -> AuditTrail:
        return AuditTrail(name, self.clock, SystemRandomness())

    def noun(self, who: str, tenant: TenantId) -> ZeroRetention:
        by = actor(who, tenant, self.clock.now())
        common = (self.running.administrators, self.clock, SystemRandomness())
        trail = self.trail(by.identifier)
        return ZeroRetention(*common, trail, by, self.has_agreement, self.workers, MINUTE_MS)

    async def has_agreement(self, whose: TenantId) -> bool:
        return self.agreed[whose]

    def watch(self) -> RetentionWatch:
        return RetentionWatch(
            self.running.clerks,
            self.running.leases(self.clock),
            self.workers,
            self.trail(INSTALLATION),
            *(self.clock, SystemClock(), "worker", MINUTE_MS, self.has_agreement),
        )

    def applications(self) -> list[Application]:
        async def read() -> list[Application]:
            async with self.running.clerks.platform_reading() as transaction:
                return await repository.applications(transaction)

        return self.running.run(read())

    @rule(
        who=ASKS,
        tenant=st.sampled_from(TENANTS),
        whole=st.booleans(),
        mode=MODES,
        submit=st.booleans(),
    )
    def apply(
        self, who: str, tenant: TenantId, whole: bool, mode: RetentionMode, submit: bool
    ) -> None:
        noun, project = self.noun(who, tenant), None if whole else self.projects[tenant]
        self.running.attempt(
            lambda: noun.apply(tenant, project, mode, "health", "Notes", submit=submit)
        )

    @rule(
        asks=ASKS,
        decides=DECIDES,
        elsewhere=st.sampled_from((False, False, False, True)),
        verb=st.sampled_from(("submit", "withdraw", "decline", "review", "revoke")),
        choice=st.integers(0, 5),
    )
    def carry_on(self, asks: str, decides: str, elsewhere: bool, verb: str, choice: int) -> None:
        known = self.applications()
        if known:
            row = known[choice % len(known)]
            who = asks if verb in ("submit", "withdraw") else decides
            tenant = row.tenant
            if elsewhere:
                tenant = next(one for one in TENANTS if one != row.tenant)
            more = ("Because",) if verb in ("decline", "revoke") else ()
            command = getattr(self.noun(who, tenant), verb)
            self.running.attempt(lambda: command(tenant, row.application, *more))

    @rule(who=DECIDES, choice=st.integers(0, 5), ahead=st.sampled_from((0, 0, MINUTE_MS, DAY_MS)))
    def approve(self, who: str, choice: int, ahead: int) -> None:
        known = [row for row in self.applications() if row.undecided]
        if known:
            row = known[choice % len(known)]
            since = Instant(self.clock.now() + ahead) if ahead else None
            noun = self.noun(who, row.tenant)
            self.running.attempt(
                lambda: noun.approve(row.tenant, row.application, "Because", since=since)
            )

    @rule(
        tenant=st.sampled_from(TENANTS),
        whole=st.booleans(),
        mode=st.sampled_from((MODIFIED, ZERO)),
        crash=st.sampled_from((None, None, "before", "after", "waiting")),
        decided=st.sampled_from(("approve", "approve", "decline", "withdraw")),
        until=st.integers(1, 4),
    )
    def most_of_the_way(
        self,
        tenant: TenantId,
        whole: bool,
        mode: RetentionMode,
        crash: str | None,
        decided: str,
        until: int,
    ) -> None:
        """By the book up to some step, and perhaps the process is gone in the last."""
        project = None if whole else self.projects[tenant]
        lead = self.noun("lead", tenant)
        waiting = [
            one.application
            for one in self.applications()
            if one.state(self.clock.now()) is State.ASSESSED
            and (one.tenant, one.project, one.mode) == (tenant, project, mode)
        ]
        named = waiting[0] if waiting else b""

        async def asked() -> None:
            nonlocal named
            row = await self.noun("key", tenant).apply(tenant, project, mode, "health", "Notes")
            named = row.application

        steps: list[Callable[[], Awaitable[object]]] = [asked]
        if decided == "approve":
            steps += [
                lambda: lead.approve(tenant, named, "yes"),
                lambda: lead.review(tenant, named),
                lambda: lead.revoke(tenant, named, "enough"),
            ]
        elif decided == "decline":
            steps.append(lambda: lead.decline(tenant, named, "no"))
        else:
            steps.append(lambda: self.noun("key", tenant).withdraw(tenant, named))
        until = min(until, len(steps))
        for place, step in enumerate(steps[:until], 1):
            if place == until and crash == "waiting":
                self.workers.crashes = True
            elif place == until:
                self.running.administrators.crash = crash
            self.running.attempt(step)

    @rule(tenant=st.sampled_from(TENANTS), whole=st.booleans(), mode=MODES)
    def ask_for_a_mode(self, tenant: TenantId, whole: bool, mode: RetentionMode) -> None:
        async def agreed(_transaction: DatabaseTransaction, _now: Instant) -> bool:
            return self.agreed[tenant]

        self.chosen = True
        database, approvals = self.running.administrators, StandingApprovals(self.clock, agreed)
        noun = Projects(database, self.clock, self.trail("key_00"), approvals)
        command: Callable[[], Awaitable[object]] = (
            (lambda: noun.set_organisation_retention(tenant, mode))
            if whole
            else (lambda: noun.set_retention(tenant, self.projects[tenant], mode))
        )
        self.running.attempt(command)

    @rule(tenant=st.sampled_from(TENANTS), whole=st.booleans(), mode=st.none() | MODES)
    def operate(self, tenant: TenantId, whole: bool, mode: RetentionMode | None) -> None:
        self.chosen = True
        common = (self.running.administrators, self.clock, SystemRandomness())
        trail = self.trail("operator")
        noun = OperatorsRetention(*common, trail, OPERATOR, self.workers, MINUTE_MS)
        project = None if whole else self.projects[tenant]
        self.running.attempt(lambda: noun.set_mode(tenant, project, mode))

    @rule(tenant=st.sampled_from(TENANTS))
    def the_agreement_ends_or_begins(self, tenant: TenantId) -> None:
        self.agreed[tenant] = not self.agreed[tenant]

    @rule(milliseconds=st.sampled_from((1000, MINUTE_MS, DAY_MS, REVIEW_MS)))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    @rule()
    def the_worker_looks(self) -> None:
        self.running.attempt(self.watch().step)

    @rule(
        where=st.sampled_from(("administrators", "clerks", "workers")),
        when=st.sampled_from(("before", "after")),
    )
    def crash_soon(self, where: str, when: str) -> None:
        if where == "workers":
            self.workers.crashes = True
        else:
            getattr(self.running, where).crash = when

    @rule()
    def after_a_while_nothing_is_half_done(self) -> None:
        self.workers.crashes = False
        self.running.administrators.crash = self.running.clerks.crash = None
        self.clock.advance(SETTLING_MS)
        for _ in range(2):  # what one look starts may be due for review at the next
            self.running.run(self.watch().step())
        now = self.clock.now()
        for row in self.applications():
            if not self.agreed[row.tenant] and row.category != OPERATORS_OWN:
                assert row.state(now) is not State.ACTIVE, "its agreement has ended"
            elif row.approved and row.revoked_at is None and (row.since or 0) + SETTLING_MS <= now:
                assert row.active_at is not None
                assert row.review_at is None or row.review_at > now or row.due_at is not None

    @invariant()
    def what_is_set_is_approved(self) -> None:
        known, now = self.applications(), self.clock.now()
        found = self.running.rows(
            "SELECT tenant, NULL AS project, retention_mode FROM organisations UNION ALL"
            " SELECT tenant, project, retention_mode FROM projects"
            " WHERE retention_mode IS NOT NULL"
        )
        for row in found:
            mode = RetentionMode(row["retention_mode"])
            project = None if row["project"] is None else ProjectId(bytes(row["project"]))
            assert mode is DEFAULT or any(
                one.permits(project, mode, now) and one.tenant == row["tenant"] for one in known
            )

    @invariant()
    def only_owners_and_the_operator_lower(self) -> None:
        found = self.running.rows(
            "SELECT o.tenant, NULL AS project, o.retention_mode FROM organisations o UNION ALL"
            " SELECT p.tenant, p.project, coalesce(p.retention_mode, o.retention_mode)"
            " FROM projects p JOIN organisations o ON o.tenant = p.tenant"
        )
        known, now, before = self.applications(), self.clock.now(), self.in_force
        self.in_force = {
            (
                TenantId(bytes(row["tenant"])),
                None if row["project"] is None else ProjectId(bytes(row["project"])),
            ): RetentionMode(row["retention_mode"])
            for row in found
        }
        for (tenant, project), mode in () if self.chosen else before.items():
            for less in STRICTEST[: STRICTEST.index(self.in_force[tenant, project])]:
                kept = STRICTEST.index(mode) <= STRICTEST.index(less)
                assert not kept or not any(
                    one.permits(project, less, now) and one.tenant == tenant for one in known
                )
        self.chosen = False

    @invariant()
    def every_state_is_noted(self) -> None:
        now = self.clock.now()
        self.running.reached |= {row.state(now) for row in self.applications()}

    @invariant()
    def who_may_decided_what_somebody_else_asked_for(self) -> None:
        for row in self.applications():
            if row.approved is not None:
                assert row.withdrawn_at is None
                assert row.decided_by in ("user_lead", "user_officer", "operator")
                assert row.decided_by == "operator" or row.decided_by != row.created_by
                assert row.assessment is not None or row.decided_by == "operator"

    @invariant()
    def what_has_ended_stays_so(self) -> None:
        ended = {
            row.application: row
            for row in self.applications()
            if row.revoked_at is not None or row.approved is False or row.withdrawn_at is not None
        }
        assert self.ended.items() <= ended.items()
        self.ended = ended

    @invariant()
    def the_log_tells_of_each(self) -> None:
        leaves = self.running.rows("SELECT leaf FROM outbox")
        told = [str(parse(bytes(row["leaf"]))["type"]) for row in leaves]
        events = self.running.rows("SELECT type FROM audit_events")
        audited = [row["type"] for row in events]
        known = self.applications()
        approved = [row for row in known if row.approved]
        withdrawn = [row for row in known if row.withdrawn_at is not None]
        assert audited.count("zero_retention.withdrawn") == len(withdrawn)
        reviews = audited.count("zero_retention.reviewed")
        assert told.count("zero_retention_approved") == len(approved) + reviews
        assert audited.count("zero_retention.approved") == len(approved)
        ended: list[Any] = [row for row in approved if row.revoked_at is not None]
        assert told.count("zero_retention_revoked") == len(ended)


def test_applications(running: Running) -> None:
    campaign(Applying, running, 30)
    assert running.reached == set(State)


@pytest.mark.soak
def test_applications_at_length(running: Running) -> None:
    campaign(Applying, running, 3000)
    assert running.reached == set(State)

"""Roles under random commands, quarters that pass and crashes.

Whatever happens: nobody holds roles together that conflict, house roles are held in the house
alone, an organisation that has had an owner has one, and what was written down of a role is never
written anew.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.fixtures.crashing import TENANTS, Running, campaign, opened
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SystemRandomness
from bailee.governance.audit.service import AuditTrail
from bailee.governance.people.model import Role as WireRole
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import DAY_MS, MINUTE_MS, Instant
from bailee.policy.access.matrix import check_together
from bailee.policy.access.model import HOUSE_ROLES, OPERATOR, Actor, ActorKind, Role

NOW: Final = Instant(1_795_680_000_000)
NAMES: Final = ("ada", "bob", "eve")
CUSTOMERS: Final = tuple(role for role in Role if role not in HOUSE_ROLES)
MAY: Final = ("operator", "key", "owner")
WHO: Final = st.sampled_from((*MAY, *MAY, "administrator", "officer", "stale"))
CHOICE: Final = st.integers(0, 5)
TENANT: Final = st.sampled_from(TENANTS)


@pytest.fixture
def running(postgres_database: FreshDatabase) -> Iterator[Running]:
    with opened(postgres_database) as made:
        yield made


class Holding(RuleBasedStateMachine):
    """Everybody does anything, in any order."""

    running: Running

    def __init__(self) -> None:
        super().__init__()
        tables = ("role_confirmations", "role_assignments", "invites", "people")
        self.running.run(self.running.empty(*tables))
        self.clock = ManualClock(NOW)
        self.written: dict[bytes, tuple[Any, ...]] = {}
        self.owned: set[bytes] = set()

    def actor(self, who: str, tenant: TenantId) -> Actor:
        now = self.clock.now()
        if who == "operator":
            return OPERATOR
        if who == "key":
            return Actor(ActorKind.ADMIN_KEY, "key_00", tenant, frozenset({Role.OWNER}))
        role = {"administrator": Role.ADMINISTRATOR, "officer": Role.PRIVACY_OFFICER}
        signed_in_at = Instant(now - 11 * MINUTE_MS) if who == "stale" else now
        held = frozenset({role.get(who, Role.OWNER)})
        return Actor(ActorKind.PERSON, f"user_{who}", tenant, held, signed_in_at)

    def nouns(self, who: str, tenant: TenantId) -> tuple[People, Roles]:
        by = self.actor(who, tenant)
        trail = AuditTrail(by.identifier, self.clock, SystemRandomness())
        common = (self.running.administrators, self.clock, SystemRandomness(), trail, by)
        return People(*common), Roles(*common)

    def person(self, choice: int) -> tuple[TenantId, bytes]:
        """Somebody who is there, and where."""
        found = self.running.rows("SELECT tenant, person FROM people ORDER BY added_at, person")
        if not found:
            return TENANTS[0], bytes(16)
        row = found[choice % len(found)]
        return TenantId(bytes(row["tenant"])), bytes(row["person"])

    @initialize()
    def the_first_is_the_house(self) -> None:
        self.running.run(self.nouns("operator", TENANTS[0])[1].set_house(TENANTS[0]))

    @rule(who=WHO, tenant=TENANT, name=st.sampled_from(NAMES), role=st.sampled_from(WireRole))
    def join(self, who: str, tenant: TenantId, name: str, role: WireRole) -> None:
        people, _ = self.nouns(who, tenant)
        made = self.running.attempt(
            lambda: people.send_invite(tenant, f"{name}@example.org", role, ())
        )
        if made is not None:
            operator, _ = self.nouns("operator", tenant)
            self.running.attempt(lambda: operator.accept_invite(made.invite, name))

    @rule(who=WHO, choice=CHOICE, role=st.sampled_from((*Role, *CUSTOMERS, *CUSTOMERS)))
    def give(self, who: str, choice: int, role: Role) -> None:
        tenant, person = self.person(choice)
        _, roles = self.nouns(who, tenant)
        self.running.attempt(lambda: roles.give(tenant, person, role))

    @rule(who=WHO, tenant=TENANT, choice=CHOICE, keep=st.booleans(), ends=st.booleans())
    def look_at(self, who: str, tenant: TenantId, choice: int, keep: bool, ends: bool) -> None:
        lasting = self.running.rows(
            "SELECT assignment, person, role FROM role_assignments"
            " WHERE tenant = $1 AND ended_at IS NULL ORDER BY given_at, assignment",
            bytes(tenant),
        )
        if lasting:
            row = lasting[choice % len(lasting)]
            assignment, person = bytes(row["assignment"]), bytes(row["person"])
            _, roles = self.nouns(who, tenant)
            if ends:
                self.running.attempt(lambda: roles.end(tenant, person, Role(row["role"])))
            else:
                self.running.attempt(lambda: roles.recertify(tenant, assignment, keep=keep))

    @rule(who=WHO, choice=CHOICE, role=st.none() | st.sampled_from(WireRole))
    def change(self, who: str, choice: int, role: WireRole | None) -> None:
        """Make somebody an owner or not, or remove them."""
        tenant, person = self.person(choice)
        people, _ = self.nouns(who, tenant)
        if role is None:
            self.running.attempt(lambda: people.remove(tenant, person))
        else:
            self.running.attempt(lambda: people.set_role(tenant, person, role))

    @rule(who=WHO, tenant=TENANT)
    def move_the_house(self, who: str, tenant: TenantId) -> None:
        _, roles = self.nouns(who, tenant)
        self.running.attempt(lambda: roles.set_house(tenant))

    @rule(milliseconds=st.sampled_from((MINUTE_MS, DAY_MS, 100 * DAY_MS)))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    @rule(when=st.sampled_from(("before", "after")))
    def crash_soon(self, when: str) -> None:
        self.running.administrators.crash = when

    def assignments(self) -> list[Any]:
        return self.running.rows("SELECT * FROM role_assignments ORDER BY given_at, assignment")

    @invariant()
    def nobody_holds_together_what_conflicts(self) -> None:
        held: dict[bytes, list[Role]] = {}
        houses = self.running.rows("SELECT tenant FROM organisations WHERE house")
        for row in self.assignments():
            if row["ended_at"] is None:
                held.setdefault(bytes(row["person"]), []).append(Role(row["role"]))
                house_role = Role(row["role"]) in HOUSE_ROLES
                assert not house_role or [row["tenant"]] == [one["tenant"] for one in houses]
        for roles in held.values():
            assert len(roles) == len(set(roles))
            check_together(roles)

    @invariant()
    def history_is_not_written_anew(self) -> None:
        """What has ended is as it was; what lasts changes in being confirmed and ended alone."""
        now = {}
        for row in self.assignments():
            given = tuple(
                row[name] for name in ("tenant", "person", "role", "given_by", "given_at")
            )
            ended = (row["ended_by"], row["ended_at"])
            now[bytes(row["assignment"])] = (given, ended, row["confirmed_at"])
            assert (ended[0] is None) is (ended[1] is None)
        for assignment, (given, ended, confirmed_at) in self.written.items():
            assert now[assignment][0] == given
            if ended != (None, None):
                assert now[assignment][1:] == (ended, confirmed_at)
        self.written = now

    @invariant()
    def the_last_owner_stays(self) -> None:
        owners = {
            bytes(row["tenant"])
            for row in self.assignments()
            if row["role"] == "owner" and row["ended_at"] is None
        }
        assert self.owned <= owners
        self.owned = owners

    @invariant()
    def whoever_holds_a_role_is_there(self) -> None:
        """And whoever is there holds one, unless it was taken from them."""
        people = {bytes(row["person"]) for row in self.running.rows("SELECT person FROM people")}
        holding = {bytes(row["person"]) for row in self.assignments() if row["ended_at"] is None}
        assert holding <= people
        assert people <= {bytes(row["person"]) for row in self.assignments()}

    @invariant()
    def every_step_is_in_the_audit_log(self) -> None:
        events = [row["type"] for row in self.running.rows("SELECT type FROM audit_events")]
        rows = self.assignments()
        assert events.count("role.assignment.created") == len(rows)
        ended = [row for row in rows if row["ended_at"] is not None]
        assert events.count("role.assignment.deleted") == len(ended)
        decided = self.running.rows("SELECT 1 FROM role_confirmations")
        assert events.count("role.recertified") == len(decided)


def test_roles(running: Running) -> None:
    campaign(Holding, running, 45)


@pytest.mark.soak
def test_roles_at_length(running: Running) -> None:
    campaign(Holding, running, 3000)

"""Agreements under random actors, commands, time and crashes between transactions.

Whatever happens: nothing is executed without both signatures, by those who may; what was executed
never changes, and is in the log once, with the digest of its document.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.fixtures.agreements import (
    FORMS,
    NEWER,
    NOW,
    OPERATOR,
    World,
    admin_key,
    officer,
    person,
    two_versions,
)
from tests.fixtures.crashing import TENANTS, Running, campaign, opened
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import ManualClock
from bailee.governance.agreements.model import Kind, Language
from bailee.governance.agreements.service import Agreements
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import DAY_MS, MINUTE_MS
from bailee.policy.access.model import Actor, Role
from bailee.transparency.base64 import to_base64
from bailee.transparency.entry import parse

STANDS: Final = (
    "form, version, text_digest, signed_by, signed_name, signed_title, signed_at,"
    " countersigned_by, countersigned_name, countersigned_title, countersigned_at, operator_name,"
    " executed_at, document, document_digest"
)
PEOPLE: Final[Mapping[str, Callable[[TenantId], Actor]]] = {
    "key": admin_key,
    "owner": lambda tenant: person(tenant, Role.OWNER, NOW, "owner"),
    "administrator": lambda tenant: person(tenant, Role.ADMINISTRATOR, NOW, "administrator"),
    "developer": lambda tenant: person(tenant, Role.DEVELOPER, NOW, "developer"),
    "officer": lambda _tenant: officer(NOW),
    "auditor": lambda _tenant: person(TENANTS[0], Role.AUDITOR, NOW, "auditor"),
}
MAY_SIGN: Final = {"key_0011223344556677", "user_owner"}
STEPS: Final = ("submit", "begin_review", "accept", "decline", "sign", "countersign", "terminate")


@pytest.fixture
def running(postgres_database: FreshDatabase) -> Iterator[Running]:
    with opened(postgres_database) as made:
        yield made


class Agreeing(RuleBasedStateMachine):
    """Everybody does anything, in any order."""

    running: Running

    def __init__(self) -> None:
        super().__init__()
        self.run = self.running.run
        self.run(self.running.empty("agreements", "agreement_versions"))
        self.databases = self.running.administrators, self.running.clerks
        office, clerk = self.databases
        self.world = World(office, clerk, ManualClock(NOW), two_versions(), operator=OPERATOR)
        self.stood: dict[bytes, tuple[Any, ...]] = {}

    def attempt(self, command: Callable[[], Awaitable[object]]) -> bool:
        return self.running.attempt(command) is not None

    @rule(
        who=st.sampled_from(sorted(PEOPLE)),
        tenant=st.sampled_from(TENANTS),
        kind=st.sampled_from(Kind),
        submit=st.booleans(),
    )
    def begin(self, who: str, tenant: TenantId, kind: Kind, submit: bool) -> None:
        service = self.world.by(PEOPLE[who](tenant))
        self.attempt(
            lambda: service.draft(tenant, kind, Language.ENGLISH, FORMS[kind], submit=submit)
        )

    @rule(
        who=st.sampled_from(sorted(PEOPLE)),
        own=st.booleans(),
        step=st.sampled_from(STEPS),
        choice=st.integers(0, 5),
    )
    def carry_on(self, who: str, own: bool, step: str, choice: int) -> None:
        rows = self.rows("tenant, agreement")
        if not rows:
            return
        row = rows[choice % len(rows)]
        tenant = TenantId(bytes(row["tenant"]))
        other = next(one for one in TENANTS if one != tenant)
        service = self.world.by(PEOPLE[who](tenant if own else other))
        more = {
            "accept": ("yes",),
            "decline": ("no",),
            "terminate": ("enough",),
            "countersign": ("O. Officer", "Privacy officer"),
        }.get(step, ())
        self.attempt(lambda: getattr(service, step)(tenant, bytes(row["agreement"]), *more))

    @rule(
        tenant=st.sampled_from(TENANTS),
        kind=st.sampled_from(Kind),
        who=st.sampled_from(sorted(PEOPLE)),
        at=st.integers(-1, 4),
        until=st.integers(2, 6),
    )
    def most_of_the_way(self, tenant: TenantId, kind: Kind, who: str, at: int, until: int) -> None:
        """By the book, but for one step that somebody else takes, or none; up to some step."""

        def by(usual: str, place: int) -> Agreements:
            return self.world.by(self.fresh(PEOPLE[who if place == at else usual](tenant)))

        begun = by("key", 0)
        form = FORMS[kind]
        self.attempt(lambda: begun.draft(tenant, kind, Language.KOREAN, form, submit=until > 2))
        rows = self.rows("tenant, kind, agreement")
        mine = [row for row in rows if (row["tenant"], row["kind"]) == (tenant, kind.value)]
        if not mine:
            return
        agreement = bytes(mine[-1]["agreement"])
        steps: list[Callable[[], Awaitable[object]]] = [
            lambda: by("key", 1).submit(tenant, agreement),
            lambda: by("officer", 2).accept(tenant, agreement, "yes"),
            lambda: by("key", 3).sign(tenant, agreement),
            lambda: by("officer", 4).countersign(tenant, agreement, "O.", "Officer"),
            lambda: self.world.clerk().step(None),
        ]
        for step in steps[:until]:
            self.attempt(step)

    @rule()
    def clerk_ticks(self) -> None:
        self.attempt(lambda: self.world.clerk().step(None))

    @rule(kind=st.sampled_from(Kind), who=st.sampled_from(sorted(PEOPLE)))
    def publish(self, kind: Kind, who: str) -> None:
        versions = self.world.versions(self.fresh(PEOPLE[who](TENANTS[0])))
        published = self.attempt(lambda: versions.publish(kind, NEWER))
        assert not published or who == "officer"

    @rule(milliseconds=st.sampled_from((MINUTE_MS, 20 * MINUTE_MS, 20 * DAY_MS)))
    def time_passes(self, milliseconds: int) -> None:
        self.world.clock.advance(milliseconds)

    @rule(where=st.integers(0, 1), when=st.sampled_from(("before", "after")))
    def crash_soon(self, where: int, when: str) -> None:
        self.databases[where].crash = when

    def fresh(self, actor: Actor) -> Actor:
        return actor._replace(signed_in_at=self.world.clock.now())

    def rows(self, columns: str) -> list[Any]:
        statement = f"SELECT {columns} FROM agreements ORDER BY position"  # noqa: S608
        return self.run(self.running.owner.fetch(statement))

    @invariant()
    def executed_with_both_signatures_by_those_who_may(self) -> None:
        executed = [row for row in self.rows("*") if row["executed_at"] is not None]
        logged = [
            parse(bytes(row["leaf"]))["document"]
            for row in self.run(self.running.owner.fetch("SELECT leaf FROM outbox"))
        ]
        for row in executed:
            assert row["signed_by"] in MAY_SIGN
            reviewed = row["kind"] != "data_processing_addendum"
            assert row["countersigned_by"] == ("user_officer" if reviewed else "operator")
            assert (row["reviewed_by"] == "user_officer") is reviewed
            assert row["created_at"] <= row["signed_at"] <= row["countersigned_at"]
            assert row["countersigned_at"] <= row["executed_at"]
            digest = hashlib.sha256(bytes(row["document"])).digest()
            assert digest == bytes(row["document_digest"])
            assert logged.count(to_base64(digest)) == 1
        assert len(logged) == len(executed)

    @invariant()
    def an_enterprise_agreement_comes_first(self) -> None:
        rows = self.rows("tenant, kind, executed_at, countersigned_at")
        for row in rows:
            if row["kind"] == "business_associate_agreement" and row["countersigned_at"]:
                assert any(
                    other["kind"] == "enterprise_agreement"
                    and other["tenant"] == row["tenant"]
                    and other["executed_at"] is not None
                    and other["executed_at"] <= row["countersigned_at"]
                    for other in rows
                )

    @invariant()
    def executed_ones_never_change(self) -> None:
        now = {
            bytes(row["agreement"]): tuple(row.values())
            for row in self.rows(f"agreement, {STANDS}")
            if row["executed_at"] is not None
        }
        assert self.stood.items() <= now.items()
        self.stood = now

    @invariant()
    def one_of_a_kind_is_in_force(self) -> None:
        in_force = [
            (row["tenant"], row["kind"])
            for row in self.rows("tenant, kind, state, version")
            if row["state"] == "executed"
        ]
        assert len(in_force) == len(set(in_force))


def test_agreements(running: Running) -> None:
    campaign(Agreeing, running, 50)


@pytest.mark.soak
def test_agreements_at_length(running: Running) -> None:
    campaign(Agreeing, running, 4000)

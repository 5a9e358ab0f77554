"""Sessions under random signing in, use, revocation, time and crashes.

Whatever happens: a token authenticates its own session and person while that is active, and never
again once the session was revoked, has been idle, or is over; what was said to be ended is.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.fixtures.crashing import TENANTS, Running, campaign, opened
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SystemRandomness
from bailee.governance.audit.service import AuditTrail
from bailee.governance.identity import repository
from bailee.governance.identity.errors import SessionRefused
from bailee.governance.identity.model import IDLE_MS, LONGEST_MS, Bearer, Method, PersonSession
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.sessions import SessionKeys, Sessions
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import HOUR_MS, MINUTE_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor, ActorKind, Role

NOW: Final = Instant(1_795_680_000_000)
PEPPER: Final = bytes(range(32))
CHOICE: Final = st.integers(0, 7)


@pytest.fixture
def running(postgres_database: FreshDatabase) -> Iterator[Running]:
    with opened(postgres_database) as made:
        yield made


class SigningIn(RuleBasedStateMachine):
    """People sign in and out, others sign them out, and are gone."""

    running: Running

    def __init__(self) -> None:
        super().__init__()
        tables = ("sessions", "role_confirmations", "role_assignments", "people")
        self.running.run(self.running.empty(*tables))
        self.clock = ManualClock(NOW)
        randomness = SystemRandomness()
        self.keys = SessionKeys(
            *(self.running.administrators, self.clock, randomness, Vault(PEPPER, randomness))
        )
        self.people: list[tuple[TenantId, bytes]] = []
        for tenant in TENANTS:
            for number in (1, 2):
                person = bytes(14) + bytes((tenant[15], number))
                self.people.append((tenant, person))
                self.running.rows(
                    "INSERT INTO people (person, tenant, email, name, added_at)"
                    " VALUES ($1, $2, $3, 'x', 0)",
                    *(person, bytes(tenant), f"{number}@example.org"),
                )
        self.tokens: list[tuple[Secret, PersonSession]] = []
        self.used_at: dict[str, Instant] = {}
        """When a token authenticated last."""
        self.dead: set[str] = set()
        """Sessions that were refused, or said to be ended."""

    def sessions(self, tenant: TenantId, person: bytes, role: Role) -> Sessions:
        by = Actor(ActorKind.PERSON, handle_text("user_", person), tenant, frozenset({role}))
        return Sessions(
            self.running.administrators,
            self.clock,
            AuditTrail(by.identifier, self.clock, SystemRandomness()),
            by,
        )

    @rule(choice=CHOICE, method=st.sampled_from(Method))
    def sign_in(self, choice: int, method: Method) -> None:
        tenant, person = self.people[choice % len(self.people)]

        async def open_one() -> None:
            async with self.running.administrators.transaction(tenant) as transaction:
                begun = await self.keys.open_within(transaction, tenant, person, method)
                begun_here.append((begun.token, begun.session))

        begun_here: list[tuple[Secret, PersonSession]] = []
        if self.running.attempt(open_one) is None:
            # Nobody got the token; whether there is a session is looked at like any other.
            self.dead |= {one.public_id for _, one in begun_here if not self.there(one)}
        self.tokens += begun_here
        self.used_at |= {one.public_id: one.last_used_at for _, one in begun_here}

    def there(self, session: PersonSession) -> bool:
        found = self.running.rows("SELECT 1 FROM sessions WHERE public_id = $1", session.public_id)
        return bool(found)

    @rule(choice=CHOICE)
    def show_a_token(self, choice: int) -> None:
        if self.tokens:
            token, session = self.tokens[choice % len(self.tokens)]
            self.running.administrators.crash = None
            shown = self.shown(token)
            now, name = self.clock.now(), session.public_id
            idle = now >= self.used_at[name] + IDLE_MS
            over = now >= session.expires_at
            if shown is None:
                assert name in self.dead or idle or over
                self.dead.add(name)
            else:
                assert name not in self.dead
                assert not idle
                assert not over
                assert (shown.session.tenant, shown.session.person) == session[1:3]
                assert session.expires_at <= session.created_at + LONGEST_MS
                # A use is noted to within a minute.
                if now - self.used_at[name] >= MINUTE_MS:
                    self.used_at[name] = now

    def shown(self, token: Secret) -> Bearer | None:
        async def authenticate() -> Bearer | None:
            try:
                return await self.keys.authenticate(bytes(token))
            except SessionRefused:
                return None

        return self.running.run(authenticate())

    @rule(choice=CHOICE, letter=st.integers(0, 40), by=st.integers(1, 255))
    def show_a_token_that_is_nearly_one(self, choice: int, letter: int, by: int) -> None:
        if self.tokens:
            token, _ = self.tokens[choice % len(self.tokens)]
            changed = bytearray(token)
            changed[-1 - letter % len(changed)] ^= by
            assert self.shown(Secret(bytes(changed))) is None

    @rule(
        choice=CHOICE,
        who=st.integers(0, 3),
        role=st.sampled_from((Role.OWNER, Role.ADMINISTRATOR, Role.DEVELOPER)),
        every=st.booleans(),
        crash=st.sampled_from((None, None, "before", "after")),
    )
    def end(self, choice: int, who: int, role: Role, every: bool, crash: str | None) -> None:
        """One's own, or somebody else's: one session, or every one of the person's."""
        if self.tokens:
            _, session = self.tokens[choice % len(self.tokens)]
            noun = self.sessions(*self.people[who], role)
            tenant, person = session.tenant, session.person
            self.running.administrators.crash = crash
            ended = self.running.attempt(
                (lambda: noun.revoke_all(tenant, person))
                if every
                else (lambda: noun.revoke(tenant, person, session.public_id))
            )
            self.running.administrators.crash = None
            may = self.people[who] == (tenant, person) or (
                role is not Role.DEVELOPER and self.people[who][0] == tenant
            )
            assert may or ended is None
            revoked = self.revoked()
            if ended is not None:
                gone = {
                    one.public_id
                    for _, one in self.tokens
                    if (one.public_id == session.public_id) or (every and one.person == person)
                }
                active = {one for one in gone if one not in self.dead and self.lasts(one)}
                assert active <= revoked
            assert may or revoked <= self.dead
            self.dead |= revoked

    def lasts(self, name: str) -> bool:
        """Whether a session has neither been idle nor is over."""
        now = self.clock.now()
        session = next(one for _, one in self.tokens if one.public_id == name)
        return now < session.expires_at and now < self.used_at[name] + IDLE_MS

    def revoked(self) -> set[str]:
        rows = self.running.rows("SELECT public_id FROM sessions WHERE revoked_at IS NOT NULL")
        return {row["public_id"] for row in rows}

    @rule(choice=st.integers(0, 3))
    def remove_a_person(self, choice: int) -> None:
        tenant, person = self.people[choice]
        there = self.running.rows("SELECT count(*) FROM people")[0]["count"]
        if there > 2:
            self.running.rows("DELETE FROM people WHERE person = $1", person)
            self.dead |= {one.public_id for _, one in self.tokens if one[1:3] == (tenant, person)}

    @rule(choice=CHOICE)
    def prove_again(self, choice: int) -> None:
        """Being fresh makes no session longer."""
        if self.tokens:
            _, session = self.tokens[choice % len(self.tokens)]

            async def again() -> None:
                database = self.running.administrators
                async with database.transaction(session.tenant) as transaction:
                    now = self.clock.now()
                    await repository.mark_signed_in(transaction, session.public_id, now)

            self.running.attempt(again)

    @rule(milliseconds=st.sampled_from((1000, MINUTE_MS, HOUR_MS, IDLE_MS - 1, 5 * HOUR_MS)))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    @rule(when=st.sampled_from(("before", "after")))
    def crash_soon(self, when: str) -> None:
        self.running.administrators.crash = when

    @invariant()
    def every_end_is_in_the_audit_log(self) -> None:
        rows = self.running.rows("SELECT type FROM audit_events")
        assert [row["type"] for row in rows].count("logout.succeeded") >= len(self.revoked())


def test_sessions(running: Running) -> None:
    campaign(SigningIn, running, 90)


@pytest.mark.soak
def test_sessions_at_length(running: Running) -> None:
    campaign(SigningIn, running, 4000)

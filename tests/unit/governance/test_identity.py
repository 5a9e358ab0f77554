"""Signing in against a real database: enrolment, passwords, passkeys, sessions, and refusals."""

import base64
from typing import NamedTuple

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.authenticator import Authenticator
from tests.unit.governance.conftest import PEPPER, Installation

from bailee.drivers.memory import ManualClock
from bailee.drivers.memory.offload import InlineOffload
from bailee.drivers.memory.rate_limit import MemoryRateLimit
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness
from bailee.governance.audit.model import Wanted
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.identity.enrolment import Enrolling, Enrolments
from bailee.governance.identity.errors import (
    CodeRefused,
    EnrolmentRefused,
    SessionRefused,
    SignInRefused,
    TooManyGuesses,
)
from bailee.governance.identity.model import (
    ATTEMPT_MS,
    CODE_TRIES,
    IDLE_MS,
    LONGEST_MS,
    Bearer,
    OpenedSession,
)
from bailee.governance.identity.passkeys import Site
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.second_factor import STEP_MS, code_at
from bailee.governance.identity.sessions import SessionKeys, Sessions
from bailee.governance.identity.sign_in import GUESSES_PER_MINUTE, SignIn
from bailee.governance.people.model import Person
from bailee.governance.people.model import Role as WireRole
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.kernel.errors import Forbidden, InvalidInput, NotFound, TamperedContent
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.policy.access.model import OPERATOR, Actor, ActorKind, Role
from bailee.ports.identity_provider import Proved

NOW = Instant(1_795_419_000_000)
SITE = Site("https://bailee.example.com")
PASSWORD = "correct horse battery staple"


class Provider:
    """Says whatever it is told to."""

    def __init__(self) -> None:
        self.says: Proved | None = None

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        return f"https://provider.example/authorize?state={state}"

    async def prove(self, code: str, nonce: str, verifier: str) -> Proved | None:
        return self.says if code == "good" else None


class Known(NamedTuple):
    """Somebody with a password."""

    person: Person
    secret: bytes
    recovery: list[bytes]


class World:
    """One organisation with what signs its people in."""

    def __init__(self, engine: AsyncEngine, tenant: TenantId) -> None:
        self.database = PostgresDatabase(engine)
        self.clock = ManualClock(NOW)
        self.tenant = tenant
        self.randomness = SystemRandomness()
        self.vault = Vault(PEPPER, self.randomness)
        self.provider = Provider()
        people = self.people()

        async def welcome(email: str, name: str, tenant: TenantId | None) -> None:
            await people.welcome(email, name, tenant)

        offload, limit = InlineOffload(), MemoryRateLimit()
        base = (self.database, self.clock, self.randomness, self.vault)
        self.enrolling = Enrolling(*base, offload, SITE, self.audit("operator"))
        self.sign_in = SignIn(*base, offload, limit, SITE, self.audit, self.provider, welcome)
        self.keys = SessionKeys(*base)

    def audit(self, actor: str) -> AuditTrail:
        return AuditTrail(actor, self.clock, self.randomness)

    def people(self) -> People:
        audit = self.audit("operator")
        return People(self.database, self.clock, self.randomness, audit, OPERATOR)

    def enrolments(self, actor: Actor = OPERATOR) -> Enrolments:
        audit = self.audit(actor.identifier)
        return Enrolments(self.database, self.clock, self.randomness, self.vault, audit, actor)

    def sessions(self, actor: Actor) -> Sessions:
        return Sessions(self.database, self.clock, self.audit(actor.identifier), actor)

    def actor(self, person: Person, *roles: Role) -> Actor:
        name = handle_text("user_", person.person)
        return Actor(ActorKind.PERSON, name, self.tenant, frozenset(roles), self.clock.now())

    async def person(self, name: str, role: WireRole = WireRole.READER) -> Person:
        invite = await self.people().send_invite(self.tenant, f"{name}@example.org", role, ())
        return await self.people().accept_invite(invite.invite, name)

    def code(self, secret: bytes) -> str:
        return code_at(secret, self.clock.now() // STEP_MS)

    async def known(self, name: str, role: WireRole = WireRole.READER) -> Known:
        person = await self.person(name, role)
        token = (await self.enrolments().make(self.tenant, person.person)).decode()
        shown = await self.enrolling.begin_password(token)
        secret = base64.b32decode(bytes(shown.secret))
        code = self.code(secret)
        recovery = await self.enrolling.set_password(token, shown.attempt, PASSWORD, code)
        self.clock.advance(MINUTE_MS)
        return Known(person, secret, [bytes(one) for one in recovery])

    async def enter(self, known: Known, password: str = PASSWORD) -> OpenedSession:
        return await self.sign_in.with_password(
            known.person.email, password, self.code(known.secret), None, "192.0.2.1"
        )

    async def bearer(self, opened: OpenedSession) -> Bearer:
        return await self.keys.authenticate(opened.token)


@pytest.fixture
async def world(installation: Installation, administrator_engine: AsyncEngine) -> World:
    tenant = (await installation.tenancy.create_organisation("Acme")).tenant
    return World(administrator_engine, tenant)


async def test_a_password_with_its_second_factor(world: World) -> None:
    ada = await world.known("ada", WireRole.OWNER)
    opened = await world.enter(ada)
    bearer = await world.bearer(opened)
    assert bearer.session.person == ada.person.person
    assert bearer.roles == {Role.OWNER}
    assert bearer.session.signed_in_at == world.clock.now()
    with pytest.raises(SignInRefused):
        await world.enter(ada)  # the same code again
    world.clock.advance(MINUTE_MS)
    email = ada.person.email.upper()
    code = world.code(ada.secret)
    assert await world.sign_in.with_password(email, PASSWORD, code, world.tenant, "192.0.2.1")


async def test_every_failure_has_the_same_answer(world: World) -> None:
    ada = await world.known("ada")
    bob = await world.person("bob")
    told = set()
    for email, password, code, organisation in (
        (ada.person.email, "wrong password", world.code(ada.secret), None),
        (ada.person.email, PASSWORD, "000000", None),
        (ada.person.email, PASSWORD, world.code(ada.secret), TenantId(bytes(16))),
        (bob.email, PASSWORD, "000000", None),
        ("nobody@example.org", PASSWORD, "000000", None),
        ("", "", "", None),
    ):
        with pytest.raises(SignInRefused) as refused:
            await world.sign_in.with_password(email, password, code, organisation, "192.0.2.1")
        told.add((str(refused.value), repr(refused.value)))
    assert len(told) == 1
    events = await AuditLog(world.database).events(
        world.tenant, Wanted(types=("login.failed",)), 10
    )
    assert {event.actor for event in events} == {handle_text("user_", ada.person.person)}
    assert len(events) == 2


async def test_guesses_are_counted_by_account_and_by_address(world: World) -> None:
    for _ in range(GUESSES_PER_MINUTE):
        with pytest.raises(SignInRefused):
            await world.sign_in.with_password("eve@example.org", "x", "1", None, "192.0.2.1")
    with pytest.raises(TooManyGuesses) as refused:
        await world.sign_in.with_password("eve@example.org", "x", "1", None, "192.0.2.9")
    assert refused.value.retry_after_s <= 60
    world.clock.advance(MINUTE_MS)
    with pytest.raises(SignInRefused):
        await world.sign_in.with_password("eve@example.org", "x", "1", None, "192.0.2.1")


async def test_a_mistyped_code_leaves_the_enrolment_alive_five_times(world: World) -> None:
    ada = await world.person("ada")
    token = (await world.enrolments().make(world.tenant, ada.person)).decode()

    async def answer(attempt: str, code: str) -> None:
        await world.enrolling.set_password(token, attempt, PASSWORD, code)

    shown = await world.enrolling.begin_password(token)
    for _ in range(CODE_TRIES - 1):
        with pytest.raises(CodeRefused, match="shows now"):
            await answer(shown.attempt, "wrong")
    with pytest.raises(EnrolmentRefused):
        await answer(shown.attempt, "wrong")
    with pytest.raises(EnrolmentRefused):
        await answer(shown.attempt, world.code(base64.b32decode(bytes(shown.secret))))

    shown = await world.enrolling.begin_password(token)
    world.clock.advance(ATTEMPT_MS - MINUTE_MS)
    with pytest.raises(CodeRefused):
        await answer(shown.attempt, "wrong")
    world.clock.advance(MINUTE_MS)  # a try gives no more time
    with pytest.raises(EnrolmentRefused):
        await answer(shown.attempt, world.code(base64.b32decode(bytes(shown.secret))))

    shown = await world.enrolling.begin_password(token)
    with pytest.raises(CodeRefused):
        await answer(shown.attempt, "wrong")
    code = world.code(base64.b32decode(bytes(shown.secret)))
    await answer(shown.attempt, f"{code} ")
    with pytest.raises(SignInRefused, match="each code works once, so wait for the next"):
        await world.sign_in.with_password(ada.email, PASSWORD, code, None, "192.0.2.1")


async def test_a_recovery_code_works_once(world: World) -> None:
    ada = await world.known("ada")
    code = ada.recovery[0].decode()
    assert await world.sign_in.with_password(ada.person.email, PASSWORD, code, None, "a")
    with pytest.raises(SignInRefused):
        await world.sign_in.with_password(ada.person.email, PASSWORD, code, None, "a")


async def test_an_enrolment_is_used_once_and_replaces_what_was(world: World) -> None:
    ada = await world.known("ada")
    opened = await world.enter(ada)
    old = (await world.enrolments().make(world.tenant, ada.person.person)).decode()
    token = (await world.enrolments().make(world.tenant, ada.person.person)).decode()
    with pytest.raises(EnrolmentRefused):
        await world.enrolling.enrolment(old)
    shown = await world.enrolling.begin_password(token)
    with pytest.raises(InvalidInput):
        await world.enrolling.set_password(token, shown.attempt, "short", "000000")
    code = world.code(base64.b32decode(bytes(shown.secret)))
    await world.enrolling.set_password(token, shown.attempt, "another long password", code)
    with pytest.raises(EnrolmentRefused):
        await world.enrolling.begin_password(token)
    with pytest.raises(SessionRefused):
        await world.bearer(opened)
    with pytest.raises(SignInRefused):
        await world.enter(ada)


async def test_a_passkey_signs_in_at_its_own_site_alone(world: World) -> None:
    ada = await world.person("ada")
    token = (await world.enrolments().make(world.tenant, ada.person)).decode()
    attempt, options = await world.enrolling.begin_passkey(token)
    key = Authenticator(SITE.origin)
    with pytest.raises(EnrolmentRefused):
        await world.enrolling.register_passkey(
            token, attempt, Authenticator("https://evil.example").register(options)
        )
    attempt, options = await world.enrolling.begin_passkey(token)
    await world.enrolling.register_passkey(token, attempt, key.register(options))
    attempt, options = await world.sign_in.begin_passkey()
    answer = key.sign(options)
    opened = await world.sign_in.with_passkey(attempt, answer, "192.0.2.1")
    assert (await world.bearer(opened)).session.person == ada.person
    with pytest.raises(SignInRefused):
        await world.sign_in.with_passkey(attempt, answer, "192.0.2.1")
    attempt, options = await world.sign_in.begin_passkey()
    for wrong in (
        {},
        {"rawId": "äö"},
        key.sign(options, flags=0x01),
        key.sign({**options, "challenge": "AAAA"}),
    ):
        with pytest.raises(SignInRefused):
            await world.sign_in.with_passkey(attempt, wrong, "192.0.2.1")
        attempt, options = await world.sign_in.begin_passkey()


async def test_a_provider_signs_in_people_and_whom_was_invited(world: World) -> None:
    bob = await world.person("bob")
    await world.people().send_invite(world.tenant, "eve@example.org", WireRole.READER, ())
    for email, name in ((bob.email, "bob"), ("Eve@Example.org", "Eve E.")):
        state, address = await world.sign_in.begin_openid()
        assert state in address
        world.provider.says = Proved(email, name)
        opened = await world.sign_in.with_openid(state, "good", None, "192.0.2.1")
        assert (await world.bearer(opened)).name == name
        with pytest.raises(SignInRefused):
            await world.sign_in.with_openid(state, "good", None, "192.0.2.1")
    world.provider.says = Proved("stranger@example.org", "Stranger")
    for code in ("good", "bad"):
        state, _ = await world.sign_in.begin_openid()
        with pytest.raises(SignInRefused):
            await world.sign_in.with_openid(state, code, None, "192.0.2.1")
    assert "stranger" not in repr(world.provider.says)


async def test_sessions_end(world: World) -> None:
    ada = await world.known("ada", WireRole.OWNER)
    opened = await world.enter(ada)
    for _ in range(4):
        world.clock.advance(IDLE_MS - MINUTE_MS)
        await world.bearer(opened)
    world.clock.advance(IDLE_MS)
    with pytest.raises(SessionRefused):
        await world.bearer(opened)
    opened = await world.enter(ada)
    while world.clock.now() < opened.session.created_at + LONGEST_MS - IDLE_MS:
        world.clock.advance(IDLE_MS // 2)
        await world.bearer(opened)
    world.clock.set(Instant(opened.session.created_at + LONGEST_MS))
    with pytest.raises(SessionRefused):
        await world.bearer(opened)


async def test_sessions_are_listed_and_revoked(world: World) -> None:
    ada, bob = await world.known("ada", WireRole.OWNER), await world.known("bob")
    first = await world.enter(bob)
    world.clock.advance(MINUTE_MS)
    second = await world.enter(bob)
    own = world.sessions(world.actor(bob.person, Role.DEVELOPER))
    person = bob.person.person
    assert len(await own.active(world.tenant, person)) == 2
    for refused in (
        own.active(world.tenant, ada.person.person),
        own.revoke(world.tenant, ada.person.person, first.session.public_id),
        own.revoke_all(world.tenant, ada.person.person),
    ):
        with pytest.raises(Forbidden):
            await refused
    await own.revoke(world.tenant, person, first.session.public_id)
    with pytest.raises(NotFound):
        await own.revoke(world.tenant, person, first.session.public_id)
    with pytest.raises(SessionRefused):
        await world.bearer(first)
    owner = world.sessions(world.actor(ada.person, Role.OWNER))
    assert await owner.revoke_all(world.tenant, person) == 1
    with pytest.raises(SessionRefused):
        await world.bearer(second)
    with pytest.raises(NotFound):
        await owner.revoke_all(world.tenant, bytes(16))


async def test_signing_in_again_makes_a_session_fresh(world: World) -> None:
    ada, bob = await world.known("ada"), await world.known("bob")
    opened = await world.enter(ada)
    world.clock.advance(30 * MINUTE_MS)
    bearer = await world.bearer(opened)
    with pytest.raises(SignInRefused):
        await world.sign_in.again_with_password(bearer, PASSWORD, world.code(bob.secret), "a")
    code = world.code(ada.secret)
    await world.sign_in.again_with_password(bearer, PASSWORD, code, "a")
    assert (await world.bearer(opened)).session.signed_in_at == world.clock.now()


async def test_who_may_make_enrolments_for_whom(world: World) -> None:
    ada, bob = await world.known("ada", WireRole.OWNER), await world.person("bob")
    administrator = world.enrolments(world.actor(bob, Role.ADMINISTRATOR))
    with pytest.raises(Forbidden, match=r"roles\.assign"):
        await administrator.make(world.tenant, ada.person.person)
    eve = await world.person("eve")
    assert await administrator.make(world.tenant, eve.person)
    assert await world.enrolments(world.actor(eve, Role.DEVELOPER)).make(world.tenant, eve.person)
    with pytest.raises(Forbidden):
        await world.enrolments(world.actor(eve, Role.DEVELOPER)).make(world.tenant, bob.person)


async def test_house_roles_work_in_the_house_alone(world: World) -> None:
    audit = world.audit("operator")
    roles = Roles(world.database, world.clock, world.randomness, audit, OPERATOR)
    await roles.set_house(world.tenant)
    ada = await world.known("ada", WireRole.OWNER)
    bob = await world.known("bob")
    await roles.give(world.tenant, bob.person.person, Role.PRIVACY_OFFICER)
    bearer = await world.bearer(await world.enter(bob))
    assert bearer.house
    assert bearer.roles == {Role.DEVELOPER, Role.PRIVACY_OFFICER}
    assert (await world.bearer(await world.enter(ada))).roles == {Role.OWNER}


async def test_removing_a_person_removes_what_they_sign_in_with(world: World) -> None:
    await world.known("ada", WireRole.OWNER)
    bob = await world.known("bob")
    opened = await world.enter(bob)
    await world.people().remove(world.tenant, bob.person.person)
    with pytest.raises(SessionRefused):
        await world.bearer(opened)
    world.clock.advance(MINUTE_MS)
    with pytest.raises(SignInRefused):
        await world.enter(bob)


def test_what_is_sealed_opens_as_itself_alone() -> None:
    vault = Vault(PEPPER, SystemRandomness())
    sealed = vault.seal("one", b"name", b"secret")
    assert vault.open("one", b"name", sealed) == b"secret"
    assert b"secret" not in sealed
    others = (("two", b"name", sealed), ("one", b"other", sealed), ("one", b"name", sealed[:-1]))
    for kind, name, data in others:
        with pytest.raises(TamperedContent):
            vault.open(kind, name, data)
    assert vault.digest("one", b"x") != vault.digest("two", b"x")

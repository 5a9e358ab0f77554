"""Webhooks: what is registered, what is sent, signed, tried again, and said to have arrived."""

import asyncio
import base64
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook, WebhookVerificationError
from tests.unit.governance.conftest import Installation

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import EVENT_TYPES, INSTALLATION
from bailee.governance.audit.service import AuditTrail
from bailee.governance.webhooks import repository
from bailee.governance.webhooks.catalogue import event_types
from bailee.governance.webhooks.delivery import LEASE_MS, Deliverer
from bailee.governance.webhooks.model import (
    DELAYS_MS,
    KEPT_MS,
    OVERLAP_MS,
    DeliveryState,
    Disabled,
    Endpoint,
    Message,
    pause_ms,
)
from bailee.governance.webhooks.service import ENDPOINTS_MAX, Webhooks
from bailee.governance.webhooks.signing import headers_of, secret_of, secret_text
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from bailee.kernel.ids import ProjectId, TenantId, tenant_text
from bailee.kernel.instants import DAY_MS, Instant, from_rfc3339
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor, ActorKind, Role
from bailee.ports.audit import AuditEvent
from bailee.ports.webhook_sender import SendFailure

KEY: Final = Secret(bytes(range(32)))
URL: Final = "https://hooks.example.org/bailee"
PROJECT: Final = ProjectId(bytes(16))


def owner(tenant: TenantId, role: Role = Role.OWNER) -> Actor:
    return Actor(ActorKind.ADMIN_KEY, "key_00", tenant, frozenset({role}))


@dataclass
class Sent:
    """One attempt."""

    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Internet:
    """Answers with what is in `script`, then with 200; an exception is raised."""

    sent: list[Sent] = field(default_factory=list)
    script: list[int | SendFailure] = field(default_factory=list)
    always: int | None = None
    slow: dict[str, asyncio.Event] = field(default_factory=dict)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.sent.append(Sent(url, dict(headers), body))
        if url in self.slow:
            await self.slow[url].wait()
        answer = self.script.pop(0) if self.script else self.always or 200
        if isinstance(answer, SendFailure):
            raise answer
        return answer


@dataclass
class World:
    """An organisation that wants to be told."""

    tenant: TenantId
    database: PostgresDatabase
    clock: ManualClock
    internet: Internet
    webhooks: Webhooks
    trail: AuditTrail
    worker: Deliverer

    async def happen(self, kind: str = "project.updated", tenant: TenantId | None = None) -> None:
        """Something happens, by a command like any other."""
        whose = tenant or self.tenant
        event = AuditEvent(kind, whose, "proj_x", {"id": "proj_x", "secret": "s3cret"}, None)
        async with self.database.transaction(whose) as transaction:
            await self.trail.write(transaction, event)

    async def deliver(self) -> None:
        """Everything that is due."""
        await self.worker.step()
        await self.worker.settled()

    async def states(self, row: Endpoint) -> list[DeliveryState]:
        found = await self.webhooks.deliveries(self.tenant, row.endpoint, 100)
        return [one.state for one in found]


@pytest.fixture
async def world(
    installation: Installation, administrator_engine: AsyncEngine, clerk_engine: AsyncEngine
) -> World:
    tenant = (await installation.tenancy.create_organisation("Acme")).tenant
    database = PostgresDatabase(administrator_engine)
    clock, randomness, internet = ManualClock(SystemClock().now()), SystemRandomness(), Internet()
    trail = AuditTrail("key_00", clock, randomness)
    return World(
        tenant,
        database,
        clock,
        internet,
        Webhooks(
            *(database, clock, randomness, trail, owner(tenant)), key=KEY, allow_private=False
        ),
        trail,
        deliverer(clerk_engine, clock, internet),
    )


def deliverer(engine: AsyncEngine, clock: ManualClock, internet: Internet) -> Deliverer:
    randomness = SystemRandomness()
    return Deliverer(
        PostgresDatabase(engine),
        PostgresLeases(engine, clock),
        internet,
        AuditTrail(INSTALLATION, clock, randomness),
        *(clock, SystemClock(), randomness, KEY),
        holder=randomness.random_bytes(4).hex(),
        disable_after_ms=5 * DAY_MS,
    )


async def test_an_event_arrives_signed_and_says_no_more_than_identifiers(world: World) -> None:
    row, secret = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    await world.happen()
    await world.happen("project.created")
    await world.deliver()
    (sent,) = world.internet.sent
    assert sent.url == URL
    told = Webhook(secret.decode()).verify(sent.body, sent.headers)
    assert told["type"] == "project.updated"
    assert from_rfc3339(told["timestamp"]) == world.clock.now()
    assert told["data"] == {
        "id": sent.name,
        "organization_id": tenant_text(world.tenant),
        "project_id": None,
        "resource_id": "proj_x",
        "actor_id": "key_00",
    }
    assert await world.states(row) == [DeliveryState.DELIVERED]
    await world.deliver()
    assert len(world.internet.sent) == 1


async def test_what_was_not_committed_is_not_announced(world: World) -> None:
    await world.webhooks.create(world.tenant, URL, ["*"])
    event = AuditEvent("project.updated", world.tenant, "proj_x", {})

    async def fails() -> None:
        async with world.database.transaction(world.tenant) as transaction:
            await world.trail.write(transaction, event)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    await world.deliver()
    assert world.internet.sent == []


async def test_another_organisation_is_told_nothing(
    world: World, installation: Installation
) -> None:
    other = (await installation.tenancy.create_organisation("Rival")).tenant
    row, _ = await world.webhooks.create(world.tenant, URL, ["*"])
    await world.happen(tenant=other)
    await world.deliver()
    assert world.internet.sent == []
    with pytest.raises(Forbidden):
        await world.webhooks.all(other)
    rival = Webhooks(
        *(world.database, world.clock, SystemRandomness(), world.trail, owner(other)),
        key=KEY,
        allow_private=False,
    )
    for refused in (
        rival.one(other, row.endpoint),
        rival.update(other, row.endpoint, enabled=False),
        rival.remove(other, row.endpoint),
        rival.rotate(other, row.endpoint),
        rival.deliveries(other, row.endpoint, 1),
        rival.test(other, row.endpoint),
        rival.replay(other, row.endpoint, since=Instant(0)),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_a_failure_is_tried_again_under_the_same_name_for_three_days(world: World) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    await world.happen()
    world.internet.always = 500
    began = world.clock.now()
    for number, delay_ms in enumerate(DELAYS_MS, 1):
        await world.deliver()
        assert len(world.internet.sent) == number
        world.clock.advance(round(0.79 * delay_ms))
        await world.deliver()
        assert len(world.internet.sent) == number, "not before its time"
        world.clock.advance(round(0.42 * delay_ms))
    await world.deliver()
    assert len(world.internet.sent) == len(DELAYS_MS) + 1
    assert len({sent.name for sent in world.internet.sent}) == 1
    assert len({sent.headers["webhook-timestamp"] for sent in world.internet.sent}) > 1
    assert 3 * DAY_MS <= world.clock.now() - began <= 4.5 * DAY_MS
    assert await world.states(row) == [DeliveryState.GIVEN_UP]
    (told,) = await world.webhooks.deliveries(world.tenant, row.endpoint, 1)
    assert (told.attempts, told.status, told.problem) == (10, 500, None)


async def test_a_crash_between_sending_and_noting_sends_it_again(
    world: World, clerk_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    await world.happen()

    async def crash(*_: Any) -> None:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(repository, "note", crash)
    await world.deliver()
    assert await world.states(row) == [DeliveryState.PENDING]
    monkeypatch.undo()
    other = deliverer(clerk_engine, world.clock, world.internet)
    await other.step()
    assert len(world.internet.sent) == 1, "the first may still be at it"
    world.clock.advance(LEASE_MS)
    await other.step()
    await other.settled()
    one, again = world.internet.sent
    assert (one.name, one.body) == (again.name, again.body)
    assert await world.states(row) == [DeliveryState.DELIVERED]


async def test_a_slow_endpoint_holds_up_no_other(world: World) -> None:
    slow = "https://slow.example.org/"
    world.internet.slow[slow] = asyncio.Event()
    await world.webhooks.create(world.tenant, slow, ["project.updated"])
    quick, _ = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    for number in (1, 2):
        await world.happen()
        await world.worker.step()
        await asyncio.wait([world.worker._turns[quick.endpoint]], timeout=30)
        assert await world.states(quick) == [DeliveryState.DELIVERED] * number
    assert [sent.url for sent in world.internet.sent].count(slow) == 1
    world.internet.slow[slow].set()
    await world.worker.settled()


async def test_an_endpoint_that_fails_for_days_is_disabled(world: World) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    witness, _ = await world.webhooks.create(world.tenant, URL + "2", ["webhook.disabled"])
    world.internet.always = 503
    for day in range(6):
        assert (await world.webhooks.one(world.tenant, row.endpoint)).disabled is None, day
        await world.happen()
        await world.deliver()
        world.clock.advance(DAY_MS)
    found = await world.webhooks.one(world.tenant, row.endpoint)
    assert found.disabled is Disabled.FAILURES
    attempts = len(world.internet.sent)
    await world.happen()
    world.internet.always = 200
    await world.deliver()
    (told,) = world.internet.sent[attempts:]
    assert told.url == witness.url
    assert json.loads(told.body)["data"]["actor_id"] == INSTALLATION
    enabled = await world.webhooks.update(world.tenant, row.endpoint, enabled=True)
    assert (enabled.disabled, enabled.failing_since) == (None, None)
    await world.happen()
    await world.deliver()
    assert (await world.states(row))[0] is DeliveryState.DELIVERED


async def test_something_that_arrives_ends_the_count_of_days(world: World) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    world.internet.script = [SendFailure("timeout"), 200]
    await world.happen()
    await world.deliver()
    assert (await world.webhooks.one(world.tenant, row.endpoint)).failing_since is not None
    (told,) = await world.webhooks.deliveries(world.tenant, row.endpoint, 1)
    assert (told.status, told.problem) == (None, "timeout")
    world.clock.advance(DELAYS_MS[0] * 2)
    await world.deliver()
    assert (await world.webhooks.one(world.tenant, row.endpoint)).failing_since is None


async def test_one_that_says_that_it_is_gone_is_disabled_at_once(world: World) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["*"])
    world.internet.script = [410]
    await world.happen()
    await world.deliver()
    assert (await world.webhooks.one(world.tenant, row.endpoint)).disabled is Disabled.GONE
    with pytest.raises(Conflict, match="Enable it"):
        await world.webhooks.test(world.tenant, row.endpoint)


async def test_both_secrets_sign_while_they_overlap(world: World) -> None:
    tenant = world.tenant
    row, first = await world.webhooks.create(tenant, URL, ["project.updated"])
    _, second = await world.webhooks.rotate(tenant, row.endpoint)
    assert first != second

    async def accepted() -> list[bool]:
        await world.happen()
        await world.deliver()
        sent = world.internet.sent[-1]
        return [verifies(secret, sent) for secret in (first, second)]

    assert await accepted() == [True, True]
    with pytest.raises(Conflict, match="still signs"):
        await world.webhooks.rotate(tenant, row.endpoint)
    _, third = await world.webhooks.rotate(tenant, row.endpoint, overlap_ms=0)
    assert await accepted() == [False, False]
    assert verifies(third, world.internet.sent[-1])
    _, fourth = await world.webhooks.rotate(tenant, row.endpoint)
    world.clock.advance(OVERLAP_MS)
    await world.happen()
    await world.deliver()
    # The other's code takes nothing that is a day off its own clock.
    signatures = world.internet.sent[-1].headers["webhook-signature"].split()
    assert len(signatures) == 1
    assert fourth != third


def verifies(secret: Secret, sent: Sent) -> bool:
    try:
        Webhook(secret.decode()).verify(sent.body, sent.headers)
    except WebhookVerificationError:
        return False
    return True


async def test_a_test_message_and_sending_again(world: World) -> None:
    tenant = world.tenant
    row, _ = await world.webhooks.create(tenant, URL, ["project.updated"])
    await world.webhooks.test(tenant, row.endpoint)
    await world.deliver()
    assert json.loads(world.internet.sent[-1].body)["type"] == "webhook.tested"
    before = world.clock.now()
    world.clock.advance(1000)
    since = world.clock.now()
    for _ in range(3):
        await world.happen()
    await world.deliver()
    names = [sent.name for sent in world.internet.sent[1:]]
    assert await world.webhooks.replay(tenant, row.endpoint, since=since) == 3
    await world.deliver()
    assert sorted(sent.name for sent in world.internet.sent[4:]) == sorted(names)
    event = bytes.fromhex(names[0].removeprefix("audit_log-"))
    assert await world.webhooks.replay(tenant, row.endpoint, event=event) == 1
    await world.deliver()
    assert world.internet.sent[-1].name == names[0]
    assert await world.webhooks.replay(tenant, row.endpoint, since=before) == 3, "its types alone"
    with pytest.raises(NotFound):
        await world.webhooks.replay(tenant, row.endpoint, event=bytes(16))
    with pytest.raises(InvalidInput):
        await world.webhooks.replay(tenant, row.endpoint)
    with pytest.raises(InvalidInput):
        await world.webhooks.replay(tenant, row.endpoint, event=event, since=since)


async def test_what_was_delivered_is_forgotten_after_a_month(world: World) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["project.updated"])
    await world.happen()
    await world.deliver()
    world.clock.advance(KEPT_MS + 1)
    await world.happen()
    await world.deliver()
    assert len(await world.states(row)) == 1


async def test_deleting_ends_what_was_to_be_sent(world: World) -> None:
    row, _ = await world.webhooks.create(world.tenant, URL, ["*"])
    await world.happen()
    await world.webhooks.remove(world.tenant, row.endpoint)
    await world.deliver()
    assert world.internet.sent == []
    with pytest.raises(NotFound):
        await world.webhooks.one(world.tenant, row.endpoint)


BAD_URLS: Final = (
    "ftp://example.org/",
    "https://",
    "https://user:word@example.org/",
    "https://example.org/#part",
    "https://example.org:99999/",
    "https://example.org/a b",
    "https://예시.한국/",
    "http://example.org/",
    "http://localhost/",
    "https://localhost/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest",
    "https://example.org/" + "a" * 2000,
)


@pytest.mark.parametrize("url", BAD_URLS)
async def test_addresses_that_cannot_be(world: World, url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.webhooks.create(world.tenant, url, ["*"])
    assert refused.value.field == "url"
    assert await world.webhooks.all(world.tenant) == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "10.0.0.1", "192.168.1.9", "169.254.169.254", "[fd00::1]"]
)
async def test_a_private_address_is_refused_and_the_setting_named(world: World, host: str) -> None:
    with pytest.raises(InvalidInput, match=r"private network.*webhooks\.allow_private_addresses"):
        await world.webhooks.create(world.tenant, f"https://{host}/hook", ["*"])
    assert await world.webhooks.all(world.tenant) == []


async def test_what_else_cannot_be(world: World) -> None:
    for types in ([], ["project.exploded"], ["*", "nothing"]):
        with pytest.raises(InvalidInput) as refused:
            await world.webhooks.create(world.tenant, URL, types)
        assert refused.value.field == "event_types"
    for _ in range(ENDPOINTS_MAX):
        await world.webhooks.create(world.tenant, URL, ["*", "*"])
    with pytest.raises(Conflict, match="at most 20"):
        await world.webhooks.create(world.tenant, URL, ["*"])
    developer = Webhooks(
        *(world.database, world.clock, SystemRandomness(), world.trail),
        owner(world.tenant, Role.DEVELOPER),
        key=KEY,
        allow_private=False,
    )
    (first, *_) = await developer.all(world.tenant)
    assert first.types == ("*",)
    with pytest.raises(Forbidden, match=r"webhook\.administer"):
        await developer.remove(world.tenant, first.endpoint)


# What is pure.


def test_the_specifications_authors_sign_the_same() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    raw, body = base64.b64decode(secret.removeprefix("whsec_")), b'{"test": 2432232314}'
    message = Message(bytes(16), "x", Instant(0), "a", PROJECT, "r")
    headers = headers_of(message, body, [raw], Instant(1_614_265_330_999))
    at = datetime.datetime.fromtimestamp(1_614_265_330, datetime.UTC)
    signed = Webhook(secret).sign(headers["webhook-id"], at, body.decode())
    assert headers["webhook-signature"] == signed
    assert headers["webhook-timestamp"] == "1614265330"


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1))
def test_a_secret_is_its_endpoints_and_generations_own(endpoint: bytes, generation: int) -> None:
    secret = secret_of(KEY, endpoint, generation)
    assert len(secret) == 32
    assert secret != secret_of(KEY, endpoint, (generation + 1) % 2**32)
    assert secret != secret_of(KEY, endpoint[::-1] + b"x", generation)
    assert Webhook(secret_text(secret).decode())._whsecret == secret
    assert secret.hex() not in repr(secret)


@given(st.integers(1, 30), st.floats(0, 1))
def test_pauses_grow_and_end(attempts: int, chance: float) -> None:
    pause = pause_ms(attempts, chance)
    if attempts > len(DELAYS_MS):
        assert pause is None
    else:
        assert pause is not None
        assert 0.8 * DELAYS_MS[attempts - 1] - 1 <= pause <= 1.2 * DELAYS_MS[attempts - 1] + 1
    assert 3 * DAY_MS <= sum(DELAYS_MS) <= 3.5 * DAY_MS
    assert sorted(DELAYS_MS) == list(DELAYS_MS)


def test_every_type_of_the_audit_log_is_described_in_both_languages() -> None:
    assert event_types().keys() == EVENT_TYPES
    for told in event_types().values():
        assert told.english
        assert any("가" <= letter <= "힣" for letter in told.korean)

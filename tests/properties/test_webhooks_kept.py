"""Webhooks under random events, receivers, time and crashes between sending and noting.

Whatever happens: an event of a type that was asked for is pending, delivered or given up, and never
lost; what is noted as delivered has arrived; nothing else is sent; and every signature is of a
secret that signs at that instant, the present one first.
"""

import base64
import hmac
from collections.abc import Iterator, Mapping
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.fixtures.crashing import TENANTS, Running, campaign, opened
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import INSTALLATION
from bailee.governance.audit.service import AuditTrail
from bailee.governance.webhooks import repository
from bailee.governance.webhooks.delivery import LEASE_MS, Deliverer
from bailee.governance.webhooks.model import DELAYS_MS, EVENT, OVERLAP_MS, Endpoint
from bailee.governance.webhooks.service import Webhooks
from bailee.governance.webhooks.signing import secret_of
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor, ActorKind, Role
from bailee.ports.audit import AuditEvent
from bailee.ports.webhook_sender import SendFailure

NOW: Final = Instant(1_795_680_000_000)
KEY: Final = Secret(bytes(range(32)))
TYPES: Final = ("project.created", "project.updated", "invite.sent")
TENANT: Final = st.sampled_from(TENANTS)
CHOICE: Final = st.integers(0, 5)
ANSWERS: Final = st.sampled_from((200, 204, 200, 500, 410, None))
"""None: it does not answer."""


class Internet:
    """Answers what it is told to, and keeps what arrived; every signature is looked at."""

    def __init__(self) -> None:
        self.answer: int | None = 200
        self.secrets: Mapping[str, list[bytes]] = {}
        """By address, those that sign now."""
        self.wrong: list[tuple[str, str]] = []
        """What was not signed as it should be."""
        self.sent: set[tuple[str, str]] = set()
        """Address and message, whether it arrived or not."""
        self.arrived: set[tuple[str, str]] = set()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """See the port."""
        name, at = headers["webhook-id"], headers["webhook-timestamp"]
        signed = f"{name}.{at}.".encode() + body
        wanted = [hmac.digest(secret, signed, "sha256") for secret in self.secrets[url]]
        shown = headers["webhook-signature"].split(" ")
        # An error here would end with the turn, unseen.
        if shown != ["v1," + base64.b64encode(one).decode() for one in wanted]:
            self.wrong.append((url, name))
        self.sent.add((url, name))
        if self.answer is None:
            raise SendFailure("unreachable")
        if self.answer < 300:
            self.arrived.add((url, name))
        return self.answer


@pytest.fixture
def running(postgres_database: FreshDatabase) -> Iterator[Running]:
    with opened(postgres_database) as made:
        yield made


class Telling(RuleBasedStateMachine):
    """Endpoints come and go, events happen, receivers fail."""

    running: Running

    def __init__(self) -> None:
        super().__init__()
        tables = ("webhook_deliveries", "webhook_endpoints", "leases")
        self.running.run(self.running.empty(*tables))
        self.clock, self.internet = ManualClock(NOW), Internet()
        self.made = self.seen = 0
        self.owed: set[tuple[bytes, bytes]] = set()
        """Endpoint and event."""
        self.settled: set[tuple[bytes, bytes]] = set()

    def trail(self, name: str) -> AuditTrail:
        return AuditTrail(name, self.clock, SystemRandomness())

    def webhooks(self, tenant: TenantId, role: Role = Role.OWNER) -> Webhooks:
        by = Actor(ActorKind.ADMIN_KEY, "key_00", tenant, frozenset({role}))
        common = (self.running.administrators, self.clock, SystemRandomness())
        return Webhooks(*common, self.trail("key_00"), by, key=KEY, allow_private=False)

    def endpoints(self) -> list[Endpoint]:
        async def read() -> list[Endpoint]:
            found = []
            for tenant in TENANTS:
                async with self.running.plain.transaction(tenant) as transaction:
                    found += await repository.endpoints(transaction)
            return found

        return self.running.run(read())

    def one(self, choice: int) -> Endpoint | None:
        known = self.endpoints()
        return known[choice % len(known)] if known else None

    @rule(
        tenant=TENANT,
        types=st.sets(st.sampled_from(TYPES), min_size=1),
        role=st.sampled_from((Role.OWNER, Role.OWNER, Role.DEVELOPER)),
    )
    def register(self, tenant: TenantId, types: set[str], role: Role) -> None:
        self.made += 1
        url, noun = f"https://hooks.example.org/{self.made}", self.webhooks(tenant, role)
        self.running.attempt(lambda: noun.create(tenant, url, sorted(types)))

    @rule(choice=CHOICE, types=st.none() | st.sets(st.sampled_from(TYPES), min_size=1))
    def change(self, choice: int, types: set[str] | None) -> None:
        """What is asked for, or with None whether anything is."""
        row = self.one(choice)
        if row is not None:
            noun = self.webhooks(row.tenant)
            enabled = None if types is not None else row.disabled is not None
            self.running.attempt(
                lambda: noun.update(row.tenant, row.endpoint, types=types, enabled=enabled)
            )

    @rule(choice=CHOICE, overlap_ms=st.sampled_from((0, HOUR_MS, OVERLAP_MS)))
    def rotate(self, choice: int, overlap_ms: int) -> None:
        row = self.one(choice)
        if row is not None:
            noun = self.webhooks(row.tenant)
            self.running.attempt(lambda: noun.rotate(row.tenant, row.endpoint, overlap_ms))

    @rule(choice=CHOICE)
    def remove(self, choice: int) -> None:
        row = self.one(choice)
        if row is not None:
            noun = self.webhooks(row.tenant)
            self.running.attempt(lambda: noun.remove(row.tenant, row.endpoint))

    @rule(tenant=TENANT, kind=st.sampled_from(TYPES), crash=st.sampled_from((None, "before")))
    def something_happens(self, tenant: TenantId, kind: str, crash: str | None) -> None:
        known = {row.endpoint: row for row in self.endpoints()}
        self.running.administrators.crash = crash
        self.seen += 1
        resource = f"x_{self.seen}"

        async def happen() -> None:
            async with self.running.administrators.transaction(tenant) as transaction:
                event = AuditEvent(kind, tenant, resource, {"id": "x"})
                await self.trail("key_00").write(transaction, event)

        self.running.attempt(happen)
        found = self.running.rows("SELECT event FROM audit_events WHERE resource = $1", resource)
        assert len(found) == (crash is None)
        for event in found:
            self.owed |= {
                (endpoint, bytes(event["event"]))
                for endpoint, row in known.items()
                if row.tenant == tenant and kind in row.types and row.disabled is None
            }

    @rule(answer=ANSWERS, crash=st.sampled_from((None, None, "before", "after")))
    def the_worker_delivers(self, answer: int | None, crash: str | None) -> None:
        self.internet.answer = answer
        worker = self.worker()

        async def deliver() -> None:
            await worker.step()
            # From here on each endpoint's turn has transactions of its own.
            self.running.clerks.crash = crash
            await worker.settled()

        self.running.attempt(deliver)
        self.running.clerks.crash = None

    def signing(self, row: Endpoint) -> list[bytes]:
        """The secrets that sign now: the present one, and the former while both do."""
        both = (row.previous_until or 0) > self.clock.now()
        generations = (row.generation, row.generation - 1) if both else (row.generation,)
        return [secret_of(KEY, row.endpoint, one) for one in generations]

    def worker(self) -> Deliverer:
        """One that has just begun, when the lease of the one before has lapsed."""
        self.clock.advance(LEASE_MS + 1)
        self.internet.secrets = {row.url: self.signing(row) for row in self.endpoints()}
        randomness = SystemRandomness()
        return Deliverer(
            self.running.clerks,
            self.running.leases(self.clock),
            self.internet,
            self.trail(INSTALLATION),
            *(self.clock, SystemClock(), randomness, KEY),
            holder=randomness.random_bytes(4).hex(),
            disable_after_ms=5 * DAY_MS,
        )

    @rule(
        tenant=TENANT,
        kind=st.sampled_from(TYPES),
        overlap_ms=st.sampled_from((None, 0, HOUR_MS, OVERLAP_MS)),
        answer=ANSWERS,
        crash=st.sampled_from((None, None, "before", "after")),
        again=ANSWERS,
    )
    def from_registering_to_trying_again(
        self,
        tenant: TenantId,
        kind: str,
        overlap_ms: int | None,
        answer: int | None,
        crash: str | None,
        again: int | None,
    ) -> None:
        """What happens most; somebody may get a new secret between two attempts."""
        self.running.administrators.crash = None
        self.register(tenant, {kind}, Role.OWNER)
        self.something_happens(tenant, kind, None)
        self.the_worker_delivers(answer, crash)
        if overlap_ms is not None:
            url = f"https://hooks.example.org/{self.made}"
            # An organisation has only so many.
            for place, row in enumerate(self.endpoints()):
                if row.url == url:
                    self.rotate(place, overlap_ms)
        self.clock.advance(10 * MINUTE_MS)
        self.the_worker_delivers(again, None)

    @rule(milliseconds=st.sampled_from((1000, 10 * MINUTE_MS, 3 * HOUR_MS, DAY_MS)))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)

    @rule(when=st.sampled_from(("before", "after")))
    def crash_soon(self, when: str) -> None:
        self.running.administrators.crash = when

    @rule()
    def after_a_while_all_that_is_owed_arrives(self) -> None:
        self.running.administrators.crash = self.running.clerks.crash = None
        self.clock.advance(2 * DAY_MS)
        self.internet.answer = 200
        worker = self.worker()

        async def deliver() -> None:
            await worker.step()
            await worker.settled()

        self.running.run(deliver())
        rows = {row.endpoint: row for row in self.endpoints()}
        for (endpoint, _), state in self.states().items():
            assert state != "pending" or rows[endpoint].disabled is not None

    def states(self) -> dict[tuple[bytes, bytes], str]:
        rows = self.running.rows("SELECT endpoint, event, state FROM webhook_deliveries")
        return {(bytes(row["endpoint"]), bytes(row["event"])): row["state"] for row in rows}

    @invariant()
    def nothing_is_lost_and_nothing_else_is_told(self) -> None:
        there = {row.endpoint for row in self.endpoints()}
        states, kept = self.states(), {pair for pair in self.owed if pair[0] in there}
        # What was settled a month ago is forgotten.
        month = {pair for pair in kept - states.keys() if pair in self.settled}
        assert states.keys() | month == kept
        self.settled |= {pair for pair, state in states.items() if state != "pending"}

    @invariant()
    def every_signature_is_of_the_secrets_that_sign(self) -> None:
        assert self.internet.wrong == []

    @invariant()
    def what_is_noted_is_so(self) -> None:
        urls = {row.endpoint: row.url for row in self.endpoints()}
        rows = self.running.rows("SELECT * FROM webhook_deliveries")
        for row in rows:
            told = urls[bytes(row["endpoint"])], handle_text(EVENT, bytes(row["event"]))
            if row["state"] == "delivered":
                assert told in self.internet.arrived
            if row["state"] == "given_up":
                assert row["attempts"] == len(DELAYS_MS) + 1
            if row["attempts"]:
                assert told in self.internet.sent


def test_webhooks(running: Running) -> None:
    campaign(Telling, running, 18)


@pytest.mark.soak
def test_webhooks_at_length(running: Running) -> None:
    campaign(Telling, running, 3000)

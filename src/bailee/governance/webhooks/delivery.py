"""Carrying deliveries out, in the worker process and the role `clerk`.

Promises: each message arrives at least once, or is tried for three days and more; always under the
same identifier, so that a receiver can tell it has it already. It is sent, then noted: a crash
between sends it again. Order is not promised. An endpoint that is slow or away holds up no other:
each has a turn of its own. One worker at a time carries out; two for a moment only send twice.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from bailee.governance.webhooks import events, repository
from bailee.governance.webhooks.model import (
    KEPT_MS,
    Delivery,
    DeliveryState,
    Disabled,
    Endpoint,
    pause_ms,
)
from bailee.governance.webhooks.signing import body_of, headers_of, secret_of
from bailee.kernel.errors import BaileeError
from bailee.kernel.instants import SECOND_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.leases import Leases
from bailee.ports.randomness import Randomness
from bailee.ports.webhook_sender import SendFailure, WebhookSender

log = structlog.get_logger()

LEASE: Final = "webhooks"
LEASE_MS: Final = 10 * SECOND_MS
POLL_S: Final = 1.0
TURNS: Final = 32
"""Endpoints that are sent to at once."""
TURN: Final = 50
"""Messages of one endpoint before others have a turn."""
_GONE: Final = 410


@dataclass(slots=True)
class Deliverer:
    """Sends what is due. `real_clock` paces the rounds."""

    database: Database
    leases: Leases
    sender: WebhookSender
    audit: Audit
    clock: Clock
    real_clock: Clock
    randomness: Randomness
    key: Secret
    holder: str
    disable_after_ms: int
    """How long nothing may have arrived before an endpoint is disabled."""
    _turns: dict[bytes, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Look every second until cancelled."""
        try:
            while True:
                try:
                    await self.step()
                except BaileeError as error:
                    log.warning("webhooks_failed", kind=type(error).__name__)
                await self.real_clock.sleep_s(POLL_S)
        finally:
            turns = list(self._turns.values())
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)

    async def step(self) -> None:
        """Give every endpoint with due messages its turn. Does not wait for the turns.

        Raises Unavailable while the database is away.
        """
        async with self.database.platform_reading() as transaction:
            found = await repository.waiting(transaction, self.clock.now())
        if not found and not self._turns:
            return
        if await self.leases.acquire(LEASE, self.holder, LEASE_MS) is None:
            return
        for row in found:
            if row.endpoint not in self._turns and len(self._turns) < TURNS:
                turn = asyncio.create_task(self._turn(row))
                self._turns[row.endpoint] = turn
                turn.add_done_callback(partial(self._over, row.endpoint))

    async def settled(self) -> None:
        """Wait until nobody has a turn."""
        while self._turns:
            await asyncio.wait(self._turns.values())

    def _over(self, endpoint: bytes, _turn: asyncio.Task[None]) -> None:
        del self._turns[endpoint]

    async def _turn(self, endpoint: Endpoint) -> None:
        now = self.clock.now()
        try:
            async with self.database.transaction(endpoint.tenant) as transaction:
                due = await repository.due(transaction, endpoint.endpoint, now, TURN)
            for row in due:
                present = await self._present(endpoint)
                if present is None or present.disabled is not None:
                    return
                await self._note(present, await self._attempt(present, row))
            async with self.database.transaction(endpoint.tenant) as transaction:
                await repository.forget(transaction, endpoint.endpoint, now - KEPT_MS)
        except BaileeError as error:
            log.warning("webhook_turn_failed", kind=type(error).__name__)

    async def _present(self, endpoint: Endpoint) -> Endpoint | None:
        """As it is now: it may have moved or have another secret since the turn began."""
        async with self.database.transaction(endpoint.tenant) as transaction:
            found = await repository.endpoints(transaction)
        return next((one for one in found if one.endpoint == endpoint.endpoint), None)

    async def _attempt(self, endpoint: Endpoint, row: Delivery) -> Delivery:
        """Send once; gives what is to be noted."""
        now = self.clock.now()
        body = body_of(endpoint.tenant, row.message)
        secrets = [
            secret_of(self.key, endpoint.endpoint, generation)
            for generation in endpoint.generations(now)
        ]
        status: int | None = None
        problem: str | None = None
        try:
            headers = headers_of(row.message, body, secrets, now)
            status = await self.sender.send(endpoint.url, headers, body)
        except SendFailure as failure:
            problem = failure.reason
        row = row._replace(
            attempts=row.attempts + 1, attempted_at=now, status=status, problem=problem
        )
        if status is not None and 200 <= status < 300:
            return row._replace(state=DeliveryState.DELIVERED, delivered_at=self.clock.now())
        chance = self.randomness.random_bytes(1)[0] / 255
        pause = pause_ms(row.attempts, chance)
        if pause is None:
            return row._replace(state=DeliveryState.GIVEN_UP)
        return row._replace(next_at=Instant(self.clock.now() + pause))

    async def _note(self, endpoint: Endpoint, row: Delivery) -> None:
        now, why = self.clock.now(), None
        failing_since = None
        if row.state is not DeliveryState.DELIVERED:
            failing_since = endpoint.failing_since or now
            if row.status == _GONE:
                why = Disabled.GONE
            elif now - failing_since >= self.disable_after_ms:
                why = Disabled.FAILURES
        async with self.database.transaction(endpoint.tenant) as transaction:
            await repository.note(transaction, endpoint.endpoint, row)
            await repository.note_endpoint(transaction, endpoint.endpoint, failing_since)
            if why is not None and await repository.disable(
                transaction, endpoint.endpoint, why, now
            ):
                event = events.event("disabled", endpoint, because=why.value)
                await self.audit.write(transaction, event)

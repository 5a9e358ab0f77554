"""The acts of the tour, in their order, and the count of what they found.

Nothing here waits for a while and hopes: each step waits until what it needs can be seen in the
ledger or the keyring, and gives up loudly.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from bailee.cli.house import House
from bailee.cli.tour.display import Scene
from bailee.cli.tour.evidence import Evidence
from bailee.cli.tour.inside import PURPOSE, Inside, StoredRecord
from bailee.cli.tour.passage import Passage
from bailee.cli.tour.result import MONTH_MS, Result, half_hours_of
from bailee.cli.tour.tenants import Exchange, Tenant, Unanswered
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import BaileeError, NotFound, Unavailable
from bailee.kernel.ids import EpochKeyName, RecordId
from bailee.kernel.instants import (
    EPOCH_LENGTH_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Epoch,
    Instant,
    epoch_deadline,
    epoch_due,
    epoch_end,
    epoch_of,
)
from bailee.lifecycle.census import Discrepancy

IDLE_STEP_MS: Final = 12 * HOUR_MS
LATE_REQUESTS: Final = 4
"""Answers gathered around each kill of the second month."""
_OFFSETS_MS: Final = tuple(minutes * MINUTE_MS for minutes in (0, 29, 7, 15, 22))
_PACKED_AFTER_MS: Final = 4 * MINUTE_MS
_LOOK_S: Final = 0.015
_WATCH_S: Final = 0.4
_NUDGES: Final = 30
_NUDGE_MS: Final = 3 * SECOND_MS
_PATIENCE_S: Final = 60.0
_ROUNDS: Final = 200
_REFUSED: Final = range(400, 500)


class Story:
    """One tour of one installation."""

    def __init__(
        self,
        house: House,
        passage: Passage,
        inside: Inside,
        evidence: Evidence,
        tenants: list[Tenant],
        scene: Scene,
        requests: int,
    ) -> None:
        self._house = house
        self._passage = passage
        self._inside = inside
        self._evidence = evidence
        self._tenants = tenants
        self._scene = scene
        self._real = SystemClock()
        self._half_hours = half_hours_of(requests)
        self._late_kills = _late_kills(self._half_hours)
        self._early = requests - LATE_REQUESTS * len(self._late_kills)
        self._exchanges: list[Exchange] = []
        self._unanswered = 0
        self._stored: dict[RecordId, StoredRecord] = {}
        self._looked_at: set[Epoch] = set()
        self._dead: set[EpochKeyName] = set()
        self._opened_before = 0
        self._opened_after = 0
        self._complaints: list[str] = []
        self._turn = 0

    async def tell(self, *, with_model: bool) -> tuple[Result, list[str]]:
        """Everything; gives what was found and what is wrong beyond the figures."""
        begin = epoch_end(epoch_of(self._passage.now()))
        self._scene.began = begin
        self._scene.ends = Instant(begin + self._half_hours * EPOCH_LENGTH_MS + MONTH_MS)
        watching = asyncio.create_task(self._watch())
        try:
            if with_model:
                await self._ask_model()
            await self._gather_answers(begin)
            await self._account()
            await self._open_and_check()
            began_s = self._real.monotonic_s()
            await self._let_the_month_pass()
            seconds = self._real.monotonic_s() - began_s
            await self._finish()
            return await self._conclude(seconds), self._complaints
        finally:
            watching.cancel()

    # The first act: requests.

    async def _ask_model(self) -> None:
        """One request of each tenant to the local model, once that has loaded its weights."""
        model = self._house.settings.model.name

        async def answered(tenant: Tenant) -> bool:
            outcome = await tenant.ask(model)
            if isinstance(outcome, Unanswered):
                raise Unavailable(outcome.why)
            self._exchanges.append(outcome)
            return True

        for tenant in self._tenants:
            await self._until(partial(answered, tenant), "the local model")

    async def _gather_answers(self, begin: Instant) -> None:
        self._scene.begin("Three organisations send requests, half hour after half hour")
        kills = _early_kills(self._half_hours)
        for number in range(self._half_hours):
            quota = self._early * (number + 1) // self._half_hours
            quota -= self._early * number // self._half_hours
            offset = _OFFSETS_MS[number % len(_OFFSETS_MS)]
            self._passage.jump(Instant(begin + number * EPOCH_LENGTH_MS + offset))
            await self._ask_until(quota, kill=kills.get(number))
            await self._census_of_now()

    async def _census_of_now(self) -> None:
        """Wait until the clerk has taken the census of the present half hour."""
        half_hour = epoch_of(self._passage.now())
        await self._until(partial(self._inside.census_taken, half_hour), "a census")

    async def _ask_until(self, quota: int, kill: tuple[str, ...] | None = None) -> None:
        """Send requests until `quota` of them are answered, killing processes on the way."""
        before: dict[str, int] = {}
        for _ in range(_ROUNDS):
            asked = []
            for _ in range(quota):
                self._turn += 1
                tenant = self._tenants[self._turn % len(self._tenants)]
                asked.append(asyncio.create_task(tenant.ask()))
            if kill and not before:
                await asyncio.sleep(_LOOK_S)  # the requests are on their way
                before = self._kill(kill)
            for outcome in await asyncio.gather(*asked):
                if isinstance(outcome, Unanswered):
                    self._unanswered += 1
                else:
                    self._exchanges.append(outcome)
                    quota -= 1
            if quota == 0:
                break
            await asyncio.sleep(_LOOK_S)
        else:
            raise Unavailable("requests go unanswered; look into the gateways' log files")
        for name, process in before.items():
            await self._house.back(name, process)

    def _kill(self, names: tuple[str, ...]) -> dict[str, int]:
        killed = {name: self._house.kill(name) for name in names}
        self._scene.kills += len(killed)
        self._scene.note(f"[yellow]SIGKILL[/yellow] to {' and '.join(names)}")
        return killed

    # The second act: what is held.

    async def _account(self) -> None:
        """Wait until everything is packed, and count the records that are there."""
        last = max(exchange.record.epoch for exchange in self._exchanges)
        self._passage.jump(Instant(epoch_end(last) + _PACKED_AFTER_MS))
        await self._until(self._inside.all_packed, "segments")
        epochs = {exchange.record.epoch for exchange in self._exchanges}
        for epoch in sorted(epochs - self._looked_at):
            for found in await self._inside.records_in(epoch):
                self._stored[found.record] = found
        self._looked_at |= epochs
        self._scene.note(f"{len(self._stored)} records lie in segments, sealed")

    async def _open_and_check(self) -> None:
        self._scene.begin("Owners open records of theirs; every record's receipt is checked")
        for tenant in self._tenants:
            await self._open_before(next(e for e in self._exchanges if e.tenant == tenant.number))
        await self._evidence.check_response_receipts(
            self._tenants, self._exchanges, self._note_receipts
        )

    async def _open_before(self, exchange: Exchange) -> None:
        if await self._evidence.opened(self._tenants[exchange.tenant], exchange):
            self._opened_before += 1
            self._scene.opened += 1
        else:
            self._complaints.append(f"{exchange.record} did not open for its owner in time")

    def _note_receipts(self) -> None:
        self._scene.receipts = self._evidence.verified

    # The third act: a month.

    async def _let_the_month_pass(self) -> None:
        self._scene.begin("Thirty-one days pass")
        ends = Instant(self._passage.now() + MONTH_MS)
        first = self._exchanges[0]
        kills = list(self._late_kills)
        passed = 0
        while (due := await self._next_due()) <= ends:
            while due - self._passage.now() > IDLE_STEP_MS:
                self._passage.jump(Instant(self._passage.now() + IDLE_STEP_MS))
                await self._census_of_now()
            on_edge = due == epoch_due(first.record.epoch)
            if on_edge:
                self._scene.begin("Keys fall due, one half hour after the other")
                with self._passage.standing_at(Instant(due - 1)):
                    await self._open_before(first)
            self._passage.jump(due)
            passed += 1
            if kills and passed >= kills[0][0]:
                await self._ask_until(LATE_REQUESTS, kill=kills.pop(0)[1])
            await self._until(
                partial(self._inside.all_due_are_dead, due), "a destruction that is due"
            )
            if on_edge:
                await self._ask_on_the_edge(first)
            if passed % 10 == 0:
                self._scene.state()
        self._passage.jump(ends)

    async def _next_due(self) -> Instant:
        names: list[EpochKeyName] = []

        async def look() -> bool:
            names.extend(await self._inside.keyring_names())
            return True

        await self._until(look, "the keeper")
        return min(epoch_due(name.epoch) for name in names)

    async def _ask_on_the_edge(self, exchange: Exchange) -> None:
        """Ask for a destroyed record a millisecond before its deadline, at it, and behind it."""
        deadline = epoch_deadline(exchange.record.epoch)
        for instant in (deadline - 1, deadline, deadline + 1):
            with self._passage.standing_at(Instant(instant)):
                await self._refused(exchange)

    async def _refused(self, exchange: Exchange) -> None:
        tenant = self._tenants[exchange.tenant]
        for _ in range(_ROUNDS):
            status = await self._evidence.owner_reads(tenant, exchange.record)
            if status in _REFUSED:
                self._scene.refused += 1
                return
            if status == 200:
                self._opened_after += 1
                return
            await asyncio.sleep(_LOOK_S)
        self._complaints.append(f"nobody said whether {exchange.record} is gone")

    # The last act: proof.

    async def _finish(self) -> None:
        self._scene.begin("Everything is asked for again, and every destruction's receipt checked")
        await self._account()
        await self._until(self._inside.all_dead_are_receipted, "the receipts")
        rows = await self._inside.dead_epochs()
        self._dead = {row.name for row in rows}
        await self._evidence.check_destruction_receipts(self._dead, self._note_receipts)
        dead = {name.epoch for name in self._dead}
        gone = [exchange for exchange in self._exchanges if exchange.record.epoch in dead]
        await asyncio.gather(*map(self._refused, gone))
        late = [exchange for exchange in self._exchanges if exchange.record.epoch not in dead]
        await self._evidence.check_response_receipts(self._tenants, late, self._note_receipts)
        for exchange in late[:1]:
            await self._open_before(exchange)

    async def _conclude(self, seconds: float) -> Result:
        overdue = [f"{found.what}: {found.subject}" for found in await self._census()]
        overdue += [f"{subject} was destroyed late" for subject in self._evidence.late]
        ages = self._ages()
        complete = {found.record for found in self._stored.values() if found.complete}
        answered = {exchange.record for exchange in self._exchanges}
        swallowed = len(complete - answered)
        if swallowed > self._unanswered:
            self._complaints.append("there are records that nobody asked for")
        self._complaints += overdue + self._evidence.refusals
        return Result(
            answered=len(self._exchanges),
            records=len(complete) - swallowed,
            opened_before=self._opened_before,
            opened_after=self._opened_after,
            destroyed_epochs=len(self._dead),
            max_age_s=max(ages, default=0) / 1000,
            min_age_s=min(ages, default=0) / 1000,
            receipts_verified=self._evidence.verified,
            overdue=len(overdue),
            lost=len(answered - complete),
            seconds=round(seconds, 1),
        )

    def _ages(self) -> list[int]:
        """How old each record was, in milliseconds, when nothing could open it any more."""
        ages = []
        for found in self._stored.values():
            name = EpochKeyName(self._inside.region, PURPOSE, found.record.epoch)
            if name not in self._dead:
                continue
            unusable_at = self._evidence.unusable_at.get(name.subject)
            if unusable_at is None:
                self._complaints.append(f"{name.subject} has no verified receipt")
                continue
            ages.append(unusable_at - found.arrived)
        return ages

    async def _census(self) -> list[Discrepancy]:
        """Recompute the census. The log may be a second behind the keyring: it is asked again
        until both agree, or for as long as anybody would wait."""
        self._scene.begin("The census is recomputed")
        found: list[Discrepancy] = []

        async def agree() -> bool:
            found[:] = await self._evidence.census(self._passage.now())
            return not found

        try:
            await self._until(agree, "an agreeing census", patience_s=15.0)
        except Unavailable:
            if not found:
                raise
        return found

    # Watching.

    async def _watch(self) -> None:
        """Keep the scene up to date."""
        while True:
            self._scene.answered = len(self._exchanges)
            self._scene.unanswered = self._unanswered
            try:
                dead = {row.name.epoch for row in await self._inside.dead_epochs()}
                self._scene.dead = len(dead)
                self._scene.living = await self._inside.living_epochs()
                alive = [e.record.epoch for e in self._exchanges if e.record.epoch not in dead]
                self._scene.held_records = len(alive)
                self._scene.held_bytes = await self._inside.held_bytes()
            except BaileeError:
                pass  # something is being restarted
            await asyncio.sleep(_WATCH_S)

    async def _until(
        self, seen: Callable[[], Awaitable[bool]], what: str, patience_s: float = _PATIENCE_S
    ) -> None:
        """Wait until something can be seen. Raises Unavailable when patience is at its end.

        A process that was busy when time jumped sleeps its usual seconds only afterwards: for a
        minute and a half of simulated time, which is far inside of every margin, the clock is
        pushed on.
        """
        reason, looks = "", 0
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    try:
                        if await seen():
                            return
                    except (Unavailable, NotFound) as error:
                        reason = f" ({error})"
                    looks += 1
                    if looks <= _NUDGES:
                        self._passage.jump(Instant(self._passage.now() + _NUDGE_MS))
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise Unavailable(f"waited {patience_s:.0f} s in vain for {what}{reason}") from None


def _early_kills(half_hours: int) -> dict[int, tuple[str, ...]]:
    """Which processes are killed in which half hour of the first act."""
    return {
        half_hours // 4: ("gateway-0",),
        half_hours // 2: ("keeper",),
        half_hours * 3 // 4: ("clerk",),
    }


def _late_kills(half_hours: int) -> list[tuple[int, tuple[str, ...]]]:
    """Which processes are killed at which destruction of the month's end."""
    return [
        (half_hours // 5, ("clerk",)),
        (half_hours * 2 // 5, ("keeper",)),
        (half_hours * 3 // 5, ("gateway-1",)),
        (half_hours * 4 // 5, ("clerk", "keeper")),
    ]

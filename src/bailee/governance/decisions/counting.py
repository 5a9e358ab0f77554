"""One process's counts of decisions since they were last written: memory first, then rows.

Counting is an addition and never waits. Who counts asks for a `Tally` once for as long as a plan
stands, at most an epoch, and adds to it. Counts are written every minute and when the process
stops; one that is killed forgets at most a minute's. They say which facts calls had, never what
the calls said, and are kept for `KEPT_DAYS`. Zero retention counts like everything else.
"""

from typing import Final

from bailee.governance.decisions import repository
from bailee.governance.decisions.model import KEPT_DAYS, DecisionKey, Tally
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, EPOCH_LENGTH_MS, HOUR_MS, Instant
from bailee.policy.model import Facts
from bailee.ports.clock import Clock
from bailee.ports.database import Database

INTERVAL_S: Final = 60.0
_ROWS_AT_ONCE: Final = 1000
_NEVER: Final = Instant(0)


class DecisionCounts:
    """Counts of one process; run `run()` beside what counts.

    `clock` tells the instants of calls, `pauses` awaits real time.
    """

    def __init__(
        self, database: Database, clock: Clock, pauses: Clock, interval_s: float = INTERVAL_S
    ) -> None:
        self._database = database
        self._clock = clock
        self._pauses = pauses
        self._interval_s = interval_s
        self._tallies: dict[DecisionKey, Tally] = {}

    def tally(self, tenant: TenantId, project: ProjectId, facts: Facts, policy: str) -> Tally:
        """The count of calls with these facts; not to be added to beyond their epoch."""
        day = facts.submitted_at // DAY_MS
        key = DecisionKey(tenant, project, day, policy, facts._replace(submitted_at=_NEVER))
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        return tally

    async def flush(self) -> None:
        """Write what was counted. Raises Unavailable, keeping it, when the database is away."""
        counted = [(key, tally, tally.calls) for key, tally in self._tallies.items() if tally.calls]
        for begin in range(0, len(counted), _ROWS_AT_ONCE):
            some = counted[begin : begin + _ROWS_AT_ONCE]
            async with self._database.transaction(None) as transaction:
                await repository.add(transaction, [(key, calls) for key, _, calls in some])
            for _, tally, calls in some:
                tally.calls -= calls
        # No plan is older than its epoch, so that nobody adds to the tallies of a past day.
        today = (self._clock.now() - EPOCH_LENGTH_MS) // DAY_MS
        for key in [key for key, one in self._tallies.items() if key.day < today and not one.calls]:
            del self._tallies[key]

    async def run(self) -> None:
        """Write every interval until cancelled; while the database is away, count on."""
        while True:
            await self._pauses.sleep_s(self._interval_s)
            try:
                await self.flush()
            except Unavailable:
                continue


class DecisionsForgotten:
    """Deletes counts that are older than `KEPT_DAYS`, in the role `clerk`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._next = Instant(0)

    async def step(self, _fence: tuple[str, int] | None) -> None:
        """One look, if it is time. Raises Unavailable while the database is away."""
        now = self._clock.now()
        if now < self._next:
            return
        async with self._database.transaction(None) as transaction:
            await repository.forget(transaction, now // DAY_MS - KEPT_DAYS)
        self._next = Instant(now + HOUR_MS)

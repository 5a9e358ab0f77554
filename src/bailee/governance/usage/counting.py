"""One process's counts since they were last written: memory first, then rows.

Counting is an update of a dictionary and never waits. Counts are written every few seconds and
when the process stops; one that is killed forgets at most one interval's. A process is a gateway
worker, or `bailee worker` with the lines of batches. While the database is away they gather. A
connection that breaks in the moment of a commit may count an interval twice.
Zero retention counts like everything else: numbers are no content.
"""

from collections import deque
from typing import Final

from bailee.governance.usage import repository
from bailee.governance.usage.model import KINDS, UsageKey
from bailee.kernel.errors import Unavailable
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.clock import Clock
from bailee.ports.database import Database

INTERVAL_S: Final = 5.0
_ROWS_AT_ONCE: Final = 1000


class UsageCounts:
    """Counts of one process; run `run()` beside what counts."""

    def __init__(self, database: Database, clock: Clock, interval_s: float = INTERVAL_S) -> None:
        self._database = database
        self._clock = clock
        self._interval_s = interval_s
        self._minute = 0
        self._counts: dict[UsageKey, list[int]] = {}
        self._past: deque[repository.Row] = deque()

    def count(self, key: UsageKey, input_tokens: int, output_tokens: int, now: Instant) -> None:
        """Count one call. Never waits."""
        minute = now // MINUTE_MS
        if minute != self._minute:
            self._turn(minute)
        counts = self._counts.get(key)
        if counts is None:
            if key.endpoint not in KINDS:
                return
            counts = self._counts[key] = [0, 0, 0]
        counts[0] += 1
        counts[1] += input_tokens
        counts[2] += output_tokens

    async def flush(self) -> None:
        """Write what was counted. Raises Unavailable, keeping it, when the database is away."""
        self._turn(self._minute)
        while self._past:
            rows = [self._past.popleft() for _ in range(min(_ROWS_AT_ONCE, len(self._past)))]
            try:
                async with self._database.transaction(None) as transaction:
                    await repository.add(transaction, _merged(rows))
            except Unavailable:
                self._past.extendleft(reversed(rows))
                raise

    async def run(self) -> None:
        """Write every interval until cancelled; while the database is away, count on."""
        while True:
            await self._clock.sleep_s(self._interval_s)
            try:
                await self.flush()
            except Unavailable:
                continue

    def _turn(self, minute: int) -> None:
        counts, self._counts = self._counts, {}
        self._past.extend((key, self._minute, numbers) for key, numbers in counts.items())
        self._minute = minute


def _merged(rows: list[repository.Row]) -> list[repository.Row]:
    """One row for each key and minute: a statement may touch a row once."""
    merged: dict[tuple[UsageKey, int], list[int]] = {}
    for key, minute, numbers in rows:
        # Endpoints of one kind are one row.
        kind = KINDS[key.endpoint]
        first = next(endpoint for endpoint, known in KINDS.items() if known is kind)
        total = merged.setdefault((key._replace(endpoint=first), minute), [0, 0, 0])
        for place, number in enumerate(numbers):
            total[place] += number
    return [(key, minute, numbers) for (key, minute), numbers in merged.items()]

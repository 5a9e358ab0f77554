"""When API keys were last used, written back in batches, off the road of a request."""

from bailee.governance.tenancy import repository
from bailee.kernel.errors import Unavailable
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.database import Database


class LastUsed:
    """One gateway worker's uses since the last write. A crash forgets at most an interval's."""

    def __init__(self, database: Database, clock: Clock, interval_s: float = 10.0) -> None:
        self._database = database
        self._clock = clock
        self._interval_s = interval_s
        self._uses: dict[str, Instant] = {}

    def note(self, public_id: str, now: Instant) -> None:
        """Remember a use. Never waits."""
        self._uses[public_id] = now

    async def flush(self) -> None:
        """Write what was remembered. Raises Unavailable, keeping it, when the database is away."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            async with self._database.transaction(None) as transaction:
                await repository.write_uses(transaction, uses)
        except Unavailable:
            self._uses = uses | self._uses
            raise

    async def run(self) -> None:
        """Write every interval until cancelled; while the database is away, remember on."""
        while True:
            await self._clock.sleep_s(self._interval_s)
            try:
                await self.flush()
            except Unavailable:
                continue

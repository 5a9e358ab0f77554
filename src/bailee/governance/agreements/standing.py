"""What is in force, for whoever's command or call depends on it."""

from bailee.governance.agreements import repository
from bailee.governance.agreements.model import Agreement, Kind, State
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction


async def in_force(transaction: DatabaseTransaction, kind: Kind, now: Instant) -> Agreement | None:
    """The organisation's agreement of a kind that binds at `now`; locked until the end."""
    rows = await repository.in_state(transaction, {State.EXECUTED}, lock=True)
    found = [row for row in rows if row.kind is kind and row.in_force(now)]
    return found[-1] if found else None


class Standing:
    """Asks by organisation, in a role that may read agreements."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def has(self, tenant: TenantId, kind: Kind) -> bool:
        """Whether an organisation has an executed agreement of a kind that is in force."""
        now = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            rows = await repository.in_state(transaction, {State.EXECUTED})
        return any(row.kind is kind and row.in_force(now) for row in rows)

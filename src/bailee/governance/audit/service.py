"""Writing the audit log on somebody's behalf, and reading it."""

from typing import Final

from bailee.governance.audit import repository
from bailee.governance.audit.model import Recorded, Wanted
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import TenantId
from bailee.ports.audit import AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

_ID_BYTES: Final = 16
_END: Final = (1 << 63) - 1


class AuditTrail:
    """`ports.audit.Audit` on behalf of `actor`."""

    def __init__(self, actor: str, clock: Clock, randomness: Randomness) -> None:
        self._actor = actor
        self._clock = clock
        self._randomness = randomness

    async def write(self, transaction: DatabaseTransaction, event: AuditEvent) -> None:
        """Add an event to the transaction."""
        identifier = self._randomness.random_bytes(_ID_BYTES)
        await repository.append(transaction, identifier, event, self._actor, self._clock.now())


class AuditLog:
    """Reads the log of one organisation at a time, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(
        self,
        tenant: TenantId,
        wanted: Wanted,
        limit: int,
        *,
        after: bytes | None = None,
        before: bytes | None = None,
    ) -> list[Recorded]:
        """Up to `limit` events: those that follow `after` in the list, or precede `before`.

        Raises:
            InvalidInput: the organisation has no such event, or both were given.
        """
        if after is not None and before is not None:
            raise InvalidInput("Give either `after` or `before`.", field="after")
        async with self._database.transaction(tenant) as transaction:
            if before is not None:
                position = await _position(transaction, before, "before")
                return await repository.newer(transaction, wanted, position, limit)
            position = _END if after is None else await _position(transaction, after, "after")
            return await repository.older(transaction, wanted, position, limit)


async def _position(transaction: DatabaseTransaction, identifier: bytes, field: str) -> int:
    position = await repository.position_of(transaction, identifier)
    if position is None:
        raise InvalidInput("There is no such event. Begin the list anew.", field=field)
    return position

"""Waiting for gateway workers: `ports.acknowledgement` over the table `gateways`.

Leases are judged by the database's own clock, which also stamps them, so that no two machines'
clocks are compared. A worker counts its lease from before it asked for the facts, which is never
later than the stamp.
"""

from typing import Final

from bailee.governance.tenancy import gateways, repository
from bailee.ports.acknowledgement import LEASE_MS
from bailee.ports.clock import Clock
from bailee.ports.database import Database

_PAUSE_S: Final = 0.02


class Acknowledgements:
    """`ports.acknowledgement.Acknowledgement`. `clock` awaits real time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def everywhere(self, lapse_ms: int = LEASE_MS) -> None:
        """Return when no worker acts on older facts any more."""
        async with self._database.transaction(None) as transaction:
            version = await repository.version(transaction)
        while True:
            async with self._database.transaction(None) as transaction:
                if not await gateways.gateways_behind(transaction, version, lapse_ms):
                    return
            await self._clock.sleep_s(_PAUSE_S)

"""Tenancy against a real database, with a keeper that remembers what it was asked."""

from dataclasses import dataclass, field
from typing import cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system.clock import SystemClock
from bailee.drivers.system.randomness import SystemRandomness
from bailee.governance.tenancy.events import TenancyEvent
from bailee.governance.tenancy.service import Tenancy
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import ScopeKeyName
from bailee.ports.keeper import Keeper

PEPPER = bytes(range(32))


@dataclass
class RememberingKeeper:
    """The administrator's part of the keeper. `away` names a method that fails."""

    scopes: set[ScopeKeyName] = field(default_factory=set)
    credentials: set[bytes] = field(default_factory=set)
    revoked: set[bytes] = field(default_factory=set)
    away: str = ""

    async def create_scope(self, name: ScopeKeyName) -> None:
        self._reach("create_scope")
        self.scopes.add(name)

    async def register_credential(
        self, credential: bytes, tenant: bytes, project: bytes, expires_at: int | None
    ) -> None:
        self._reach("register_credential")
        self.credentials.add(bytes(credential))

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: int | None
    ) -> None:
        self._reach("register_administrator")
        self.credentials.add(bytes(credential))

    async def revoke_credential(self, credential_id: bytes) -> None:
        self._reach("revoke_credential")
        self.revoked.add(credential_id)

    def _reach(self, method: str) -> None:
        if self.away == method:
            raise Unavailable("The keeper is away.")


@dataclass
class Installation:
    """What a test of tenancy works with."""

    tenancy: Tenancy
    keeper: RememberingKeeper
    database: PostgresDatabase
    events: list[TenancyEvent]


@pytest.fixture
def installation(administrator_engine: AsyncEngine) -> Installation:
    """An empty installation."""
    keeper, events = RememberingKeeper(), list[TenancyEvent]()
    database = PostgresDatabase(administrator_engine)
    tenancy = Tenancy(
        database,
        cast("Keeper", keeper),
        SystemClock(),
        SystemRandomness(),
        PEPPER,
        events.append,
    )
    return Installation(tenancy, keeper, database, events)

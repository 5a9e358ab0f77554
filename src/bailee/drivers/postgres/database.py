"""`ports.database.Database`: transactions for the governance nouns under row-level security."""

import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bailee.drivers.postgres.failures import kinds
from bailee.drivers.postgres.outbox import check_leaf, insert_leaves
from bailee.drivers.postgres.transactions import begin
from bailee.kernel.encoding import fields
from bailee.kernel.errors import Forbidden, NotFound
from bailee.kernel.ids import TenantId
from bailee.ports.database import DatabaseTransaction, Value

_REFERENCE: Final = "bailee/1/log-reference"
_TENANT: Final = text("SELECT set_config('bailee.tenant', :tenant, true)")
_PLATFORM: Final = text("SELECT set_config('bailee.platform', 'read', true)")
_READ_ONLY: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


class _Transaction:
    def __init__(
        self, connection: AsyncConnection, tenant: TenantId | None, *, everywhere: bool = False
    ) -> None:
        self._connection = connection
        self._own: dict[str, Value] = {"own": tenant, "everywhere": everywhere}
        self.leaves: list[bytes] = []

    async def rows(self, statement: LiteralString, **parameters: Value) -> Sequence[Any]:
        own = self._own["own"]
        if own is not None and parameters.get("tenant", own) != own:
            raise Forbidden("The transaction is for one organisation, the row of another.")
        with kinds():
            result = await self._connection.execute(text(statement), self._own | parameters)
            return result.fetchall() if result.returns_rows else []

    async def reference(self, *parts: bytes) -> bytes:
        rows = await self.rows(
            "SELECT log_salt FROM organisations WHERE tenant = :own AND log_salt IS NOT NULL"
        )
        if len(rows) != 1:
            raise NotFound("The organisation cannot be referred to in the log any more.")
        return hmac.digest(bytes(rows[0].log_salt), fields(_REFERENCE, *parts), "sha256")

    async def append_entry(self, leaf: bytes) -> None:
        self.leaves.append(check_leaf(leaf))


class PostgresDatabase:
    """Transactions on an engine whose role row-level security binds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def transaction(self, tenant: TenantId | None) -> AsyncIterator[DatabaseTransaction]:
        """Begin for one organisation; commit, durably, on leaving without an exception."""
        async with begin(self._engine) as connection:
            if tenant is not None:
                with kinds():
                    await connection.execute(_TENANT, {"tenant": tenant.hex()})
            transaction = _Transaction(connection, tenant)
            yield transaction
            with kinds():
                await insert_leaves(connection, transaction.leaves)

    @asynccontextmanager
    async def platform_reading(self) -> AsyncIterator[DatabaseTransaction]:
        """Begin a read-only transaction that sees every organisation's rows."""
        async with begin(self._engine) as connection:
            with kinds():
                await connection.execute(_READ_ONLY)
                await connection.execute(_PLATFORM)
            yield _Transaction(connection, None, everywhere=True)

"""Leases as rows, and the fence that makes a stale holder's writes fail.

The holder's own clock says when a lease ends, so clocks that disagree cost at worst a change of
holder too early or too late. They never cost correctness: each write under a lease ends with
`check_fence`, which locks the lease's row, so that a token that was the newest when it was looked
at still is when the write commits.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bailee.drivers.postgres.failures import kinds
from bailee.kernel.errors import Conflict
from bailee.ports.clock import Clock

_ACQUIRE: Final = text("""
INSERT INTO leases (name, holder, token, expires_at)
VALUES (:name, :holder, 1, :expires_at)
ON CONFLICT (name) DO UPDATE SET
    token = leases.token + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END,
    holder = excluded.holder,
    expires_at = excluded.expires_at
WHERE leases.holder = excluded.holder OR leases.expires_at <= :now
RETURNING token
""")
_RELEASE: Final = text("""
UPDATE leases SET holder = '', expires_at = 0 WHERE name = :name AND holder = :holder
""")
_RELEASE_OF: Final = text("""
UPDATE leases SET holder = '', expires_at = 0 WHERE starts_with(holder, :beginning)
""")
_TOKEN: Final = text("SELECT token FROM leases WHERE name = :name FOR SHARE")


async def check_fence(connection: AsyncConnection, fence: tuple[str, int]) -> None:
    """Return if the lease's newest token is the fence's, and keep it so until commit.

    Raises:
        Conflict: another has held the lease since.
    """
    name, token = fence
    newest = await connection.scalar(_TOKEN, {"name": name})
    if newest != token:
        raise Conflict(
            f"The lease {name} has passed to another holder. Acquire it again, then read the state"
            " again; nothing was written."
        )


class PostgresLeases:
    """`ports.leases.Leases` on the clerk's engine."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def acquire(self, name: str, holder: str, duration_ms: int) -> int | None:
        """Take or prolong the lease; its token, or None while another holds it."""
        now = self._clock.now()
        parameters = {
            "name": name,
            "holder": holder,
            "now": now,
            "expires_at": now + duration_ms,
        }
        with kinds():
            async with self._engine.begin() as connection:
                token: int | None = await connection.scalar(_ACQUIRE, parameters)
                return token

    async def release(self, name: str, holder: str) -> None:
        """Give the lease up, if `holder` holds it."""
        with kinds():
            async with self._engine.begin() as connection:
                await connection.execute(_RELEASE, {"name": name, "holder": holder})

    async def release_of(self, beginning: str) -> None:
        """Give up every lease whose holder's name begins so."""
        with kinds():
            async with self._engine.begin() as connection:
                await connection.execute(_RELEASE_OF, {"beginning": beginning})

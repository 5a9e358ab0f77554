"""One transaction whose body's own failures pass through untouched."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bailee.drivers.postgres.failures import kinds


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Begin; commit on leaving without an exception, else roll back.

    Only connecting, beginning and committing are turned into kinds of failure here: statements
    inside do so themselves. When the connection breaks during the commit nobody knows whether it
    happened: that raises Unavailable too, and whoever repeats must find out first.
    """
    with kinds():
        connection = await engine.connect()
    try:
        with kinds():
            await connection.begin()
        yield connection
        with kinds():
            await connection.commit()
    finally:
        # Rolls back what was not committed. A connection that broke has nothing left to roll back.
        with suppress(SQLAlchemyError, OSError):
            await connection.close()

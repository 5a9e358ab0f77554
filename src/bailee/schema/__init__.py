"""The database's schema and how a database comes to have it.

`migrate` brings a database up to this code's version, from any earlier one, in one transaction;
two processes that try together do it once. It never goes back: a database that a newer Bailee has
migrated is refused, because what the newer one wrote may mean something that this code would
break. There is no downgrade; restore what went with the older code instead.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bailee.kernel.errors import Conflict

VERSION: Final = "0017"
"""The revision that this code works with: the newest in `migrations/versions`."""

_LOCK: Final = 0x6261696C6565
"""Advisory lock of migrations: the bytes of `bailee`."""


async def migrate(connection: AsyncConnection) -> bool:
    """Bring the database up to `VERSION` and commit. True if anything had to be done.

    `connection` belongs to the tables' owner, outside a transaction.

    Raises:
        Conflict: the database's version is unknown to this code, so it is newer.
    """
    async with connection.begin():
        if await _present_version(connection) == VERSION:
            return False
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        present = await _present_version(connection)
        if present == VERSION:
            return False
        await connection.run_sync(_upgrade, present)
        return True


async def check_version(connection: AsyncConnection) -> None:
    """Return if the database has exactly this code's version.

    Raises:
        Conflict: it has another, or none.
    """
    present = await _present_version(connection)
    if present == VERSION:
        return
    if present is None or int(present) < int(VERSION):
        raise Conflict(
            f"The database's schema is at version {present or 'none'} and this Bailee needs"
            f" {VERSION}. Run the migrations first."
        )
    raise _newer(present)


async def _present_version(connection: AsyncConnection) -> str | None:
    known = await connection.scalar(text("SELECT to_regclass('public.alembic_version')::text"))
    if known is None:
        return None
    version: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _newer(present: str) -> Conflict:
    return Conflict(
        f"The database's schema is at version {present}, newer than this Bailee, which knows"
        f" {VERSION}. Start the newer Bailee again: going back is not safe."
    )


def _upgrade(connection: Connection, present: str | None) -> None:
    # Imported here: most starts have nothing to migrate and need not pay for it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if present is not None and present not in {
        revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()
    }:
        raise _newer(present)
    command.upgrade(config, "head")

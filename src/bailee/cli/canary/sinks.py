"""Every place where content could have been left, read to the last byte.

Files of the data folder and of temporary folders, rows of every table as text, what the server
shows to anybody, arguments and environment of every process, files that are open and have no name.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bailee.cli.canary.traces import files_below, processes, processes_of
from bailee.cli.house import House
from bailee.drivers.postgres.engine import connector
from bailee.wiring.database import database_url
from bailee.wiring.places import Places

Sink = tuple[str, bytes]

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - read, whoever wrote it
_TABLES: Final = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY name
"""
_VIEWS: Final = ("pg_stat_activity", "pg_stats", "pg_settings")
"""What the database itself remembers of statements and of values."""


def file_sinks(root: Path) -> Iterator[Sink]:
    """All files."""
    yield from files_below(root)
    if _SHARED_MEMORY.is_dir():
        for path in sorted(_SHARED_MEMORY.iterdir()):
            if path.is_file() and not path.is_symlink():
                yield str(path), path.name.encode() + b"\n" + path.read_bytes()


def process_sinks(house: House, *more: int) -> Iterator[Sink]:
    """All processes of an installation, and others by their numbers."""
    pids = {*processes_of(house.data), *more}
    if house.supervisor is not None:
        pids.add(house.supervisor)
    yield from processes(sorted(pids))


async def table_sinks(connection: Any) -> list[Sink]:
    """All tables, row by row as text."""
    names = [row["name"] for row in await connection.fetch(_TABLES)]
    found = []
    for name in (*names, *_VIEWS):
        # Names are quoted by the database itself.
        rows = await connection.fetch(f"SELECT t::text AS row FROM {name} t")  # noqa: S608
        found.append((f"table {name}", "\n".join(row["row"] for row in rows).encode()))
    return found


@asynccontextmanager
async def as_owner(house: House) -> AsyncIterator[Any]:
    """A connection as the owner of the tables, who is above row-level security."""
    places = Places(house.data)
    connection = await connector(database_url(house.settings, places, None), None)()
    try:
        yield connection
    finally:
        await connection.close()

"""The search itself, and what is planted so that finding nothing means something."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import zstandard

from bailee.cli.canary.sinks import Sink, as_owner, file_sinks, process_sinks, table_sinks
from bailee.cli.canary.traces import Trace, forms, search
from bailee.cli.house import House

_TABLE: Final = "canary_planted"
_SHOWS_PROCESSES: Final = Path("/proc/self/environ").exists()
"""Linux alone does."""
PUBLIC: Final = ("/health", "/", "/log/checkpoint", "/bailee/v1/openapi/openapi.json")
"""What anybody may ask for."""


@dataclass(slots=True)
class Found:
    """What searches have found so far."""

    places: set[str] = field(default_factory=set)
    traces: set[Trace] = field(default_factory=set)

    def look(self, sinks: Iterable[Sink], marks: Iterable[bytes]) -> None:
        """Search sinks, and remember which they were."""
        wanted = list(marks)
        for name, data in sinks:
            self.places.add(name)
            self.traces.update(search([(name, data)], wanted))

    def of(self, mark: bytes) -> list[Trace]:
        """Where a mark was found, in which form."""
        return sorted(trace for trace in self.traces if trace.word == mark)

    def places_of(self, mark: bytes) -> set[str]:
        """The sinks in which a mark was found."""
        return {trace.place for trace in self.of(mark)}


@dataclass(slots=True)
class Planted:
    """Words that lie about on purpose."""

    places: set[str]
    """The sinks that hold one."""
    process: int


@asynccontextmanager
async def planted(house: House, root: Path, mark: bytes) -> AsyncIterator[Planted]:
    """Plant a mark in files (in each form), in a table and in a process's environment."""
    folder = root / "planted"
    folder.mkdir()
    files = {**forms(mark), "packed": zstandard.compress(b'{"content": "' + mark + b'"}')}
    for number, data in enumerate(files.values()):
        (folder / f"{number}.log").write_bytes(b"before " + data + b" behind")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"),
        stdin=asyncio.subprocess.PIPE,
        env={"CANARY": mark.decode()},
    )
    try:
        async with as_owner(house) as connection:
            await connection.execute(f"CREATE TABLE {_TABLE} (content bytea)")
            await connection.execute(f"INSERT INTO {_TABLE} VALUES ($1)", mark)  # noqa: S608
        places = {str(folder / f"{number}.log") for number in range(len(files))}
        if _SHOWS_PROCESSES:
            places.add(f"/proc/{process.pid}/environ")
        yield Planted(places | {f"table public.{_TABLE}"}, process.pid)
    finally:
        process.kill()
        await process.wait()


async def search_running(
    house: House, root: Path, found: Found, marks: list[bytes], *pids: int
) -> None:
    """Search everything of an installation that runs."""
    async with as_owner(house) as connection:
        found.look(await table_sinks(connection), marks)
    found.look(process_sinks(house, *pids), marks)
    await asyncio.to_thread(found.look, file_sinks(root), marks)

"""A transparency log for `bailee bench log`: the real database, the real folder, nothing else."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.objects import open_objects
from bailee.drivers.postgres.engine import migrate, open_engine
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.postgres.outbox import PostgresOutbox, insert_leaves
from bailee.drivers.system import SystemClock, SystemRandomness, ThreadOffload
from bailee.kernel.ids import JournalId, Region
from bailee.kernel.instants import epoch_of
from bailee.lifecycle.sequencer import Sequencer
from bailee.schema.roles import CLERK
from bailee.transparency import entry
from bailee.transparency.note import Signer
from bailee.wiring.database import KeptDatabase, embedded_server
from bailee.wiring.places import Places

_COMMIT_ENTRIES: Final = 5000
_STEADY_COMMIT_S: Final = 0.05
REGION: Final = Region("us")


class LogUnderMeasurement:
    """A sequencer over a database that runs already."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._clock = SystemClock()
        self._randomness = SystemRandomness()
        self._engine: AsyncEngine | None = None
        self._sequencer: Sequencer | None = None

    async def open(self) -> None:
        """Migrate and connect."""
        server = embedded_server(self._places)
        await migrate(server.url())
        self._engine = open_engine(server.url(CLERK), CLERK)
        self._places.objects.mkdir()
        self._sequencer = Sequencer(
            PostgresOutbox(self._engine),
            PostgresLeases(self._engine, self._clock),
            open_objects(self._places.objects.as_uri(), ThreadOffload(8)),
            self._clock,
            Signer("bailee.local/bench", self._randomness.random_bytes(32)),
            holder="bench",
        )

    async def close(self) -> None:
        """Disconnect."""
        if self._engine is not None:
            await self._engine.dispose()

    async def burst(self, entries: int) -> float:
        """Commit and sequence `entries`, both at once; seconds until all are in the log."""
        began_s = self._clock.monotonic_s()
        writing = asyncio.create_task(self._write(entries))
        sequenced = 0
        while sequenced < entries:
            sequenced += await self._step()
            if writing.done():
                writing.result()
        await writing
        return self._clock.monotonic_s() - began_s

    async def steady(self, per_s: int, seconds: int) -> list[float]:
        """Commit at a steady rate; milliseconds from each commit to the checkpoint over it."""
        committed: list[tuple[int, float]] = []
        waits_ms: list[float] = []
        batch = int(per_s * _STEADY_COMMIT_S)
        total = per_s * seconds

        async def write() -> None:
            for first in range(0, total, batch):
                await self._commit(self._leaves(batch))
                committed.append((first + batch, self._clock.monotonic_s()))
                await self._clock.sleep_s(_STEADY_COMMIT_S)

        writing = asyncio.create_task(write())
        sequenced = 0
        while sequenced < total:
            sequenced += await self._step()
            if writing.done():
                writing.result()
            now_s = self._clock.monotonic_s()
            while committed and committed[0][0] <= sequenced:
                waits_ms.append((now_s - committed.pop(0)[1]) * 1000)
            await self._clock.sleep_s(0.2)
        await writing
        return waits_ms

    async def _write(self, entries: int) -> None:
        left = entries
        while left:
            count = min(left, _COMMIT_ENTRIES)
            await self._commit(self._leaves(count))
            left -= count

    async def _commit(self, leaves: list[bytes]) -> None:
        if self._engine is None:
            raise RuntimeError("open the log first")
        async with self._engine.begin() as connection:
            await insert_leaves(connection, leaves)

    async def _step(self) -> int:
        if self._sequencer is None:
            raise RuntimeError("open the log first")
        return await self._sequencer.step()

    def _leaves(self, count: int) -> list[bytes]:
        """Entries of the commonest type, each unlike every other by its root."""
        now = self._clock.now()
        model = entry.journal_closed(
            now,
            REGION,
            epoch_of(now),
            JournalId(1),
            parts=2000,
            root=bytes(32),
            certificate_digest=bytes(32),
            recovered=False,
        )
        before, after = model.split(b"0000000000000001")
        return [
            before + self._randomness.random_bytes(8).hex().encode() + after for _ in range(count)
        ]


@contextmanager
def opened_log(folder: Path) -> Iterator[LogUnderMeasurement]:
    """A database in `folder`, and a log over it that is still to be opened."""
    places = Places(folder / "data")
    places.data.mkdir()
    database = KeptDatabase(places)
    database.start(lambda _line: None)
    try:
        yield LogUnderMeasurement(places)
    finally:
        database.stop()

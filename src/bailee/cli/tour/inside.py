"""An installation as its operator sees it from inside: rows, bucket names and keyring names.

The tour looks, and makes tenants; it never writes what it later counts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from bailee.custody.seal.part import FLAG_FINAL, KIND_PROMPT
from bailee.custody.segment.reader import SegmentReader
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.engine import open_engine
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.system import SystemClock, ThreadOffload
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import EpochKeyName, Purpose, RecordId, Region
from bailee.kernel.instants import Epoch, Instant, epoch_due
from bailee.ports.keeper import Keeper
from bailee.ports.ledger import EpochRow, EpochState, JournalState, Ledger
from bailee.ports.objects import Objects
from bailee.schema.roles import CLERK
from bailee.settings import Settings
from bailee.wiring.database import database_url
from bailee.wiring.places import Places
from bailee.wiring.secrets import read_secret, token_name
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import Trust, read_trust

PURPOSE = Purpose.ABUSE_MONITORING
LIVING = frozenset({EpochState.OPEN, EpochState.FENCED, EpochState.INTENDED})
DEAD = frozenset({EpochState.DESTROYED, EpochState.REMOVED, EpochState.RECEIPTED})


class StoredRecord(NamedTuple):
    """A record as it was found in segments."""

    record: RecordId
    arrived: Instant
    """When its prompt was sealed."""
    complete: bool
    """Its parts are there from the first to the final one."""


class Inside:
    """See the module. Everything raises Unavailable while what it asks is being restarted."""

    def __init__(
        self,
        places: Places,
        region: Region,
        trust: Trust,
        ledger: Ledger,
        objects: Objects,
        keeper: Keeper,
    ) -> None:
        self._places = places
        self.region = region
        self.trust = trust
        self.keeper = keeper
        self._ledger = ledger
        self._objects = objects
        self._offload = ThreadOffload(2)

    async def living_epochs(self) -> int:
        """How many epochs the ledger calls alive."""
        async with self._ledger.transaction() as transaction:
            return len(await transaction.epochs(LIVING))

    async def dead_epochs(self) -> list[EpochRow]:
        """Epochs whose secrets are destroyed."""
        async with self._ledger.transaction() as transaction:
            return await transaction.epochs(DEAD)

    async def all_due_are_dead(self, now: Instant) -> bool:
        """Whether nothing that is due at `now` is alive by the ledger or the keyring."""
        async with self._ledger.transaction() as transaction:
            rows = await transaction.epochs(LIVING)
        names = [row.name for row in rows]
        names += [EpochKeyName(*name) for name in (await self.keeper.status()).live_epochs]
        return all(epoch_due(name.epoch) > now for name in names)

    async def all_dead_are_receipted(self) -> bool:
        """Whether each destruction has come to its end."""
        unfinished = DEAD - {EpochState.RECEIPTED}
        async with self._ledger.transaction() as transaction:
            return not await transaction.epochs(unfinished)

    async def census_taken(self, half_hour: Epoch) -> bool:
        """Whether the clerk has taken the census of a half hour."""
        async with self._ledger.transaction() as transaction:
            return await transaction.receipt(f"census/{half_hour}") is not None

    async def all_packed(self) -> bool:
        """Whether every journal has gone into a segment."""
        async with self._ledger.transaction() as transaction:
            for state in (JournalState.OPEN, JournalState.CLOSED):
                if await transaction.journals_in(state, self.trust.node):
                    return False
        return True

    async def held_bytes(self) -> int:
        """How many bytes the files of journals and segments have."""
        return await self._offload.run(self._held_bytes)

    def _held_bytes(self) -> int:
        size = 0
        for folder in (self._places.data / "journals", self._places.objects / "segments"):
            for path in folder.rglob("*"):
                with suppress(FileNotFoundError):
                    size += path.stat().st_size if path.is_file() else 0
        return size

    async def records_in(self, epoch: Epoch) -> list[StoredRecord]:
        """Every record that segments hold of an epoch, from their clear columns alone."""
        async with self._ledger.transaction() as transaction:
            segments = await transaction.segments(self.region, epoch, PURPOSE)
        parts: dict[bytes, list[tuple[int, int, int, Instant]]] = {}
        for segment in segments:
            reader = await SegmentReader.open(self._objects, self._offload, segment)
            table = await reader.clear_columns()
            columns = table.select(["record", "part", "kind", "flags"])
            sealed = table["sealed_at"].cast("int64").to_pylist()
            for row, sealed_at in zip(columns.to_pylist(), sealed, strict=True):
                if row["record"] is not None:
                    found = parts.setdefault(row["record"], [])
                    found.append((row["part"], row["kind"], row["flags"], Instant(sealed_at)))
        return [_stored(RecordId.unpack(packed), sorted(found)) for packed, found in parts.items()]

    async def bucket_names(self) -> list[str]:
        """Every segment's key."""
        return await self._objects.list("segments")

    async def keyring_names(self) -> list[EpochKeyName]:
        """Every epoch whose secret the keeper holds."""
        return [EpochKeyName(*name) for name in (await self.keeper.status()).live_epochs]


def _stored(record: RecordId, parts: list[tuple[int, int, int, Instant]]) -> StoredRecord:
    numbers = [number for number, *_ in parts]
    whole = numbers == list(range(len(numbers))) and parts[0][1] == KIND_PROMPT
    return StoredRecord(record, parts[0][3], whole and bool(parts[-1][2] & FLAG_FINAL))


@asynccontextmanager
async def open_inside(settings: Settings) -> AsyncIterator[Inside]:
    """Look into an installation that runs on this machine."""
    places = Places(settings.data_folder.absolute())
    trust = read_trust(places)
    if trust.keeper_key is None:
        raise Unavailable("the keeper has not started yet")
    token = read_secret(places.secrets, token_name("administrator"), {})
    keeper = KeeperClient(places.keeper_socket, "administrator", token, SystemClock())
    engine = open_engine(database_url(settings, places, CLERK), CLERK)
    region = Region(settings.region)
    try:
        ledger, objects = PostgresLedger(engine), objects_of(settings, places)
        yield Inside(places, region, trust, ledger, objects, keeper)
    finally:
        await keeper.close()
        await engine.dispose()

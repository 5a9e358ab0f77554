"""Tables in memory, with transactions one at a time, and the leases and outbox kept in them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field

from bailee.drivers.memory.faults import Faults
from bailee.kernel.errors import Conflict, Unavailable
from bailee.kernel.ids import EpochKeyName, JournalId
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.ledger import EpochRow, JournalRow, ReceiptRow, SegmentRow
from bailee.ports.outbox import PendingEntry

SEQUENCER = "sequencer"


@dataclass(slots=True)
class Lease:
    """Who holds a lease, until when, and with which token."""

    holder: str
    token: int
    until: Instant


@dataclass(slots=True)
class Tables:
    """Everything that is kept. Copied at the start of each transaction; rows are immutable."""

    epochs: dict[EpochKeyName, EpochRow] = field(default_factory=dict)
    journals: dict[JournalId, JournalRow] = field(default_factory=dict)
    segments: dict[str, SegmentRow] = field(default_factory=dict)
    receipts: dict[str, ReceiptRow] = field(default_factory=dict)
    entries: dict[int, bytes] = field(default_factory=dict)
    pending: dict[int, bytes] = field(default_factory=dict)
    indexes: dict[int, int] = field(default_factory=dict)
    positions: dict[bytes, int] = field(default_factory=dict)
    last_position: int = 0

    def copied(self) -> "Tables":
        """A copy that can be changed without touching this one."""
        return Tables(
            *(copy(getattr(self, name)) for name in self.__slots__),
        )


class Database:
    """What survives processes. `available = False` is a database that is away."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.leases: dict[str, Lease] = {}
        self.available = True
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def changing(
        self, faults: Faults, fence: tuple[str, int] | None
    ) -> AsyncIterator[Tables]:
        """A copy of the tables that takes their place on leaving without an exception."""
        self.check_available()
        async with self._lock:
            with faults.call("database.begin"):
                changed = self.tables.copied()
            yield changed
            self.check_available()
            with faults.call("database.commit"):
                if fence is not None:
                    self.check_fence(*fence)
                self.tables = changed

    def check_available(self) -> None:
        """Raise Unavailable while the database is away."""
        if not self.available:
            raise Unavailable("the database is away; retry with a growing pause")

    def check_fence(self, name: str, token: int) -> None:
        """Raise Conflict when the lease has a newer token."""
        lease = self.leases.get(name)
        if lease is None or lease.token != token:
            raise Conflict("the lease went to another holder; stop")


class MemoryLeases:
    """`ports.leases.Leases` on a `Database`."""

    def __init__(self, database: Database, clock: Clock, faults: Faults | None = None) -> None:
        self._database = database
        self._clock = clock
        self._faults = Faults() if faults is None else faults

    async def acquire(self, name: str, holder: str, duration_ms: int) -> int | None:
        """Take or prolong."""
        with self._faults.call("leases.acquire"):
            self._database.check_available()
            now = self._clock.now()
            held = self._database.leases.get(name)
            until = Instant(now + duration_ms)
            if held is None:
                self._database.leases[name] = Lease(holder, 1, until)
                return 1
            if held.holder != holder and now < held.until:
                return None
            token = held.token if held.holder == holder else held.token + 1
            self._database.leases[name] = Lease(holder, token, until)
            return token

    async def release(self, name: str, holder: str) -> None:
        """End the lease now; the token stays used."""
        with self._faults.call("leases.release"):
            self._database.check_available()
            held = self._database.leases.get(name)
            if held is not None and held.holder == holder:
                held.until = Instant(0)
                held.holder = ""

    async def release_of(self, beginning: str) -> None:
        """End the leases of some holders now; their tokens stay used."""
        with self._faults.call("leases.release_of"):
            self._database.check_available()
            for held in self._database.leases.values():
                if held.holder.startswith(beginning):
                    held.until = Instant(0)
                    held.holder = ""


class MemoryOutbox:
    """`ports.outbox.Outbox` on a `Database`."""

    def __init__(self, database: Database, faults: Faults | None = None) -> None:
        self._database = database
        self._faults = Faults() if faults is None else faults

    async def pending(self, limit: int) -> list[PendingEntry]:
        """The oldest entries that the log lacks."""
        with self._faults.call("outbox.pending"):
            self._database.check_available()
            oldest = sorted(self._database.tables.pending.items())[:limit]
            return [PendingEntry(position, leaf) for position, leaf in oldest]

    async def mark_sequenced(self, positions: list[int], first_index: int, fence: int) -> None:
        """Record where entries are in the log."""
        async with self._database.changing(self._faults, (SEQUENCER, fence)) as tables:
            for index, position in enumerate(positions, first_index):
                if tables.indexes.setdefault(position, index) != index:
                    raise Conflict("an entry is in the log at another index; read it again")
                tables.pending.pop(position, None)

    async def index_of(self, leaf_hash: bytes) -> int | None:
        """Where an entry is."""
        with self._faults.call("outbox.index_of"):
            self._database.check_available()
            tables = self._database.tables
            position = tables.positions.get(leaf_hash)
            return None if position is None else tables.indexes.get(position)


def entry_hash(leaf: bytes) -> bytes:
    """The RFC 6962 leaf hash of a log entry."""
    return hashlib.sha256(b"\x00" + leaf).digest()

"""A batch's results, kept stretch by stretch until they are made into files.

Promises: a result that `kept` says is there survives any crash; each line has one result in the
end, whatever two holders did who both believed that the batch was theirs. A stretch is a thing of
its own, sealed under a key whose name follows from its number, so that no number is used twice.
How many lines a stretch has follows from how many numbers are left: small batches keep each line
within a second, large ones lose a hundred at most to a crash, and these are answered again.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from bailee.application_state import repository
from bailee.application_state.batches import SLOTS, Counts, slot_name
from bailee.application_state.keeping import Keeping, KeptFor, New
from bailee.application_state.model import HeldObject, Kind
from bailee.kernel.errors import Conflict
from bailee.kernel.ids import ObjectId
from bailee.kernel.instants import Instant
from bailee.serving.batching.answering import LineResult

FULL_BYTES: Final = 8 * 1024 * 1024
"""What waits to be kept at most, but for what one line adds."""
_RESERVE: Final = 100
"""Numbers that are left for restarts."""


class ExhaustedError(Exception):
    """There is no number left: the batch was begun too often, or its results are gigabytes."""


class _Stretch(msgspec.Struct, frozen=True):
    """What is sealed beside a stretch: which lines it has, in order, the good ones first."""

    lines: list[int]
    good: int


@dataclass(slots=True)
class Results:
    """The results of one batch."""

    keeping: Keeping
    whose: KeptFor
    batch: ObjectId
    seed: bytes
    until: Instant
    """When the stretches end by themselves, should nobody come to end them."""
    done: set[int] = field(default_factory=set)
    """Lines whose results are kept."""
    _good: int = 0
    _next: int = 0
    _waiting: list[LineResult] = field(default_factory=list)
    _waiting_bytes: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """Learn what is kept."""
        done: set[int] = set()
        good = 0
        stretches = await self._stretches()
        for _, stretch in stretches:
            for place, line in enumerate(stretch.lines):
                good += line not in done and place < stretch.good
                done.add(line)
        self.done, self._good = done, good
        self._next = max(self._next, len(stretches))

    def counts(self, total: int) -> Counts:
        """What has become of the lines, as far as it is kept."""
        return Counts(total, self._good, len(self.done) - self._good)

    def add(self, result: LineResult) -> None:
        """Take a result; the next `keep` keeps it."""
        self._waiting.append(result)
        self._waiting_bytes += len(result.written)

    @property
    def full(self) -> bool:
        """Whether what waits must be kept before more is taken."""
        return self._waiting_bytes >= FULL_BYTES

    def due(self, total: int) -> bool:
        """Whether what waits should be kept now."""
        numbers = SLOTS - _RESERVE - self._next
        if not self._waiting or numbers <= 0:
            return False
        left = total - len(self.done)
        return len(self._waiting) * numbers >= left

    async def keep(self) -> bool:
        """Keep what waits; False if nothing did. Raises as `Keeping.keep`, and ExhaustedError."""
        async with self._lock:
            kept = False
            while self._waiting:
                some, self._waiting, self._waiting_bytes = self._waiting, [], 0
                try:
                    await self._keep(
                        [result for result in some if result.position not in self.done]
                    )
                except BaseException:
                    self._waiting = some + self._waiting
                    self._waiting_bytes = sum(len(result.written) for result in self._waiting)
                    raise
                kept = True
            return kept

    async def files(self) -> tuple[AsyncIterator[bytes], AsyncIterator[bytes]]:
        """The content of output and error file. Each line stands in one of them, once."""
        await self.load()
        stretches = await self._stretches()
        return self._told(stretches, good=True), self._told(stretches, good=False)

    async def drop(self) -> None:
        """Nobody finds the stretches from now on; the clerk destroys them."""
        names = [held.object for held, _ in await self._stretches()]
        if names:
            async with self.keeping.database.transaction(self.whose.owner.tenant) as transaction:
                await repository.mark_deleting(transaction, names)

    async def _keep(self, results: list[LineResult]) -> None:
        ordered = sorted(results, key=lambda result: not result.good)
        while ordered and self._next < SLOTS:
            good = sum(result.good for result in ordered)
            stretch = _Stretch([result.position for result in ordered], good)
            new = New(
                Kind.ITEMS,
                msgspec.json.encode(stretch),
                expires_at=self.until,
                parent=self.batch,
                object=slot_name(self.seed, self._next),
            )
            self._next += 1
            try:
                await self.keeping.keep(self.whose, new, _content(ordered))
            except Conflict:
                # The number is taken: by a holder before us, who may have kept these very lines.
                await self.load()
                ordered = [result for result in ordered if result.position not in self.done]
                continue
            self.done.update(stretch.lines)
            self._good += good
            return
        if ordered:
            raise ExhaustedError

    async def _stretches(self) -> list[tuple[HeldObject, _Stretch]]:
        page = await self.keeping.page(
            self.whose, Kind.ITEMS, parent=self.batch, limit=SLOTS, descending=False
        )
        opened = await self.keeping.opened(self.whose, page.objects)
        return [(one.held, msgspec.json.decode(one.details, type=_Stretch)) for one in opened]

    async def _told(
        self, stretches: list[tuple[HeldObject, _Stretch]], *, good: bool
    ) -> AsyncIterator[bytes]:
        told: set[int] = set()
        for held, stretch in stretches:
            parts = [part async for part in self.keeping.content(self.whose, held)]
            wanted = bytearray()
            for place, written in enumerate(b"".join(parts).split(b"\n")[:-1]):
                line = stretch.lines[place]
                if line not in told and (place < stretch.good) == good:
                    wanted += written + b"\n"
                told.add(line)
            yield bytes(wanted)


async def _content(results: list[LineResult]) -> AsyncIterator[bytes]:
    for result in results:
        yield result.written + b"\n"

"""From closed journals to segments, and the journals' files away.

Promises: at every instant a record's parts are in its journal's file or in a durable segment that
was read back and compared, and the ledger says where. Every step can be repeated: the object's key
and bytes follow from the journals, and files that outlived their packing are removed later.
"""

import hashlib
from functools import partial
from itertools import groupby
from typing import Final

from bailee.custody.journal.places import FOLDER, journal_path, parse_path
from bailee.custody.segment.build import build_segment
from bailee.custody.segment.layout import segment_key
from bailee.kernel.errors import BaileeError, Conflict, Unavailable
from bailee.kernel.ids import EpochKeyName, Purpose
from bailee.kernel.instants import MINUTE_MS, epoch_due, epoch_end
from bailee.ports.clock import Clock
from bailee.ports.files import Files
from bailee.ports.ledger import EpochState, JournalRow, JournalState, Ledger, SegmentRow
from bailee.ports.objects import Objects
from bailee.ports.offload import Offload
from bailee.transparency import entry

SEGMENT_BYTES: Final = 128 * 1024 * 1024
WAIT_AFTER_EPOCH_MS: Final = 2 * MINUTE_MS
"""Long enough for an epoch's last journals to be closed (60 s) and told to the ledger."""
_GONE: Final = frozenset({EpochState.REMOVED, EpochState.RECEIPTED})


class Packer:
    """Packs the closed journals of one machine."""

    def __init__(
        self,
        files: Files,
        offload: Offload,
        objects: Objects,
        ledger: Ledger,
        clock: Clock,
        *,
        node: str,
        purpose: Purpose = Purpose.ABUSE_MONITORING,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._files = files
        self._offload = offload
        self._objects = objects
        self._ledger = ledger
        self._clock = clock
        self._node = node
        self._purpose = purpose
        self._segment_bytes = segment_bytes

    async def run(self) -> list[SegmentRow]:
        """Pack what is due: whole epochs that are over, and full segments of the present one.

        Goes on past a journal that cannot be packed, and raises its error at the end.
        """
        await self._forget_late()
        async with self._ledger.transaction() as transaction:
            closed = await transaction.journals_in(JournalState.CLOSED, self._node)
        made: list[SegmentRow] = []
        failure: BaileeError | None = None
        closed.sort(key=lambda row: (row.epoch, row.region, row.opened_at, row.journal))
        for _, rows in groupby(closed, key=lambda row: (row.epoch, row.region)):
            for group in self._due(list(rows)):
                try:
                    made.append(await self.pack(group))
                except BaileeError as error:
                    failure = error
        await self.remove_packed()
        if failure is not None:
            raise failure
        return made

    async def pack(self, rows: list[JournalRow]) -> SegmentRow:
        """Pack closed journals of one region and epoch into one segment.

        Raises TamperedContent (a journal is not what its row says), Unavailable, and Conflict
        when the journals are no longer closed, in which case nothing is left behind.
        """
        region, epoch = rows[0].region, rows[0].epoch
        built = await self._offload.run(partial(build_segment, self._files, rows, self._purpose))
        digest = hashlib.sha256(built.data).digest()
        key = segment_key(region, self._purpose, epoch, (row.journal for row in rows))
        await self._objects.put(key, built.data)
        # Crash here: an object that no row names. The next run makes the same object again, or,
        # if more journals have closed meanwhile, one beside it; the epoch's folder goes as a whole.
        await self._compare(key, len(built.data), digest)
        now = self._clock.now()
        segment = SegmentRow(
            key, region, epoch, self._purpose, built.rows, len(built.data), digest, now
        )
        leaf = entry.segment_closed(
            now,
            region,
            self._purpose,
            epoch,
            digest=digest,
            rows=built.rows,
            size_bytes=len(built.data),
            journals=len(rows),
        )
        try:
            async with self._ledger.transaction() as transaction:
                await transaction.add_segment(segment)
                for row in rows:
                    packed = row._replace(state=JournalState.PACKED, segment=key)
                    await transaction.move_journal(packed, JournalState.CLOSED)
                await transaction.append_entry(leaf)
        except Conflict:
            await self._forget_unless_known(segment)
            raise
        # Crash here: files of packed journals, which `remove_packed` removes.
        for row in rows:
            await self._remove(journal_path(region, epoch, row.journal))
        return segment

    async def _forget_late(self) -> None:
        """Remove what a worker that slept wrote for an epoch after its death.

        It opens nowhere. Packed, it would outlive the removal of its epoch; kept, its row, whose
        file went with the epoch, would be missed for ever. A worker that is still awake then may
        tell the ledger of the same journal again, and the next run forgets it again.
        """
        now = self._clock.now()
        async with self._ledger.transaction() as transaction:
            rows = await transaction.journals_in(JournalState.CLOSED, self._node)
            rows += await transaction.journals_in(JournalState.OPEN, self._node)
            late = [row for row in rows if epoch_due(row.epoch) <= now]
            gone = set()
            for region, epoch in {(row.region, row.epoch) for row in late}:
                known = await transaction.epoch(EpochKeyName(region, self._purpose, epoch))
                if known is not None and known.state in _GONE:
                    gone.add((region, epoch))
        for row in late:
            if (row.region, row.epoch) in gone:
                await self._remove(journal_path(row.region, row.epoch, row.journal))
        # Crash here: rows without files, which come here again.
        for region, epoch in sorted(gone):
            async with self._ledger.transaction() as transaction:
                await transaction.forget_epoch_content(region, epoch, self._purpose)

    async def remove_packed(self) -> None:
        """Remove files of journals that a segment holds, left by a crash."""
        for path in await self._offload.run(partial(self._files.list, FOLDER)):
            place = parse_path(path)
            if place is None:
                continue
            async with self._ledger.transaction() as transaction:
                row = await transaction.journal(place.journal)
            if row is not None and row.state is JournalState.PACKED:
                await self._remove(path)

    def _due(self, rows: list[JournalRow]) -> list[list[JournalRow]]:
        groups: list[list[JournalRow]] = [[]]
        size = 0
        for row in rows:
            groups[-1].append(row)
            size += row.size_bytes
            if size >= self._segment_bytes:
                groups.append([])
                size = 0
        rest = groups.pop()
        if rest and self._clock.now() >= epoch_end(rest[0].epoch) + WAIT_AFTER_EPOCH_MS:
            groups.append(rest)
        return groups

    async def _compare(self, key: str, size_bytes: int, digest: bytes) -> None:
        """Read the object back, a stretch at a time, before anything relies on it."""
        hashed = hashlib.sha256()
        step = 8 * 1024 * 1024
        for offset in range(0, size_bytes, step):
            wanted = min(step, size_bytes - offset)
            hashed.update(await self._objects.get_range(key, offset, wanted))
        if hashed.digest() != digest:
            raise Unavailable("the object store gave back other bytes than it was given; retry")

    async def _forget_unless_known(self, segment: SegmentRow) -> None:
        """Another packer made it, or the epoch was destroyed meanwhile: leave no stray object."""
        async with self._ledger.transaction() as transaction:
            known = await transaction.segments(segment.region, segment.epoch, segment.purpose)
        if all(row.key != segment.key for row in known):
            await self._objects.delete(segment.key)

    async def _remove(self, path: str) -> None:
        def remove() -> None:
            try:
                self._files.remove(path)
            except FileNotFoundError:
                return
            self._files.sync_folder(path.rpartition("/")[0])

        await self._offload.run(remove)

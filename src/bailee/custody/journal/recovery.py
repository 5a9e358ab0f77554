"""What becomes of a journal whose worker died. Source: docs/formats/journal.md, Recovery.

The lock decides: a worker holds its journal's lock until the ledger knows the journal as closed,
so a journal whose lock is free is either settled or an orphan. An orphan is copied up to its last
good root into a new file, which is synced before it takes the old one's name. Copied, because
after a failed sync the old file's pages may differ from the disk and no later sync would tell.
Every step can be repeated; recovery is also what finishes an interrupted recovery.
"""

from contextlib import suppress
from functools import partial
from typing import Final

from bailee.custody.journal import frames
from bailee.custody.journal.closing import closed_row, opened_row, record_closing
from bailee.custody.journal.frames import encode_frame
from bailee.custody.journal.places import (
    FOLDER,
    JournalPlace,
    parse_path,
    recovering_path,
)
from bailee.custody.journal.reader import JournalScan, scan
from bailee.custody.keeper.signatures import verify_certificate
from bailee.custody.seal.part import HEADER_BYTES, PartHeader
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.files import Files
from bailee.ports.ledger import JournalRow, JournalState, Ledger
from bailee.ports.offload import Offload

_CHUNK_BYTES: Final = 1024 * 1024


class Recovery:
    """Settles the orphaned journals of one machine.

    Args:
        identity: the keeper's pinned public key; journals of workers that it did not certify are
            not taken over.
    """

    def __init__(
        self,
        files: Files,
        offload: Offload,
        ledger: Ledger,
        clock: Clock,
        *,
        node: str,
        identity: bytes,
    ) -> None:
        self._files = files
        self._offload = offload
        self._ledger = ledger
        self._clock = clock
        self._node = node
        self._identity = identity

    async def run(self) -> list[JournalPlace]:
        """Settle every orphan that can be; gives those that were closed now.

        Raises Unavailable (ledger), OSError (disk), TamperedContent (an uncertified worker).
        """
        settled = []
        for path in await self._offload.run(partial(self._files.list, FOLDER)):
            place = parse_path(path)
            if place is not None and await self.recover(path):
                settled.append(place)
        return settled

    async def recover(self, path: str) -> bool:
        """Settle one journal. True if it was an orphan and is closed now."""
        place = parse_path(path)
        if place is None:
            return False
        try:
            held = await self._offload.run(partial(self._files.append_to, path, create=False))
        except (BlockingIOError, FileNotFoundError):
            return False
        try:
            async with self._ledger.transaction() as transaction:
                row = await transaction.journal(place.journal)
            if row is not None and row.state is not JournalState.OPEN:
                return False
            return await self._settle(path, row)
        finally:
            held.close()

    async def _settle(self, path: str, row: JournalRow | None) -> bool:
        found = await self._offload.run(partial(scan, self._files, path))
        if found is None or found.signed is None or found.signed.parts == 0:
            await self._forget(path, row)
            return False
        verify_certificate(self._identity, found.header.certificate)
        whole = found.closed and found.flaw is None
        size, first = await self._offload.run(partial(self._rewrite, path, found))
        opened = row or opened_row(found.header, self._node, first)
        # Now that the new file has the name, the ledger may call the journal closed.
        closed, leaf = closed_row(
            opened, found.signed, self._clock.now(), size, recovered=not whole
        )
        await record_closing(self._ledger, opened, closed, leaf)
        return True

    def _rewrite(self, path: str, found: JournalScan) -> tuple[int, Instant]:
        """Replace the file by what stands under its last good root, closed."""
        files, new = self._files, recovering_path(path)
        with suppress(FileNotFoundError):
            files.remove(new)
        copy = files.append_to(new, create=True)
        try:
            for offset in range(0, found.end, _CHUNK_BYTES):
                copy.append(files.read(path, offset, min(_CHUNK_BYTES, found.end - offset)))
            copy.append(encode_frame(frames.CLOSE, b""))
            copy.sync()
            # A crash up to here leaves the orphan as it was, and a copy that is made again.
            files.rename(new, path)
            files.sync_folder(path.rpartition("/")[0])
            size = copy.size_bytes
        finally:
            copy.close()
        header = files.read(path, found.parts[0].offset, HEADER_BYTES)
        return size, PartHeader.decode(header).sealed_at

    async def _forget(self, path: str, row: JournalRow | None) -> None:
        """Remove a journal of which nothing was ever acknowledged: it has no good root."""
        if row is not None:
            async with self._ledger.transaction() as transaction:
                await transaction.move_journal(
                    row._replace(state=JournalState.PACKED, closed_at=Instant(row.opened_at)),
                    JournalState.OPEN,
                )

        def remove() -> None:
            self._files.remove(path)
            self._files.sync_folder(path.rpartition("/")[0])

        await self._offload.run(remove)

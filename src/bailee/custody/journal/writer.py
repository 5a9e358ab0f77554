"""Writing one journal: a commit loop that paces itself. Format: docs/formats/journal.md.

Promises: `durable` returns only when the parts it was asked for are on disk under a signed root;
whatever has gathered while one commit runs goes into the next, at once. After a failed write or
sync the journal is abandoned: every waiter gets Unavailable and nothing is written to it again.
Adding never waits and never touches the disk; the caller watches `waiting_bytes`. Commits run
through `ports.offload`. Deliberately knows nothing of sessions, records or the ledger.
"""

import asyncio
from functools import partial

from bailee.custody.journal import frames
from bailee.custody.journal.frames import (
    JournalHeader,
    SignedRoot,
    encode_frame,
    frame_pieces,
)
from bailee.custody.journal.places import journal_path
from bailee.custody.journal.root import BootKey
from bailee.kernel.errors import Unavailable
from bailee.ports.files import AppendFile, Files
from bailee.ports.offload import Offload
from bailee.transparency.tree import CompactRange


class _Commit(asyncio.Future[None]):
    """What all waiters of one commit await. One that is cancelled must not cancel the others':
    its cancellation is delivered when the commit ends, some milliseconds later."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - the signature is asyncio's
        return False


class JournalWriter:
    """One open journal. Its file is made, and locked, by the first commit."""

    def __init__(
        self, files: Files, offload: Offload, boot_key: BootKey, header: JournalHeader
    ) -> None:
        self.header = header
        self.path = journal_path(header.region, header.epoch, header.journal)
        self.parts = 0
        """How many parts were added; the position of the next."""
        self.size_bytes = 0
        """How long the file will be when everything is written."""
        self.waiting_bytes = 0
        """How much was added and is not on disk."""
        self.durable_parts = 0
        self.signed: SignedRoot | None = None
        """The last root on disk."""
        self.failure: BaseException | None = None
        """Why the journal was abandoned, if it was."""
        self._files = files
        self._offload = offload
        self._boot_key = boot_key
        self._tree = CompactRange()
        self._leaves: list[bytes] = []
        self._gathered: list[bytes] = []
        self._file: AppendFile | None = None
        self._commit: _Commit | None = None
        self._running: _Commit | None = None
        self._running_parts = 0
        self._pump: asyncio.Task[None] | None = None
        self._closing = False
        self.closed = False
        """Whether the close frame is on disk."""
        self.add(frames.HEADER, header.encode())

    def add(self, kind: int, content: bytes) -> None:
        """Queue a frame that is not a part: a session or a scope."""
        self._gather(frame_pieces(kind, content))

    def add_part(self, pieces: tuple[bytes, ...], leaf: bytes) -> None:
        """Queue a sealed part, whose position is the present value of `parts`."""
        self._gather(frame_pieces(frames.PART, *pieces))
        self._leaves.append(leaf)
        self.parts += 1

    async def durable(self, parts: int) -> None:
        """Wait until the first `parts` parts are on disk. Raises Unavailable if they fail to."""
        while self.durable_parts < parts:
            if self.failure is not None:
                raise _unavailable(self.failure)
            if self._running is not None and parts <= self._running_parts:
                await self._running
            else:
                await self._next_commit()

    async def close(self) -> SignedRoot:
        """Write everything and a close frame; the file stays locked until `release`.

        Nothing may be added from the call on. Raises Unavailable if the journal is abandoned.
        """
        self._closing = True
        while self.failure is None:
            if self.closed and self.signed is not None:
                return self.signed
            await self._next_commit()
        raise _unavailable(self.failure)

    def release(self) -> None:
        """Give up the file and its lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _gather(self, frame: tuple[bytes, bytes]) -> None:
        self._gathered += frame
        size = frames.PREFIX_BYTES + len(frame[1])
        self.size_bytes += size
        self.waiting_bytes += size

    def _next_commit(self) -> _Commit:
        if self._commit is None:
            self._commit = _Commit()
            if self._pump is None:
                self._pump = asyncio.create_task(self._write_on())
        return self._commit

    async def _write_on(self) -> None:
        """Commit for as long as somebody waits. Begun at the loop's next turn, so that whoever is
        ready in this one shares the first commit."""
        try:
            while self._commit is not None:
                self._running, self._commit = self._commit, None
                try:
                    await self._write_gathered()
                except OSError as error:
                    self.failure = error
                except BaseException as error:
                    self.failure = error
                    self._finish(self._running, error)
                    raise
                self._finish(self._running, None)
                if self.failure is not None:
                    break
        finally:
            self._pump = self._running = None
            if self._commit is not None:
                self._finish(self._commit, None)
                self._commit = None

    async def _write_gathered(self) -> None:
        chunks, self._gathered = self._gathered, []
        leaves, self._leaves = self._leaves, []
        waiting = self.waiting_bytes
        self._tree.extend(leaves)
        signed = self._boot_key.sign(self.header, self._tree.size, self._tree.root())
        ending = encode_frame(frames.ROOT, signed.encode())
        closing = self._closing
        if closing:
            ending += encode_frame(frames.CLOSE, b"")
        self.size_bytes += len(ending)
        chunks.append(ending)
        self._running_parts = signed.parts
        await self._offload.run(partial(self._write, b"".join(chunks)))
        self.durable_parts = signed.parts
        self.signed = signed
        self.closed = closing
        self.waiting_bytes -= waiting

    def _write(self, data: bytes) -> None:
        """In a thread. A crash before the sync returns loses only what nobody was told is kept;
        a new file's name is durable before the first waiter of its first commit learns of it."""
        if self._file is not None:
            self._file.append(data)
            self._file.sync()
            return
        self._file = self._files.append_to(self.path, create=True)
        self._file.append(data)
        self._file.sync()
        self._files.sync_folder(self.path.rpartition("/")[0])

    @staticmethod
    def _finish(commit: _Commit, error: BaseException | None) -> None:
        if error is None or isinstance(error, asyncio.CancelledError):
            commit.set_result(None)  # waiters look at `failure`
        else:
            commit.set_exception(error)
            commit.exception()  # somebody may be waiting, and need not be


def _unavailable(failure: BaseException) -> Unavailable:
    reason = failure.strerror if isinstance(failure, OSError) else type(failure).__name__
    return Unavailable(
        f"the journal could not be written ({reason}); free space or repair the disk, then retry"
    )

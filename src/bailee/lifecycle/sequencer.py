"""The one writer of the transparency log: from the outbox into tiles under a signed checkpoint.

Promises: every entry of the outbox enters the log exactly once; a checkpoint follows an entry
within a second (`run`); after a crash anywhere, and whoever else still believes to be the writer,
the old or the new checkpoint is valid and every file under it is there. The arrows of one batch:

    intent → tiles and bundles → checkpoint → marked → superseded partial tiles removed

The **intent** (`sequencer/intent`, replaced only if it matches) names the outbox positions of the
batch in their order. It fixes every byte that follows, since tiles, checkpoint and signature are
functions of the entries: whoever carries it out, twice or side by side, writes the same. Nobody
writes a tile before an intent, nor an intent before the one before it is carried out and marked.
Hence a stale writer either repeats what is right or loses at the intent, and stops.

Deliberately decides nothing about what is logged, and is not told what an entry says.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import structlog

from bailee.kernel.errors import Conflict, NotFound, TamperedContent, Unavailable
from bailee.lifecycle.log_reader import CHECKPOINT_KEY, LOG_PREFIX
from bailee.ports.clock import Clock
from bailee.ports.leases import Leases
from bailee.ports.objects import Objects, StoredObject
from bailee.ports.outbox import Outbox, PendingEntry
from bailee.transparency.checkpoint import open_checkpoint, sign_checkpoint
from bailee.transparency.note import Signer
from bailee.transparency.tiles import (
    Edge,
    Growth,
    TileFile,
    edge_files,
    grow,
    superseded_folders,
)
from bailee.transparency.tree import EMPTY_ROOT

log = structlog.get_logger()

LEASE: Final = "sequencer"
LEASE_DURATION_MS: Final = 10_000
INTENT_KEY: Final = "sequencer/intent"
BATCH_ENTRIES: Final = 16_384
INTERVAL_S: Final = 0.4
"""How long `run` lets entries gather: with a batch's own time, well below the promised second."""
_PARALLEL_WRITES: Final = 16


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch that was decided on. Stored as JSON."""

    first_index: int
    """The log's size before the batch."""
    root: bytes
    """The log's root after it."""
    ranges: list[tuple[int, int]]
    """Outbox positions in rising order, as ranges with both ends included."""
    version: int = 1

    @property
    def positions(self) -> list[int]:
        """The outbox positions of the batch, in the order of the log."""
        return [at for first, last in self.ranges for at in range(first, last + 1)]


class _State:
    """What the writer knows of the log between two steps."""

    def __init__(self, edge: Edge, checkpoint_tag: str, intent_tag: str | None) -> None:
        self.edge = edge
        self.checkpoint_tag = checkpoint_tag
        self.intent_tag = intent_tag


class Sequencer:
    """Writes the log while it holds the lease `sequencer`. `holder` is unique to this process."""

    def __init__(
        self,
        outbox: Outbox,
        leases: Leases,
        objects: Objects,
        clock: Clock,
        signer: Signer,
        *,
        holder: str,
        batch_entries: int = BATCH_ENTRIES,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._outbox = outbox
        self._leases = leases
        self._objects = objects
        self._clock = clock
        self._signer = signer
        self._holder = holder
        self._batch_entries = batch_entries
        self._interval_s = interval_s
        self._state: _State | None = None
        self._token: int | None = None

    async def run(self) -> None:
        """Sequence until cancelled.

        Raises TamperedContent when what is stored contradicts the checkpoint: a person must look.
        """
        try:
            while True:
                try:
                    count = await self.step()
                except (Conflict, Unavailable) as error:
                    log.warning("sequencer_step_lost", reason=str(error))
                    count = 0
                if count < self._batch_entries:
                    await self._clock.sleep_s(self._interval_s)
        finally:
            await self._leases.release(LEASE, self._holder)

    async def step(self) -> int:
        """Sequence one batch; gives how many entries entered, 0 while another holds the lease.

        Raises:
            Conflict: another writer was first. The next step reads the log anew.
            Unavailable: a store is away.
            TamperedContent: what is stored contradicts the checkpoint.
        """
        token = await self._leases.acquire(LEASE, self._holder, LEASE_DURATION_MS)
        if token is None:
            self._state = None
            return 0
        # After any failure what is stored decides: nothing is concluded from a step that broke.
        state, self._state = self._state, None
        count = 0
        try:
            if state is None or token != self._token:
                state, count = await self._recover(token)
            count += await self._sequence(state, token)
        except TamperedContent:
            # Whoever reads while another writes sees things that do not fit together.
            if await self._leases.acquire(LEASE, self._holder, LEASE_DURATION_MS) != token:
                raise Conflict("the log went to another writer while it was read") from None
            raise
        self._state, self._token = state, token
        return count

    async def _sequence(self, state: _State, token: int) -> int:
        pending = await self._outbox.pending(self._batch_entries)
        if not pending:
            return 0
        pending.sort(key=lambda entry: entry.position)
        growth = grow(state.edge, [entry.leaf for entry in pending])
        ranges = _ranges(entry.position for entry in pending)
        intent = Intent(state.edge.size, growth.edge.root(), ranges)
        # Crash before: nothing happened. After: recovery carries out exactly this batch.
        encoded = msgspec.json.encode(intent)
        state.intent_tag = await self._objects.put_if_matches(INTENT_KEY, encoded, state.intent_tag)
        await self._carry_out(state, intent, growth, token)
        return len(pending)

    async def _carry_out(self, state: _State, intent: Intent, growth: Growth, token: int) -> None:
        # Crash among the tiles: files that no checkpoint covers yet; recovery writes the same.
        await self._store(growth.files)
        # Every file under the new checkpoint is durable. Crash before: the old one stands.
        note = sign_checkpoint(growth.edge.size, intent.root, self._signer)
        state.checkpoint_tag = await self._objects.put_if_matches(
            CHECKPOINT_KEY, note, state.checkpoint_tag
        )
        # Crash before: the entries are in the log and still pending; recovery marks them from the
        # intent and takes no new batch before, so that none is appended twice.
        await self._outbox.mark_sequenced(intent.positions, intent.first_index, token)
        # Crash before: partial files are left lying that nobody needs.
        for folder in superseded_folders(intent.first_index, growth.edge.size):
            for key in await self._objects.list(LOG_PREFIX + folder):
                await self._objects.delete(key)
        state.edge = growth.edge

    async def _store(self, files: Sequence[TileFile]) -> None:
        places = asyncio.Semaphore(_PARALLEL_WRITES)

        async def store(file: TileFile) -> None:
            async with places:
                await self._store_file(file)

        outcomes = await asyncio.gather(*map(store, files), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _store_file(self, file: TileFile) -> None:
        key = LOG_PREFIX + file.path
        if await self._objects.put_if_absent(key, file.data):
            return
        if (await self._objects.get(key)).data != file.data:
            raise TamperedContent(
                f"{key} holds something else than the log says; nothing was published; compare it "
                "with the checkpoint before anything else"
            )

    async def _recover(self, token: int) -> tuple[_State, int]:
        """Read the log anew and finish the last batch; gives how many entries entered by that."""
        intent_stored = await self._get(INTENT_KEY)
        checkpoint_stored = await self._get(CHECKPOINT_KEY)
        intent = None if intent_stored is None else _decode_intent(intent_stored.data)
        if checkpoint_stored is None:
            # A log begins with a checkpoint of nothing, so that whoever reads it finds one.
            if intent is not None and intent.first_index != 0:
                raise TamperedContent("the log's checkpoint is gone; restore it")
            note = sign_checkpoint(0, EMPTY_ROOT, self._signer)
            tag = await self._objects.put_if_matches(CHECKPOINT_KEY, note, None)
            checkpoint_stored = StoredObject(note, tag)
        checkpoint = open_checkpoint(checkpoint_stored.data, self._signer.verifier)
        edge = await self._load_edge(checkpoint.size)
        if edge.root() != checkpoint.root:
            raise TamperedContent("the log's tiles do not give the checkpoint's root; restore them")
        state = _State(
            edge, checkpoint_stored.tag, None if intent_stored is None else intent_stored.tag
        )
        if intent is None:
            if checkpoint.size:
                raise TamperedContent(f"{INTENT_KEY} is gone; it moves together with the log")
            return state, 0
        positions = intent.positions
        if intent.first_index + len(positions) == edge.size and intent.root == checkpoint.root:
            await self._outbox.mark_sequenced(positions, intent.first_index, token)
            return state, 0
        if intent.first_index != edge.size:
            raise TamperedContent("the last intent does not fit the checkpoint; restore both")
        growth = grow(edge, await self._leaves(positions))
        if growth.edge.root() != intent.root:
            raise TamperedContent("the outbox has other entries than the last intent; restore it")
        await self._carry_out(state, intent, growth, token)
        return state, len(positions)

    async def _leaves(self, positions: list[int]) -> list[bytes]:
        """The entries of an intent. They are pending until the intent is carried out, though ones
        with lower positions may have been committed meanwhile."""
        limit = len(positions)
        while True:
            limit *= 2
            pending: list[PendingEntry] = await self._outbox.pending(limit)
            found = {entry.position: entry.leaf for entry in pending}
            if found.keys() >= set(positions):
                return [found[position] for position in positions]
            if len(pending) < limit:
                raise TamperedContent("the outbox lacks entries of the last intent; restore it")

    async def _load_edge(self, size: int) -> Edge:
        tiles, bundle = edge_files(size)
        return Edge(
            size, tuple([await self._load(path) for path in tiles]), await self._load(bundle)
        )

    async def _load(self, path: str | None) -> bytes:
        if path is None:
            return b""
        stored = await self._get(LOG_PREFIX + path)
        if stored is None:
            raise TamperedContent(f"{LOG_PREFIX}{path} is gone; restore it from a mirror")
        return stored.data

    async def _get(self, key: str) -> StoredObject | None:
        try:
            return await self._objects.get(key)
        except NotFound:
            return None


def _decode_intent(data: bytes) -> Intent:
    try:
        return msgspec.json.decode(data, type=Intent)
    except msgspec.MsgspecError:
        raise TamperedContent(f"{INTENT_KEY} cannot be read; restore it") from None


def _ranges(positions: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for position in positions:
        if ranges and ranges[-1][1] + 1 == position:
            ranges[-1] = (ranges[-1][0], position)
        else:
            ranges.append((position, position))
    return ranges

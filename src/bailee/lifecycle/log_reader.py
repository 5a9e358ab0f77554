"""Reading the transparency log from its static files, as any outsider could.

Promises: checkpoints whose signature holds, entries, and proofs made from tiles. What it gives is
proved to the reader by the checkpoint alone: whoever must not believe this installation verifies
the proofs (`transparency.tree`). Full tiles never change and are cached.
"""

import asyncio
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput, NotFound, TamperedContent
from bailee.ports.objects import Objects
from bailee.transparency.checkpoint import Checkpoint, open_checkpoint
from bailee.transparency.note import VerifierKey
from bailee.transparency.tiles import (
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    node_in_tile,
    tile_of,
    tile_path,
    tile_width,
)
from bailee.transparency.tree import consistency_ranges, inclusion_ranges, prove, range_nodes

LOG_PREFIX: Final = "log/"
CHECKPOINT_KEY: Final = "log/checkpoint"
_CACHED_FILES: Final = 512


class PublishedCheckpoint(NamedTuple):
    """A checkpoint and the note in which it was signed, verbatim."""

    note: bytes
    checkpoint: Checkpoint


class LogReader:
    """Reads the log whose key is `log_key` from an object store."""

    def __init__(self, objects: Objects, log_key: VerifierKey) -> None:
        self._objects = objects
        self._log_key = log_key
        self._full: dict[str, bytes] = {}

    async def checkpoint(self) -> PublishedCheckpoint:
        """The latest checkpoint. Raises NotFound before the first, InvalidInput for a wrong key."""
        note = (await self._objects.get(CHECKPOINT_KEY)).data
        return PublishedCheckpoint(note, open_checkpoint(note, self._log_key))

    async def entry(self, index: int) -> bytes:
        """The entry at `index`. Raises NotFound when the latest checkpoint does not cover it."""
        size = (await self.checkpoint()).checkpoint.size
        if not 0 <= index < size:
            raise NotFound("the log has no entry at this index")
        return (await self._bundle(index // TILE_WIDTH, size))[index % TILE_WIDTH]

    async def entries(self, first: int, end: int) -> list[bytes]:
        """The entries from `first` to before `end`. Raises NotFound as `entry` does."""
        size = (await self.checkpoint()).checkpoint.size
        if not 0 <= first <= end <= size:
            raise NotFound("the log has no entry at one of these indexes")
        found: list[bytes] = []
        for number in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
            found += await self._bundle(number, size)
        skipped = first - first // TILE_WIDTH * TILE_WIDTH
        return found[skipped : skipped + end - first]

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """The path of entry `index` in the log's first `size` entries. Raises InvalidInput."""
        return await self._prove(inclusion_ranges(index, size), size)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the log of `old` entries begins the one of `new`. Raises InvalidInput.

        Empty for `old` 0, with which every log begins.
        """
        return await self._prove(consistency_ranges(old, new) if old else [], new)

    async def _prove(self, ranges: list[tuple[int, int]], size: int) -> list[bytes]:
        if not ranges:
            return []
        published = (await self.checkpoint()).checkpoint.size
        if size > published:
            raise InvalidInput("the log is not that long yet; prove from its latest checkpoint")
        nodes = {node for bounds in ranges for node in range_nodes(*bounds)}
        places = sorted({tile_of(node) for node in nodes})
        read = [self._tile(level, number, published) for level, number in places]
        tiles = dict(zip(places, await asyncio.gather(*read), strict=True))
        return prove(ranges, lambda node: node_in_tile(node, tiles[tile_of(node)]))

    async def _tile(self, level: int, number: int, size: int) -> bytes:
        width = tile_width(level, number, size)
        return await self._read(tile_path(level, number, width), tile_path(level, number))

    async def _bundle(self, number: int, size: int) -> list[bytes]:
        width = tile_width(0, number, size)
        data = await self._read(bundle_path(number, width), bundle_path(number))
        entries = decode_bundle(data)
        if len(entries) < width:
            raise TamperedContent("an entry bundle of the log is too short for its checkpoint")
        return entries

    async def _read(self, path: str, full_path: str) -> bytes:
        cached = self._full.get(full_path)
        if cached is not None:
            return cached
        try:
            data = (await self._objects.get(LOG_PREFIX + path)).data
        except NotFound:
            # Since the checkpoint was read, the full file may have taken the partial one's place.
            data, path = (await self._objects.get(LOG_PREFIX + full_path)).data, full_path
        if path == full_path:
            if len(self._full) >= _CACHED_FILES:
                del self._full[next(iter(self._full))]
            self._full[path] = data
        return data

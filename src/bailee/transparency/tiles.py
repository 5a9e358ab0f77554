"""The log as static files: tiles of hashes and bundles of entries (C2SP tlog-tiles).

Promises: paths, contents and what must be written when entries are added. Pure: an `Edge` is all
that must be remembered of a log in order to extend it (at most 255 hashes per level and one partial
bundle), and it can be had from the files named by `edge_files`. Storing them, in which order, is
`lifecycle.sequencer`'s matter.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput, TamperedContent
from bailee.transparency.tree import HASH_BYTES, CompactRange, Node, fold, perfect_root

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_ENTRY_BYTES: Final = 0xFFFF

_sha256 = hashlib.sha256


class TileFile(NamedTuple):
    """A file to be written."""

    path: str
    data: bytes


# Paths, relative to the log's prefix.


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Where tile `number` of `level` lies, as in `tile/0/x001/234.p/17`."""
    return f"tile/{level}/{_number_path(number)}{_partial(width)}"


def bundle_path(number: int, width: int = TILE_WIDTH) -> str:
    """Where entry bundle `number` lies, as in `tile/entries/x001/234.p/17`."""
    return f"tile/entries/{_number_path(number)}{_partial(width)}"


def _number_path(number: int) -> str:
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


def _partial(width: int) -> str:
    if not 0 < width <= TILE_WIDTH:
        raise InvalidInput(f"a tile is 1 to {TILE_WIDTH} wide, not {width}")
    return "" if width == TILE_WIDTH else f".p/{width}"


def tile_width(level: int, number: int, size: int) -> int:
    """How wide tile `number` of `level` is in a log of `size` entries; 0 if there is none."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - number * TILE_WIDTH))


# Contents.


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each behind its length as a 2-byte big-endian integer."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises TamperedContent when the lengths do not fit."""
    entries = []
    at = 0
    while at < len(data):
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        if begin > len(data) or at > len(data):
            raise TamperedContent("an entry bundle of the log is cut short")
        entries.append(data[begin:at])
    return entries


def split_tile(data: bytes) -> list[bytes]:
    """The hashes of a tile. Raises TamperedContent when it holds no whole number of them."""
    if len(data) % HASH_BYTES:
        raise TamperedContent("a tile of the log is cut short")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def tile_of(node: Node) -> tuple[int, int]:
    """Level and number of the tile that has the hash of a complete subtree, or makes it."""
    level, height = divmod(node.level, TILE_HEIGHT)
    return level, node.number >> (TILE_HEIGHT - height)


def node_in_tile(node: Node, tile: bytes) -> bytes:
    """The hash of a complete subtree, from its tile. Raises TamperedContent."""
    height = node.level % TILE_HEIGHT
    first = (node.number << height) % TILE_WIDTH
    hashes = tile[first * HASH_BYTES : (first + (1 << height)) * HASH_BYTES]
    if len(hashes) != HASH_BYTES << height:
        raise TamperedContent("a tile of the log is too short for its tree")
    return perfect_root(split_tile(hashes))


# Growing.


class Edge(NamedTuple):
    """The right edge of a log: what is needed in order to add entries."""

    size: int
    tiles: tuple[bytes, ...]
    """By level, the partial tile; empty where the last tile is full."""
    bundle: bytes
    """The partial bundle."""

    def root(self) -> bytes:
        """The root of the tree."""
        peaks: list[bytes] = []
        for tile in reversed(self.tiles):
            complete = CompactRange()
            complete.extend(split_tile(tile))
            peaks.extend(complete.peaks())
        return fold(peaks)


EMPTY_EDGE: Final = Edge(0, (), b"")


class Growth(NamedTuple):
    """What adding entries makes of a log."""

    edge: Edge
    files: list[TileFile]
    """Every new full file, and the new partial ones at the edge. None of them replaces another."""


def grow(edge: Edge, entries: Sequence[bytes]) -> Growth:
    """Add entries to a log. Raises InvalidInput for an entry that does not fit a bundle."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise InvalidInput(f"a log entry has at most {MAX_ENTRY_BYTES} bytes")
    files: list[TileFile] = []
    size = edge.size + len(entries)
    bundle = _grow_bundles(edge, entries, files)
    hashes = [_sha256(b"\x00" + entry).digest() for entry in entries]
    tiles: list[bytes] = []
    level = 0
    while hashes or level < len(edge.tiles):
        before = edge.tiles[level] if level < len(edge.tiles) else b""
        number = edge.size >> (TILE_HEIGHT * (level + 1))
        hashes, partial = _grow_level(level, number, before, hashes, files)
        tiles.append(partial)
        level += 1
    return Growth(Edge(size, tuple(tiles), bundle), files)


def _grow_bundles(edge: Edge, entries: Sequence[bytes], files: list[TileFile]) -> bytes:
    number, present = divmod(edge.size, TILE_WIDTH)
    bundle = edge.bundle
    at = 0
    while at < len(entries):
        taken = entries[at : at + TILE_WIDTH - present]
        at += len(taken)
        present += len(taken)
        bundle += encode_bundle(taken)
        files.append(TileFile(bundle_path(number, present), bundle))
        if present == TILE_WIDTH:
            number, present, bundle = number + 1, 0, b""
    return bundle


def _grow_level(
    level: int, number: int, before: bytes, hashes: list[bytes], files: list[TileFile]
) -> tuple[list[bytes], bytes]:
    """Add hashes to a level; gives the roots of tiles that became full, and the partial tile."""
    if not hashes:
        return [], before
    row = split_tile(before) + hashes
    full = []
    for at in range(0, len(row) - TILE_WIDTH + 1, TILE_WIDTH):
        tile = row[at : at + TILE_WIDTH]
        files.append(TileFile(tile_path(level, number), b"".join(tile)))
        full.append(perfect_root(tile))
        number += 1
    rest = row[len(full) * TILE_WIDTH :]
    partial = b"".join(rest)
    if rest:
        files.append(TileFile(tile_path(level, number, len(rest)), partial))
    return full, partial


def edge_files(size: int) -> tuple[list[str | None], str | None]:
    """Paths of the partial tiles by level, and of the partial bundle, of a log of `size` entries.

    None where the last tile or bundle is full.
    """
    tiles: list[str | None] = []
    level = 0
    while (width := size >> (TILE_HEIGHT * level)) > 0:
        number, present = divmod(width, TILE_WIDTH)
        tiles.append(tile_path(level, number, present) if present else None)
        level += 1
    number, present = divmod(size, TILE_WIDTH)
    return tiles, bundle_path(number, present) if present else None


def superseded_folders(old: int, new: int) -> list[str]:
    """Folders of partial files that became useless when a log grew from `old` to `new` entries:
    the full tile or bundle has taken their place."""
    folders = []
    level = 0
    while old >> (TILE_HEIGHT * level):
        count = old >> (TILE_HEIGHT * level)
        number, present = divmod(count, TILE_WIDTH)
        if present and tile_width(level, number, new) == TILE_WIDTH:
            folders.append(f"{tile_path(level, number)}.p")
            if level == 0:
                folders.append(f"{bundle_path(number)}.p")
        level += 1
    return folders

"""Merkle trees as RFC 6962 hashes them: roots, proofs and their verification.

Promises: the hashing of RFC 6962 section 2.1 with SHA-256, proofs of RFC 6962 sections 2.1.1 and
2.1.2 in the order of RFC 9162, and the verification algorithms of RFC 9162 sections 2.1.3.2 and
2.1.4.2. Leaves come as leaf hashes (`leaf_hash`), so that a journal may hash its parts its own way.
Deliberately stores nothing: a proof is made from a function that gives the hashes of complete
subtrees.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

_sha256 = hashlib.sha256


class Node(NamedTuple):
    """A complete subtree: the leaves from `number` × 2^`level`, 2^`level` of them."""

    level: int
    number: int


ReadNode = Callable[[Node], bytes]
"""Gives the hash of a complete subtree."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: H(0x00 ‖ data)."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: H(0x01 ‖ left ‖ right)."""
    return _sha256(b"\x01" + left + right).digest()


class CompactRange:
    """A tree that grows and knows its root, from at most 64 hashes.

    `append` costs one hash of two nodes on average, `root` at most one per bit of the size.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its leaf hash."""
        size = self.size
        peaks = self._peaks
        self.size = size + 1
        while size & 1:
            leaf = _sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves by their leaf hashes, in order."""
        append = self.append
        for leaf in leaves:
            append(leaf)

    def root(self) -> bytes:
        """The root of the leaves added so far."""
        return fold(self._peaks)

    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees that make up the tree, from left to right."""
        return tuple(self._peaks)


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of falling size, given from left to right."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = _sha256(b"\x01" + peak + root).digest()
    return root


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 1, 2, 4, 8, … hashes of one level."""
    while len(hashes) > 1:
        hashes = [
            _sha256(b"\x01" + hashes[at] + hashes[at + 1]).digest()
            for at in range(0, len(hashes), 2)
        ]
    return hashes[0]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = CompactRange()
    tree.extend(leaves)
    return tree.root()


# Ranges: each hash of a proof is the root over a range of leaves.


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges [start, end) of leaves whose roots prove that leaf `index` is among `size`.

    RFC 6962 section 2.1.1, the leaf's sibling first. Raises InvalidInput unless index < size.
    """
    if not 0 <= index < size:
        raise InvalidInput(f"a tree of {size} leaves has no leaf {index}; ask below its size")
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The ranges whose roots prove that the tree of `old` leaves begins the tree of `new`.

    RFC 6962 section 2.1.2. Raises InvalidInput unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise InvalidInput(
            f"there is no consistency proof from {old} to {new} leaves; the older size comes "
            "first and is not 0"
        )
    ranges = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start > 0:
        # The old tree is not one complete subtree: its last part must be given.
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def range_nodes(start: int, end: int) -> list[Node]:
    """The complete subtrees that make up a range of a proof, from left to right."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def _split(size: int) -> int:
    """The largest power of two below `size` (which is at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


# Proofs.


def prove(ranges: Sequence[tuple[int, int]], read: ReadNode) -> list[bytes]:
    """The hashes of a proof, from the hashes of complete subtrees."""
    return [fold([read(node) for node in range_nodes(*bounds)]) for bounds in ranges]


def inclusion_proof(index: int, size: int, read: ReadNode) -> list[bytes]:
    """The path that proves leaf `index` among `size` leaves. Raises InvalidInput."""
    return prove(inclusion_ranges(index, size), read)


def consistency_proof(old: int, new: int, read: ReadNode) -> list[bytes]:
    """The proof that the tree of `old` leaves begins the tree of `new`. Raises InvalidInput."""
    return prove(consistency_ranges(old, new), read)


def reader_of(leaves: Sequence[bytes]) -> ReadNode:
    """Reads complete subtrees of a tree whose leaf hashes are all at hand.

    All levels are hashed once, so that many proofs from one tree are cheap.
    """
    levels: list[Sequence[bytes]] = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return lambda node: levels[node.level][node.number]


# Verification.


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Whether `path` proves the leaf hash at `index` under `root` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or any(len(item) != HASH_BYTES for item in path):
        return False
    position, last, computed = index, size - 1, leaf
    for item in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(item, computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, item)
        position >>= 1
        last >>= 1
    return last == 0 and computed == root


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` proves that the old tree begins the new one (RFC 9162 section 2.1.4.2).

    Every tree begins with the empty one: `old` 0 is proved by an empty proof.
    """
    if not 0 <= old <= new or any(len(item) != HASH_BYTES for item in proof):
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    items = list(proof)
    if old & (old - 1) == 0:
        # A complete subtree is its own first item.
        items.insert(0, old_root)
    if not items:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    from_old = from_new = items[0]
    for item in items[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            from_old = node_hash(item, from_old)
            from_new = node_hash(item, from_new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            from_new = node_hash(from_new, item)
        position >>= 1
        last >>= 1
    return last == 0 and from_old == old_root and from_new == new_root

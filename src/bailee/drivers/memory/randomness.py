"""Randomness that a seed determines. For simulations only."""

import hashlib


class SeededRandomness:
    """`ports.randomness.Randomness`: SHA-256 of the seed and a counter. Not for one secret."""

    def __init__(self, seed: int) -> None:
        self._seed = seed.to_bytes(16, "big", signed=True)
        self._counter = 0

    def random_bytes(self, size_bytes: int) -> bytes:
        """The next `size_bytes` bytes of the sequence."""
        pieces = []
        for _ in range(0, size_bytes, 32):
            pieces.append(hashlib.sha256(self._seed + self._counter.to_bytes(8, "big")).digest())
            self._counter += 1
        return b"".join(pieces)[:size_bytes]

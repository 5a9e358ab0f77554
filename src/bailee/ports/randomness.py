"""Randomness. The only source of keys, nonces and random identifiers."""

from typing import Protocol


class Randomness(Protocol):
    """Gives bytes that nobody can guess (or, in a simulation, that a seed determines)."""

    def random_bytes(self, size_bytes: int) -> bytes:
        """`size_bytes` fresh bytes. Safe to call from any thread; never repeats after a fork."""
        ...

"""Randomness from the kernel.

Deliberately not buffered: 32 bytes cost half a microsecond, a buffer would have to be cleared
behind each caller and after each fork, and what is not kept cannot be found in a taken memory.
"""

import os


class SystemRandomness:
    """`ports.randomness.Randomness` by getrandom(2)."""

    __slots__ = ()

    def random_bytes(self, size_bytes: int) -> bytes:
        """`size_bytes` fresh bytes."""
        return os.urandom(size_bytes)

"""Overwriting key material that has been used.

Python frees a `bytes` object without clearing it, so a chain key that was dropped could still be
read from a worker's memory. `wipe` overwrites the object's bytes where they lie. It promises that
for the object it is given; it knows nothing of copies that others made. Never wipe an object that
anything else may still read, an interned or a literal one least of all.
"""

import ctypes
import sys
from typing import Final

_HEADER_BYTES: Final = bytes.__basicsize__ - 1
"""Where a CPython `bytes` object's data begins."""
_EVERYWHERE: Final = memoryview((ctypes.c_ubyte * sys.maxsize).from_address(0)).cast("B")
"""The process's memory, for writing to: a slice of it costs a third of a call of `ctypes.memset`,
and sealing wipes eight times for each record."""
_ZEROS: Final = bytes(64)


def wipe(*secrets: bytes) -> None:
    """Overwrite each of `secrets` with zeros. One-byte and empty objects are shared: left alone."""
    for secret in secrets:
        size = len(secret)
        if size > 1:
            begin = id(secret) + _HEADER_BYTES
            _EVERYWHERE[begin : begin + size] = _ZEROS[:size] if size <= 64 else bytes(size)

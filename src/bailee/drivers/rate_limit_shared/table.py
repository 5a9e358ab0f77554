"""`ports.rate_limit.RateLimit` in a file that every gateway worker of a machine maps.

Fixed windows of one minute. A subject's slot holds its BLAKE2b-256, the window and the count; it
lies in the bucket that the digest names, or, while that bucket is full of live slots, in the
overflow at the end of the file. A bucket is changed under a POSIX record lock of its own, which
the kernel releases when its holder dies; the overflow is locked after the bucket, never before.

One object per process and file, used by one thread: record locks belong to the process. A clock
that is up to a minute behind another worker's counts in the newer window. When even the overflow
is full, a subject that has no slot is refused: no limit is ever exceeded for want of room.
"""

import fcntl
import hashlib
import mmap
import os
import struct
from pathlib import Path
from typing import Final

from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.rate_limit import Allowance

_COUNT: Final = struct.Struct("=QQ")  # window, count: read and written by this machine alone
_DIGEST_BYTES: Final = 32
_SLOT_BYTES: Final = _DIGEST_BYTES + _COUNT.size
_LOCK: Final = fcntl.LOCK_EX
_UNLOCK: Final = fcntl.LOCK_UN

_lockf = fcntl.lockf
_blake2b = hashlib.blake2b


class SharedRateLimit:
    """The table in the file `path`, which is made if it is absent.

    Args:
        path: the file; every process gives the same sizes for it.
        buckets: a power of two.
        slots: places in each bucket; the overflow has 64 times as many.
    """

    def __init__(self, path: Path, *, buckets: int = 2048, slots: int = 32) -> None:
        if buckets & (buckets - 1):
            raise ValueError("the number of buckets is a power of two")
        self._mask = buckets - 1
        self._bucket_bytes = slots * _SLOT_BYTES
        self._overflow = buckets * self._bucket_bytes
        self._end = self._overflow + 64 * self._bucket_bytes
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._descriptor).st_size < self._end:
            os.ftruncate(self._descriptor, self._end)
        self._map = mmap.mmap(self._descriptor, self._end)

    def take(self, subject: bytes, amount: int, limit_per_minute: int, now: Instant) -> Allowance:
        """Count if it stays within the limit."""
        window, elapsed = divmod(now, MINUTE_MS)
        reset_after_ms = MINUTE_MS - elapsed
        if limit_per_minute == 0:
            return Allowance(True, 0, 0, reset_after_ms)
        used = self._count(subject, amount, limit_per_minute, window)
        if used < 0:
            remaining = max(limit_per_minute + used + 1, 0)
            return Allowance(False, limit_per_minute, remaining, reset_after_ms)
        return Allowance(True, limit_per_minute, limit_per_minute - used, reset_after_ms)

    def add(self, subject: bytes, amount: int, now: Instant) -> None:
        """Count whatever the limit."""
        self._count(subject, amount, None, now // MINUTE_MS)

    def close(self) -> None:
        """Unmap and close the file."""
        self._map.close()
        os.close(self._descriptor)

    def _count(self, subject: bytes, amount: int, limit: int | None, window: int) -> int:
        """The new count, or -1 - count if it was refused."""
        digest = _blake2b(subject, digest_size=_DIGEST_BYTES).digest()
        bucket = int.from_bytes(digest[:4], "little") & self._mask
        begin = bucket * self._bucket_bytes
        descriptor = self._descriptor
        _lockf(descriptor, _LOCK, 1, begin)
        try:
            slot = self._find(digest, begin, begin + self._bucket_bytes, window)
            if slot >= 0:
                return self._change(slot, amount, limit, window)
            _lockf(descriptor, _LOCK, 1, self._overflow)
            try:
                slot = self._find(digest, self._overflow, self._end, window)
                if slot < 0:
                    return -1 - (limit or 0)
                return self._change(slot, amount, limit, window)
            finally:
                _lockf(descriptor, _UNLOCK, 1, self._overflow)
        finally:
            _lockf(descriptor, _UNLOCK, 1, begin)

    def _find(self, digest: bytes, begin: int, end: int, window: int) -> int:
        """Where the subject's slot is, taking an idle one if need be; -1 if all are live."""
        found = self._map.find(digest, begin, end)
        if found >= 0 and (found - begin) % _SLOT_BYTES == 0:
            return found
        return self._take_slot(digest, begin, end, window)

    def _take_slot(self, digest: bytes, begin: int, end: int, window: int) -> int:
        for slot in range(begin, end, _SLOT_BYTES):
            known, _ = _COUNT.unpack_from(self._map, slot + _DIGEST_BYTES)
            if not window <= known <= window + 1:
                self._map[slot : slot + _DIGEST_BYTES] = digest
                return slot
        return -1

    def _change(self, slot: int, amount: int, limit: int | None, window: int) -> int:
        known, used = _COUNT.unpack_from(self._map, slot + _DIGEST_BYTES)
        if known == window + 1:
            window = known
        elif known != window:
            used = 0
        allowed = limit is None or used + amount <= limit
        if allowed:
            used += amount
        _COUNT.pack_into(self._map, slot + _DIGEST_BYTES, window, used)
        return int(used) if allowed else -1 - int(used)

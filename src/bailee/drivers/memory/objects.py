"""Objects in memory."""

import hashlib
from collections.abc import AsyncIterable

from bailee.drivers.memory.faults import Faults
from bailee.kernel.errors import Conflict, NotFound
from bailee.ports.objects import StoredObject


class Bucket:
    """What survives processes: objects by key, with a count that makes tags new."""

    def __init__(self) -> None:
        self.objects: dict[str, StoredObject] = {}
        self._writes = 0

    def store(self, key: str, data: bytes) -> str:
        """Make or replace an object; gives its tag."""
        self._writes += 1
        tag = f"{self._writes}-{hashlib.sha256(data).hexdigest()[:16]}"
        self.objects[key] = StoredObject(bytes(data), tag)
        return tag


class MemoryObjects:
    """`ports.objects.Objects` on a `Bucket`, as one process sees it."""

    def __init__(self, bucket: Bucket | None = None, faults: Faults | None = None) -> None:
        self.bucket = Bucket() if bucket is None else bucket
        self._faults = Faults() if faults is None else faults

    async def get(self, key: str) -> StoredObject:
        """The whole object."""
        with self._faults.call("objects.get"):
            return self._stored(key)

    async def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """A stretch of the object."""
        with self._faults.call("objects.get_range"):
            return self._stored(key).data[offset : offset + size_bytes]

    async def put(self, key: str, data: bytes) -> str:
        """Make or replace."""
        with self._faults.call("objects.put"):
            return self.bucket.store(key, data)

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Make or replace, as chunks arrive."""
        data = b"".join([chunk async for chunk in chunks])
        with self._faults.call("objects.put_stream"):
            self.bucket.store(key, data)

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make, unless there is one."""
        with self._faults.call("objects.put_if_absent"):
            if key in self.bucket.objects:
                return False
            self.bucket.store(key, data)
            return True

    async def put_if_matches(self, key: str, data: bytes, tag: str | None) -> str:
        """Replace one version."""
        with self._faults.call("objects.put_if_matches"):
            present = self.bucket.objects.get(key)
            if (None if present is None else present.tag) != tag:
                raise Conflict("another version of the object is there; read it again")
            return self.bucket.store(key, data)

    async def delete(self, key: str) -> None:
        """Remove, if it is there."""
        with self._faults.call("objects.delete"):
            self.bucket.objects.pop(key, None)

    async def list(self, prefix: str) -> list[str]:
        """All keys below a folder."""
        with self._faults.call("objects.list"):
            below = f"{prefix.rstrip('/')}/" if prefix else ""
            return sorted(key for key in self.bucket.objects if key.startswith(below))

    def _stored(self, key: str) -> StoredObject:
        try:
            return self.bucket.objects[key]
        except KeyError:
            raise NotFound("there is no such object") from None

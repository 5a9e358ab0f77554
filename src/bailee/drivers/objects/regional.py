"""An object store that is one region's: it takes and gives that region's content alone.

Content lies below `segments/<region>/` and `held/<region>/`; whatever names another region there is
refused before the store is asked. Other objects (the log's files) belong to no project.
"""

from collections.abc import AsyncIterable
from typing import Final

from bailee.kernel.errors import Forbidden
from bailee.kernel.ids import Region
from bailee.ports.objects import Objects, StoredObject

MARK_KEY: Final = "residency/region"
"""Holds the name of the region whose store this is."""
_OF_PROJECTS: Final = ("segments", "held")


class RegionalObjects:
    """`ports.objects.Objects` of one region. Methods raise Forbidden for another's content."""

    def __init__(self, objects: Objects, region: Region) -> None:
        self._objects = objects
        self._region = region

    async def mark(self) -> Region:
        """Say that the store is this region's, unless it is another's; gives whose it is."""
        if await self._objects.put_if_absent(MARK_KEY, self._region.encode()):
            return self._region
        return Region((await self._objects.get(MARK_KEY)).data.decode("ascii", "replace"))

    async def get(self, key: str) -> StoredObject:
        """See the port."""
        return await self._objects.get(self._own(key))

    async def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """See the port."""
        return await self._objects.get_range(self._own(key), offset, size_bytes)

    async def put(self, key: str, data: bytes) -> str:
        """See the port."""
        return await self._objects.put(self._own(key), data)

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """See the port."""
        await self._objects.put_stream(self._own(key), chunks)

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """See the port."""
        return await self._objects.put_if_absent(self._own(key), data)

    async def put_if_matches(self, key: str, data: bytes, tag: str | None) -> str:
        """See the port."""
        return await self._objects.put_if_matches(self._own(key), data, tag)

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._objects.delete(self._own(key))

    async def list(self, prefix: str) -> list[str]:
        """See the port."""
        return await self._objects.list(self._own(prefix))

    def _own(self, key: str) -> str:
        kind, _, rest = key.partition("/")
        if kind in _OF_PROJECTS and rest and rest.split("/")[0] != self._region:
            raise Forbidden(f"this object store holds content of `{self._region}` alone")
        return key

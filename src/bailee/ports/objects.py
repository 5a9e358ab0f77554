"""An object store: whole objects under keys, in a bucket, a container or a folder.

Keys use `/` between names. A successful write is durable and visible to every later read.
Failures that may pass raise `Unavailable`; an absent object raises `NotFound`.
"""

from collections.abc import AsyncIterable
from typing import NamedTuple, Protocol


class StoredObject(NamedTuple):
    """An object's bytes and the tag that names this version of it."""

    data: bytes
    tag: str


class Objects(Protocol):
    """What Bailee needs of an object store."""

    async def get(self, key: str) -> StoredObject:
        """The whole object."""
        ...

    async def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """`size_bytes` bytes from `offset`; fewer at the end of the object."""
        ...

    async def put(self, key: str, data: bytes) -> str:
        """Make or replace an object; gives its new tag."""
        ...

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Make or replace an object from chunks as they arrive, without holding them all.

        When `chunks` raises, or the caller is cancelled, there is no object, or the earlier one.
        """
        ...

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make an object unless there is one. True if it was made."""
        ...

    async def put_if_matches(self, key: str, data: bytes, tag: str | None) -> str:
        """Replace the version `tag` (None: there must be no object); gives the new tag.

        Raises Conflict, having written nothing, when another version is there.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; success if there was none."""
        ...

    async def list(self, prefix: str) -> list[str]:
        """All keys below the folder `prefix`, sorted."""
        ...

"""Objects in a service, through obstore. The service makes writes durable and compares tags."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore

from bailee.kernel.errors import Conflict, NotFound, Unavailable
from bailee.ports.objects import StoredObject


class RemoteObjects:
    """`ports.objects.Objects` on any obstore store that supports conditional puts by tag."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def get(self, key: str) -> StoredObject:
        """The whole object."""
        with _translated():
            found = await obstore.get_async(self._store, key)
            data = await found.bytes_async()
            return StoredObject(data.to_bytes(), found.meta["e_tag"] or "")

    async def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """A stretch of the object."""
        with _translated():
            size = (await obstore.head_async(self._store, key))["size"]
            end = min(offset + size_bytes, size)
            if offset >= end:
                return b""
            return (
                await obstore.get_range_async(self._store, key, start=offset, end=end)
            ).to_bytes()

    async def put(self, key: str, data: bytes) -> str:
        """Make or replace."""
        with _translated():
            return (await obstore.put_async(self._store, key, data))["e_tag"] or ""

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Make or replace, as chunks arrive."""
        failure: BaseException | None = None

        async def watched() -> AsyncIterator[bytes]:
            nonlocal failure
            try:
                async for chunk in chunks:
                    yield chunk
            except BaseException as error:
                failure = error
                raise

        try:
            with _translated():
                await obstore.put_async(self._store, key, watched(), max_concurrency=2)
        except BaseException:
            # obstore wraps what the chunks raise; the caller is told of that itself.
            if failure is not None:
                raise failure from None
            raise

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make, unless there is one."""
        with _translated():
            try:
                await obstore.put_async(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

    async def put_if_matches(self, key: str, data: bytes, tag: str | None) -> str:
        """Replace one version."""
        with _translated():
            try:
                if tag is None:
                    made = await obstore.put_async(self._store, key, data, mode="create")
                else:
                    made = await obstore.put_async(self._store, key, data, mode={"e_tag": tag})
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                raise Conflict("another version of the object is there; read it again") from None
            return made["e_tag"] or ""

    async def delete(self, key: str) -> None:
        """Remove, if it is there."""
        with _translated():
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                return

    async def list(self, prefix: str) -> list[str]:
        """All keys below a folder."""
        with _translated():
            found: list[str] = []
            async for batch in obstore.list(self._store, prefix.rstrip("/") or None):
                found.extend(entry["path"] for entry in batch)
            return sorted(found)


@contextmanager
def _translated() -> Iterator[None]:
    """Bailee's kinds of errors. The service's message may name a bucket: the kind is enough."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound("there is no such object") from None
    except (BaseError, OSError) as error:
        kind = type(error).__name__
        raise Unavailable(
            f"the object store failed ({kind}); retry with a growing pause"
        ) from error

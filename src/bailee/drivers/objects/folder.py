"""Objects as files of a local folder.

obstore's local store promises neither durability (it renames without fsync) nor replacing one
version (`NotImplementedError`), so the folder has its own driver. A write goes to a new file,
which is synced, given its name atomically, and its folder synced. Writes take turns under a lock
that dies with its process, which makes comparing and replacing one act. A tag is the SHA-256 of
the object: a version is its bytes.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from bailee.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable
from bailee.ports.objects import StoredObject
from bailee.ports.offload import Offload

_LOCK_NAME: Final = ".lock"
_ARRIVING_PREFIX: Final = ".arriving-"
"""Then the number of the process: what takes long is written without the lock."""
_UNFINISHED_PREFIX: Final = ".unfinished-"

Result = TypeVar("Result")


class FolderObjects:
    """`ports.objects.Objects` in the folder `root`, which is made if it is absent.

    What a crash leaves of an unfinished write is removed when the next process opens the folder
    and no other is writing.
    """

    def __init__(self, root: Path, offload: Offload) -> None:
        self._root = root.resolve()
        self._offload = offload
        _make_folder(self._root)
        with self._locked():
            for left in self._root.rglob(f"{_UNFINISHED_PREFIX}*"):
                left.unlink(missing_ok=True)
            for left in self._root.rglob(f"{_ARRIVING_PREFIX}*"):
                process = left.name.removeprefix(_ARRIVING_PREFIX).split("-")[0]
                if not Path(f"/proc/{process}").exists():
                    left.unlink(missing_ok=True)

    async def get(self, key: str) -> StoredObject:
        """The whole object."""
        path = self._at(key)

        def read() -> StoredObject:
            data = path.read_bytes()
            return StoredObject(data, _tag(data))

        return await self._run(read)

    async def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """A stretch of the object."""
        path = self._at(key)

        def read() -> bytes:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(size_bytes)

        return await self._run(read)

    async def put(self, key: str, data: bytes) -> str:
        """Make or replace, durably."""
        path = self._at(key)

        def write() -> str:
            with self._locked():
                _write_durably(path, data)
            return _tag(data)

        return await self._run(write)

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Make or replace, durably, as chunks arrive."""
        path = self._at(key)

        def begin() -> tuple[BinaryIO, Path]:
            _make_folder(path.parent)
            prefix = f"{_ARRIVING_PREFIX}{os.getpid()}-"
            descriptor, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
            return os.fdopen(descriptor, "wb"), Path(name)

        def finish() -> None:
            file.flush()
            os.fsync(file.fileno())
            with self._locked():
                arriving.replace(path)
                _sync_folder(path.parent)

        file, arriving = await self._run(begin)
        try:
            async for chunk in chunks:
                await self._run(partial(file.write, chunk))
            await self._run(finish)
        except BaseException:
            arriving.unlink(missing_ok=True)
            raise
        finally:
            file.close()

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make, unless there is one."""
        path = self._at(key)

        def write() -> bool:
            with self._locked():
                if path.exists():
                    return False
                _write_durably(path, data)
                return True

        return await self._run(write)

    async def put_if_matches(self, key: str, data: bytes, tag: str | None) -> str:
        """Replace one version."""
        path = self._at(key)

        def write() -> str:
            with self._locked():
                present = _tag(path.read_bytes()) if path.exists() else None
                if present != tag:
                    raise Conflict("another version of the object is there; read it again")
                _write_durably(path, data)
            return _tag(data)

        return await self._run(write)

    async def delete(self, key: str) -> None:
        """Remove, durably, if it is there; folders that become empty are left."""
        path = self._at(key)

        def remove() -> None:
            with self._locked():
                try:
                    path.unlink()
                except FileNotFoundError:
                    return
                _sync_folder(path.parent)

        await self._run(remove)

    async def list(self, prefix: str) -> list[str]:
        """All keys below a folder."""
        top = self._at(prefix.rstrip("/")) if prefix else self._root

        def walk() -> list[str]:
            found = []
            for parent, _, names in os.walk(top):
                relative = Path(parent).relative_to(self._root)
                found += [(relative / name).as_posix() for name in names if name[0] != "."]
            return sorted(found)

        return await self._run(walk)

    async def _run(self, call: Callable[[], Result]) -> Result:
        try:
            return await self._offload.run(call)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("there is no such object") from None
        except OSError as error:
            raise Unavailable(
                f"the object folder failed ({error.strerror}); free space or repair the disk"
            ) from error

    def _at(self, key: str) -> Path:
        parts = key.split("/")
        if any(not part or part.startswith(".") for part in parts):
            raise InvalidInput("an object's key has names without a leading dot between slashes")
        return self._root.joinpath(*parts)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Writers take turns, threads of this process too: each opens its own description."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._root / _LOCK_NAME, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_durably(path: Path, data: bytes) -> None:
    _make_folder(path.parent)
    descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED_PREFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    # Only now is the name durable; before this line a crash leaves the old object or none.
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each durable in the one above it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

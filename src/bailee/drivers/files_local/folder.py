"""`ports.files.Files` on a local file system, with the calls that make bytes durable.

Files are made for their owner alone (mode 0600, folders 0700). A folder that is made is durable
in its parent before anything is put into it, so `sync_folder` need only be called on the folder
that holds the name.
"""

import errno
import fcntl
import os
from pathlib import Path, PurePosixPath
from typing import Final

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class LocalAppendFile:
    """`ports.files.AppendFile` on a descriptor that holds an flock."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self._size_bytes = size_bytes

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self._size_bytes

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end; a short write goes on until it fails or is complete."""
        left = memoryview(data)
        while left:
            written = os.write(self._descriptor, left)
            self._size_bytes += written
            left = left[written:]

    def sync(self) -> None:
        """fdatasync."""
        os.fdatasync(self._descriptor)

    def truncate(self, size_bytes: int) -> None:
        """Cut the file."""
        os.ftruncate(self._descriptor, size_bytes)
        self._size_bytes = size_bytes

    def close(self) -> None:
        """Close the descriptor, and the lock with it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class LocalFiles:
    """The folder `root`, which is made if it is absent."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        _make_folder(self._root)

    def append_to(self, path: str, *, create: bool) -> LocalAppendFile:
        """Open for appending under an flock, as the port says."""
        target = self._at(path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        if create:
            _make_folder(target.parent)
            flags |= os.O_CREAT | os.O_EXCL
        descriptor = os.open(target, flags, _FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor)
            # Between open and flock the name may have gone to another file, or to none.
            named = os.stat(target)  # noqa: PTH116
            if (held.st_dev, held.st_ino) != (named.st_dev, named.st_ino):
                raise BlockingIOError(errno.EWOULDBLOCK, "another holds the file", path)
        except BaseException:
            os.close(descriptor)
            raise
        return LocalAppendFile(descriptor, held.st_size)

    def read(self, path: str, offset: int = 0, size_bytes: int | None = None) -> bytes:
        """Read a stretch of a file."""
        with self._at(path).open("rb", buffering=0) as file:
            left = os.fstat(file.fileno()).st_size - offset
            wanted = max(left if size_bytes is None else min(size_bytes, left), 0)
            pieces = []
            while wanted > 0:
                piece = os.pread(file.fileno(), wanted, offset)
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
                wanted -= len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def size_bytes(self, path: str) -> int:
        """The length of a file."""
        return self._at(path).stat().st_size

    def write(self, path: str, data: bytes) -> None:
        """Write in place and sync."""
        target = self._at(path)
        _make_folder(target.parent)
        descriptor, is_new = _open_in_place(target)
        try:
            left, offset = memoryview(data), 0
            while left:
                written = os.pwrite(descriptor, left, offset)
                offset += written
                left = left[written:]
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(target.parent)

    def rename(self, old: str, new: str) -> None:
        """Rename, making the target's folder."""
        target = self._at(new)
        _make_folder(target.parent)
        self._at(old).replace(target)

    def sync_folder(self, path: str) -> None:
        """fsync of the folder; "" is the root."""
        _sync_folder(self._at(path) if path else self._root)

    def remove(self, path: str) -> None:
        """Unlink."""
        self._at(path).unlink()

    def list(self, folder: str) -> list[str]:
        """Every file below `folder`; "" is the root."""
        top = self._at(folder) if folder else self._root
        found: list[str] = []
        for parent, _, names in os.walk(top):
            relative = Path(parent).relative_to(self._root)
            found.extend((relative / name).as_posix() for name in names)
        return sorted(found)

    def _at(self, path: str) -> Path:
        parts = path.split("/")
        if not path or PurePosixPath(path).is_absolute() or {"", ".", ".."} & set(parts):
            raise ValueError(f"a path in a folder has plain names between slashes, not {path!r}")
        return self._root.joinpath(*parts)


def _open_in_place(target: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(target, flags), False
    except FileNotFoundError:
        return os.open(target, flags | os.O_CREAT, _FILE_MODE), True


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each durable in the one above it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

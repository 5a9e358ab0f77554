"""A local folder with the durability that a file system really gives.

Synchronous: callers on an event loop go through `ports.offload`. Paths are relative to the
folder that the driver was made with, with `/` between names, and never leave it.

What is promised, and nothing more:

* written bytes may be lost, torn or reordered by a crash until `sync` of that file returned;
* a new or renamed name may be lost until `sync_folder` of its folder returned;
* after `sync` has failed for a file, its unsynced bytes are in an unknown state and nothing may be
  concluded from a later successful `sync` (the caller abandons the file);
* `rename` replaces its target atomically.

Errors are `OSError`, as from the operating system.
"""

from typing import Protocol


class AppendFile(Protocol):
    """A file open for appending, held by its opener alone."""

    @property
    def size_bytes(self) -> int:
        """How long the file is, unsynced bytes included."""
        ...

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end."""
        ...

    def sync(self) -> None:
        """Make every byte appended so far durable (fdatasync)."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut the file to `size_bytes`; durable after the next `sync`."""
        ...

    def close(self) -> None:
        """Release the file and its lock. Does not sync. May be called twice."""
        ...


class Files(Protocol):
    """A folder and what may be done in it."""

    def append_to(self, path: str, *, create: bool) -> AppendFile:
        """Open for appending under an exclusive lock that dies with the process.

        With `create` the file must not exist (FileExistsError) and its folders are made; without,
        it must (FileNotFoundError). Raises BlockingIOError when another holds the lock.
        """
        ...

    def read(self, path: str, offset: int = 0, size_bytes: int | None = None) -> bytes:
        """The bytes from `offset`, at most `size_bytes` of them; FileNotFoundError if absent."""
        ...

    def size_bytes(self, path: str) -> int:
        """The length of the file; FileNotFoundError if absent."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Make or replace the content in place and sync it, and the folder when the file is new.

        Not atomic: after a crash the file may hold the old bytes, the new ones or a mixture. An
        existing file is overwritten where it lies (no new blocks), which is what makes an
        overwritten secret go.
        """
        ...

    def rename(self, old: str, new: str) -> None:
        """Move a file over `new`, atomically. Durable after `sync_folder` of both folders."""
        ...

    def sync_folder(self, path: str) -> None:
        """Make the names in the folder durable."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; FileNotFoundError if absent. Durable after `sync_folder`."""
        ...

    def list(self, folder: str) -> list[str]:
        """All files below `folder`, as paths from the root of this port, sorted; [] if absent."""
        ...

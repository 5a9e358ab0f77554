"""A disk in memory that loses exactly what `ports.files` does not promise.

Between two syncs a file's writes are kept apart, cut at 512-byte sectors. `Disk.crash` is a loss
of power: of each file's unsynced sectors none, a prefix or any subset survives, with zeros where
a lost one leaves a gap; unsynced names survive or not, each on its own. After a failed sync the
unsynced sectors stay doubtful for ever: no later sync saves them. What survives is drawn from a
seed. `MemoryFiles.die` is the end of one process: its locks go, and no byte is lost.
"""

import errno
import random
from dataclasses import dataclass, field
from typing import Final

from bailee.drivers.memory.faults import Faults

_SECTOR_BYTES: Final = 512


@dataclass(slots=True)
class _Change:
    """One sector's worth of a write, or (with `data` None) a cut of the file to `offset`."""

    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        if self.data is None:
            del content[self.offset :]
            content.extend(bytes(self.offset - len(content)))
            return
        if len(content) < self.offset:
            content.extend(bytes(self.offset - len(content)))
        content[self.offset : self.offset + len(self.data)] = self.data


@dataclass(slots=True, eq=False)
class _Node:
    """A file, whatever its name."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[_Change] = field(default_factory=list)
    doubtful: list[_Change] = field(default_factory=list)

    def change(self, change: _Change) -> None:
        change.apply(self.content)
        self.unsynced.append(change)

    def write(self, offset: int, data: bytes) -> None:
        while data:
            room = _SECTOR_BYTES - offset % _SECTOR_BYTES
            self.change(_Change(offset, data[:room]))
            offset, data = offset + room, data[room:]

    def sync(self) -> None:
        for change in self.unsynced:
            change.apply(self.durable)
        self.unsynced.clear()

    def sync_failed(self) -> None:
        self.doubtful.extend(self.unsynced)
        self.unsynced.clear()

    def lose_power(self, chance: random.Random) -> None:
        for change in _survivors(self.doubtful + self.unsynced, chance):
            change.apply(self.durable)
        self.content = bytearray(self.durable)
        self.unsynced.clear()
        self.doubtful.clear()


def _survivors(changes: list[_Change], chance: random.Random) -> list[_Change]:
    fate = chance.randrange(4)
    if fate == 0:
        return []
    if fate == 1:
        return changes
    if fate == 2:
        return changes[: chance.randint(0, len(changes))]
    return [change for change in changes if chance.random() < 0.5]


@dataclass(slots=True)
class _NameChange:
    """Names given (or, with None, taken) together, until all their folders are synced."""

    names: dict[str, _Node | None]
    folders: set[str]


class Disk:
    """What survives processes. Files are shown by `MemoryFiles`."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - chooses faults, not secrets
        self.names: dict[str, _Node] = {}
        self.locks: dict[_Node, object] = {}
        self._durable_names: dict[str, _Node] = {}
        self._unsynced_names: list[_NameChange] = []

    def crash(self) -> None:
        """Lose power: everything that was not synced is lost, torn or reordered; locks are free."""
        for change in self._unsynced_names:
            if self._chance.random() < 0.5:
                _apply_names(change.names, self._durable_names)
        self._unsynced_names.clear()
        self.names = dict(self._durable_names)
        self.locks.clear()
        for path in sorted(self.names):
            self.names[path].lose_power(self._chance)

    def rename_names(self, names: dict[str, _Node | None]) -> None:
        """Change names, not yet durably."""
        _apply_names(names, self.names)
        self._unsynced_names.append(_NameChange(names, {_folder(path) for path in names}))

    def sync_names(self, folder: str) -> None:
        """Make the names in a folder durable."""
        waiting = []
        for change in self._unsynced_names:
            change.folders.discard(folder)
            if change.folders:
                waiting.append(change)
            else:
                _apply_names(change.names, self._durable_names)
        self._unsynced_names = waiting


def _apply_names(names: dict[str, _Node | None], table: dict[str, _Node]) -> None:
    for path, node in names.items():
        if node is None:
            table.pop(path, None)
        else:
            table[path] = node


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


class MemoryAppendFile:
    """`ports.files.AppendFile` on a `Disk`."""

    def __init__(self, disk: Disk, node: _Node, faults: Faults) -> None:
        self._disk = disk
        self._node = node
        self._faults = faults
        self._open = True

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return len(self._node.content)

    def append(self, data: bytes) -> None:
        """Add at the end."""
        self._check_open()
        with self._faults.call("files.append"):
            self._node.write(len(self._node.content), data)

    def sync(self) -> None:
        """Make durable what was appended, or (made to fail) leave it doubtful for ever."""
        self._check_open()
        try:
            with self._faults.call("files.sync"):
                self._node.sync()
        except OSError:
            self._node.sync_failed()
            raise

    def truncate(self, size_bytes: int) -> None:
        """Cut the file."""
        self._check_open()
        with self._faults.call("files.truncate"):
            self._node.change(_Change(size_bytes, None))

    def close(self) -> None:
        """Release the lock."""
        if self._open:
            self._open = False
            self._disk.locks.pop(self._node, None)

    def _check_open(self) -> None:
        if not self._open:
            raise OSError(errno.EBADF, "the file was closed")


class MemoryFiles:
    """`ports.files.Files` on a `Disk`, as one process sees it."""

    def __init__(self, disk: Disk | None = None, faults: Faults | None = None) -> None:
        self.disk = Disk() if disk is None else disk
        self._faults = Faults() if faults is None else faults

    def die(self) -> None:
        """The process ends (kill -9): its locks are free, what it wrote stays as it is."""
        mine = [node for node, holder in self.disk.locks.items() if holder is self]
        for node in mine:
            del self.disk.locks[node]

    def append_to(self, path: str, *, create: bool) -> MemoryAppendFile:
        """Open under a lock."""
        _check(path)
        with self._faults.call("files.append_to"):
            if create:
                if path in self.disk.names:
                    raise FileExistsError(errno.EEXIST, "the file exists", path)
                self.disk.rename_names({path: _Node()})
            node = self._node(path)
            if node in self.disk.locks:
                raise BlockingIOError(errno.EWOULDBLOCK, "another holds the file", path)
            self.disk.locks[node] = self
            return MemoryAppendFile(self.disk, node, self._faults)

    def read(self, path: str, offset: int = 0, size_bytes: int | None = None) -> bytes:
        """Read a stretch of a file."""
        with self._faults.call("files.read"):
            content = self._node(path).content
            end = len(content) if size_bytes is None else offset + size_bytes
            return bytes(content[offset:end])

    def size_bytes(self, path: str) -> int:
        """The length of a file."""
        with self._faults.call("files.size_bytes"):
            return len(self._node(path).content)

    def write(self, path: str, data: bytes) -> None:
        """Write in place, in three calls of which each may be the last."""
        _check(path)
        is_new = path not in self.disk.names
        with self._faults.call("files.write"):
            if is_new:
                self.disk.rename_names({path: _Node()})
            node = self._node(path)
            node.write(0, data)
            if len(node.content) > len(data):
                node.change(_Change(len(data), None))
        try:
            with self._faults.call("files.write.sync"):
                node.sync()
        except OSError:
            node.sync_failed()
            raise
        if is_new:
            self.sync_folder(_folder(path))

    def rename(self, old: str, new: str) -> None:
        """Move, atomically."""
        _check(new)
        with self._faults.call("files.rename"):
            self.disk.rename_names({old: None, new: self._node(old)})

    def sync_folder(self, path: str) -> None:
        """Make names durable."""
        with self._faults.call("files.sync_folder"):
            self.disk.sync_names(path)

    def remove(self, path: str) -> None:
        """Take the name away."""
        with self._faults.call("files.remove"):
            self._node(path)
            self.disk.rename_names({path: None})

    def list(self, folder: str) -> list[str]:
        """Every file below `folder`."""
        with self._faults.call("files.list"):
            below = f"{folder}/" if folder else ""
            return sorted(path for path in self.disk.names if path.startswith(below))

    def _node(self, path: str) -> _Node:
        _check(path)
        try:
            return self.disk.names[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", path) from None


def _check(path: str) -> None:
    if {"", ".", ".."} & set(path.split("/")):
        raise ValueError(f"a path in a folder has plain names between slashes, not {path!r}")

"""The folder that gateways share with a vLLM: weights while they are loaded, and who uses what.

Promises: it lies in memory (tmpfs) and is this user's alone, or nothing is written to it; weights
are in it only while vLLM reads them, and what a killed process left there is removed before the
next ones are written. An empty file stands for each adapter that vLLM was given; a lock on it is
its use, which the kernel ends with the process that has it. So many processes share one vLLM and
none of them takes away what another uses.
"""

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from bailee.kernel.errors import Unavailable
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness

_PRIVATE: Final = 0o700
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_WAIT_S: Final = 60.0
_POLL_S: Final = 0.05


class SharedFolder:
    """One vLLM's folder."""

    def __init__(self, path: Path, clock: Clock, randomness: Randomness) -> None:
        self._path = path
        self._clock = clock
        self._randomness = randomness

    def use(self, name: str) -> int | None:
        """Keep an adapter loaded until the descriptor is closed; None: it is not loaded."""
        try:
            descriptor = os.open(self._loaded / name, os.O_RDWR)
        except OSError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not os.fstat(descriptor).st_nlink:
            os.close(descriptor)
            return None
        os.utime(descriptor)
        return descriptor

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Nobody else changes what is loaded meanwhile. Raises Unavailable."""
        self._prepare()
        descriptor = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await self._locked(descriptor)
            shutil.rmtree(self._weights, ignore_errors=True)
            yield
        finally:
            os.close(descriptor)

    def has(self, name: str) -> bool:
        """Whether an adapter is loaded."""
        return (self._loaded / name).exists()

    def add(self, name: str) -> None:
        """It is loaded from now on. Within `changing`."""
        (self._loaded / name).touch(mode=0o600)

    def remove(self, name: str) -> None:
        """It is not loaded any more. Within `changing`."""
        (self._loaded / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """What is loaded, the one used longest ago first."""
        found = sorted(self._loaded.iterdir(), key=lambda one: one.stat().st_mtime_ns)
        return [one.name for one in found]

    def is_used(self, name: str) -> bool:
        """Whether somebody uses it now. Within `changing`."""
        try:
            descriptor = os.open(self._loaded / name, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def written(self, files: Mapping[str, bytes]) -> Iterator[Path]:
        """A folder with these files, gone when it is left. Within `changing`."""
        place = self._weights / self._randomness.random_bytes(8).hex()
        place.mkdir(mode=_PRIVATE, parents=True)
        try:
            for name, data in files.items():
                descriptor = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
            yield place
        finally:
            shutil.rmtree(self._weights, ignore_errors=True)

    @property
    def _loaded(self) -> Path:
        return self._path / "loaded"

    @property
    def _weights(self) -> Path:
        return self._path / "weights"

    def _prepare(self) -> None:
        """Have the folder, in memory and private. Raises Unavailable."""
        try:
            self._loaded.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self._path.chmod(_PRIVATE)
        except OSError:
            raise Unavailable(
                "the folder shared with vLLM cannot be made or is another user's; see "
                "adapters_folder"
            ) from None
        if kind_of_place(self._path.resolve()) not in _MEMORY:
            raise Unavailable(
                "the folder shared with vLLM lies on a disk, where weights must not be; let "
                "adapters_folder be on a tmpfs, such as below /dev/shm"
            )

    async def _locked(self, descriptor: int) -> None:
        deadline_s = self._clock.monotonic_s() + _WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock.monotonic_s() >= deadline_s:
                    raise Unavailable("another model is being loaded for long; wait") from None
                await self._clock.sleep_s(_POLL_S)
            else:
                return


def kind_of_place(path: Path) -> str:
    """The kind of file system that a path is on, as the kernel names it."""
    best, kind = -1, ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        mount = Path(fields[4].encode().decode("unicode_escape"))
        length = len(mount.parts)
        # A later mount at the same place covers the one before.
        if path.is_relative_to(mount) and length >= best:
            best, kind = length, fields[fields.index("-") + 1]
    return kind

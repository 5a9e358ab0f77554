"""Adapters in runners of their own: one process for each that is loaded.

llama.cpp takes adapters only when it starts and lets any request to a server choose among its
adapters by number. So an adapter gets a server of its own, with its own key, and the base model's
server has none: no request can reach another's adapter, whatever its body says. The weights are
mapped by all of them and lie in memory once. See docs/decisions/0026-a-runner-for-each-adapter.md.
"""

import asyncio
import hashlib
import os
from typing import Final

from bailee.drivers.backend_llama.process import ModelProcess, ModelRunning, ModelSpecification
from bailee.kernel.errors import InvalidInput, NotYet
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness

_MAGIC: Final = b"GGUF"
_RETRY_S: Final = 1.0
_LOOKS_PER_IDLE: Final = 4


class _Loaded:
    """One adapter that answers."""

    __slots__ = ("digest", "process", "running", "used_at_s", "uses", "watch")

    def __init__(self, digest: bytes, process: ModelProcess, running: ModelRunning) -> None:
        self.digest = digest
        self.process = process
        self.running = running
        self.uses = 0
        self.used_at_s = 0.0
        self.watch: asyncio.Task[None] | None = None


class AdapterHost:
    """Starts and ends the runners of adapters. Use it within one event loop."""

    def __init__(
        self,
        base: ModelSpecification,
        randomness: Randomness,
        clock: Clock,
        *,
        most: int,
        idle_s: float,
    ) -> None:
        """`most` adapters at once; one that is idle for `idle_s` is unloaded."""
        self._base = base
        self._randomness = randomness
        self._clock = clock
        self._most = most
        self._idle_s = idle_s
        self._loaded: dict[str, _Loaded] = {}
        self._changing = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def load(self, name: str, adapter: bytes) -> None:
        """Make `name` answer with this adapter; what it answered with before is replaced.

        Loading what is loaded already does nothing. Raises InvalidInput for bytes that are no
        adapter of the base model, NotYet when every place is taken by one that is answering.
        """
        if not adapter.startswith(_MAGIC):
            raise InvalidInput("this is no GGUF file; give an adapter of the base model")
        digest = hashlib.sha256(adapter).digest()
        async with self._changing:
            present = self._loaded.get(name)
            if present is not None and present.digest == digest:
                return
            if present is not None:
                await self._end(name)
            elif len(self._loaded) >= self._most:
                await self._make_room()
            process, running = await self._start(name, adapter)
            entry = _Loaded(digest, process, running)
            entry.used_at_s = self._clock.monotonic_s()
            self._loaded[name] = entry
            entry.watch = asyncio.create_task(self._watch(name, entry))

    async def unload(self, name: str) -> bool:
        """See `ports.adapters`."""
        async with self._changing:
            return await self._end(name)

    def names(self) -> tuple[str, ...]:
        """What answers without loading."""
        return tuple(self._loaded)

    def use(self, name: str) -> ModelRunning | None:
        """Where an adapter answers, kept loaded until `release`; None: it is not loaded."""
        entry = self._loaded.get(name)
        if entry is None:
            return None
        entry.uses += 1
        return entry.running

    def release(self, name: str, running: ModelRunning) -> None:
        """End a use. Harmless when the adapter is gone."""
        entry = self._loaded.get(name)
        if entry is not None and entry.running is running:
            entry.uses -= 1
            entry.used_at_s = self._clock.monotonic_s()

    async def unload_idle(self) -> None:
        """Unload, for as long as this runs, whatever was idle for too long."""
        while True:
            await self._clock.sleep_s(self._idle_s / _LOOKS_PER_IDLE)
            async with self._changing:
                latest = self._clock.monotonic_s() - self._idle_s
                for name in self._unused():
                    if self._loaded[name].used_at_s <= latest:
                        await self._end(name)

    async def close(self) -> None:
        """End every runner."""
        async with self._changing:
            for name in tuple(self._loaded):
                await self._end(name)
        await asyncio.gather(*self._ending)

    async def _start(self, name: str, adapter: bytes) -> tuple[ModelProcess, ModelRunning]:
        descriptor = _in_memory(adapter)
        process = ModelProcess(
            self._base._replace(name=name, parallel=1), self._randomness, descriptor
        )
        try:
            return process, await process.start()
        finally:
            os.close(descriptor)

    async def _make_room(self) -> None:
        unused = self._unused()
        if not unused:
            raise NotYet(
                "every place for fine-tuned models is taken; wait, or raise model.adapters",
                retry_after_s=_RETRY_S,
            )
        await self._end(unused[0])

    def _unused(self) -> list[str]:
        """Names that nobody uses, the one idle longest first."""
        idle = [(entry.used_at_s, name) for name, entry in self._loaded.items() if not entry.uses]
        return [name for _, name in sorted(idle)]

    async def _end(self, name: str) -> bool:
        entry = self._loaded.pop(name, None)
        if entry is None:
            return False
        if entry.watch is not None:
            entry.watch.cancel()
        ending = asyncio.create_task(entry.process.stop())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        # Whoever waits here may be cancelled: `close` waits for the process all the same.
        await asyncio.shield(ending)
        return True

    async def _watch(self, name: str, entry: _Loaded) -> None:
        await entry.process.ended()
        if self._loaded.get(name) is entry:
            del self._loaded[name]


def _in_memory(data: bytes) -> int:
    """A descriptor of a file that has no place on any disk."""
    descriptor = os.memfd_create("adapter", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

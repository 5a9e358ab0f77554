"""Fine-tuned models as backends, loaded when they are asked for: a driver of `ports.adapters`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from bailee.drivers.backend_llama.adapter_socket import AdapterSocket, At, Load, Unload
from bailee.kernel.errors import InvalidInput, NotYet, Unavailable
from bailee.kernel.redacted import Secret
from bailee.ports.adapters import ReadAdapter
from bailee.ports.backend import AnswerAround, Backend, BackendAnswer, BackendCall, BackendFailure

Result = TypeVar("Result")
OpenBackend = Callable[[str, Secret], Backend]
"""Makes the backend for a runner at a base URL that wants a key."""


class AdapterRunners:
    """A driver of `ports.adapters.AdapterRunner`, in front of the model runner's socket."""

    def __init__(self, host: AdapterSocket, open_backend: OpenBackend) -> None:
        self._host = host
        self._open_backend = open_backend

    async def unload_adapter(self, name: str) -> bool:
        """See `ports.adapters`."""
        return (await self._host.ask(Unload(name))).changed

    def backend(self, name: str, read: ReadAdapter) -> "AdapterBackend":
        """See `ports.adapters`."""
        return AdapterBackend(name, read, self._host, self._open_backend)


class AdapterBackend:
    """One fine-tuned model."""

    def __init__(
        self, name: str, read: ReadAdapter, host: AdapterSocket, open_backend: OpenBackend
    ) -> None:
        self._name = name
        self._read = read
        self._host = host
        self._open_backend = open_backend
        self._at = At()
        self._backend: Backend | None = None

    async def send(self, call: BackendCall) -> BackendAnswer:
        """See `ports.backend`. A runner that ended meanwhile is started again, once."""
        try:
            return await self._sent(call)
        except BackendFailure as failure:
            if not failure.retry_safe or failure.reason != "unreachable":
                raise
        return await self._sent(call)

    async def check(self) -> None:
        """See `ports.backend`. Loads the adapter."""
        writer = await self._used()
        writer.close()

    async def close(self) -> None:
        """See `ports.backend`. The adapter stays loaded until it was idle for long."""
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    async def _sent(self, call: BackendCall) -> BackendAnswer:
        backend, use = await self._ready()
        try:
            answer = await backend.send(call)
        except BaseException:
            use.close()
            raise
        return _UsedAnswer(answer, use)

    async def _ready(self) -> tuple[Backend, asyncio.StreamWriter]:
        use = await self._used()
        if self._backend is None:
            self._backend = self._open_backend(self._at.base_url, Secret(self._at.key))
        return self._backend, use

    async def _used(self) -> asyncio.StreamWriter:
        """The use of the adapter, loaded if it was not, and where it answers now."""
        at, use = await _backend_failing(self._host.use(self._name))
        if not at.base_url:
            use.close()
            adapter = await self._read()
            await _backend_failing(self._host.ask(Load(self._name, adapter)))
            at, use = await _backend_failing(self._host.use(self._name))
        if not at.base_url:
            use.close()
            raise BackendFailure(
                "the fine-tuned model was unloaded again; retry",
                reason="unreachable",
                retry_safe=True,
            )
        if at != self._at:
            await self.close()
            self._at = at
        return use


async def _backend_failing(asked: Awaitable[Result]) -> Result:
    try:
        return await asked
    except NotYet as error:
        raise BackendFailure(str(error), reason="overloaded", retry_safe=True) from None
    except (InvalidInput, Unavailable) as error:
        raise BackendFailure(str(error), reason="unreachable", retry_safe=True) from None


class _UsedAnswer(AnswerAround):
    """An answer that keeps its adapter loaded until it was read."""

    __slots__ = ("_use",)

    def __init__(self, answer: BackendAnswer, use: asyncio.StreamWriter) -> None:
        super().__init__(answer)
        self._use = use

    async def read(self) -> bytes:
        try:
            return await self._answer.read()
        finally:
            self._use.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.chunks():
                yield chunk
        finally:
            self._use.close()

    def abandon(self) -> None:
        super().abandon()
        self._use.close()

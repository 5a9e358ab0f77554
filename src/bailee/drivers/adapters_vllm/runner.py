"""Fine-tuned models on a vLLM: a driver of `ports.adapters` over its dynamic LoRA loading.

vLLM (`--enable-lora`, `VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`) loads an adapter from a folder that
`POST /v1/load_lora_adapter` names and forgets it on `POST /v1/unload_lora_adapter`. It reads the
weights at once and again only if its own cache has thrown them out, so no more adapters are loaded
than `most`, which must not be more than its `--max-cpu-loras`. They lie in a folder in memory while
it reads and nowhere after. vLLM sees names without meaning; every request names its own adapter,
whatever its body says.

What this surrenders: whoever may call this vLLM past Bailee may call every adapter that is loaded,
and its memory holds their weights in clear. An idle adapter stays until another wants its place.

Written from vLLM's documentation and source, tested against a stand-in; not tried on a real vLLM.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from bailee.drivers.adapters_vllm.folder import SharedFolder
from bailee.drivers.adapters_vllm.peft import peft_files
from bailee.kernel.errors import InvalidInput, Unavailable
from bailee.ports.adapters import ReadAdapter
from bailee.ports.backend import AnswerAround, Backend, BackendAnswer, BackendCall, BackendFailure

_OK: Final = 200
_REFUSED: Final = 400
_UNKNOWN: Final = 404
_ALREADY: Final = b"already been loaded"


class VllmAdapters:
    """A driver of `ports.adapters.AdapterRunner`."""

    def __init__(self, vllm: Backend, folder: SharedFolder, *, most: int) -> None:
        """`most` adapters are loaded at once."""
        self.vllm: Final = vllm
        self.folder: Final = folder
        self._most = most

    async def unload_adapter(self, name: str) -> bool:
        """See `ports.adapters`."""
        known = known_as(name)
        async with self.folder.changing():
            loaded = self.folder.has(known)
            try:
                await self._unloaded(known)
            except BackendFailure as failure:
                raise Unavailable(str(failure)) from None
        return loaded

    def backend(self, name: str, read: ReadAdapter) -> "VllmAdapterBackend":
        """See `ports.adapters`."""
        return VllmAdapterBackend(self, known_as(name), read)

    async def load(self, known: str, adapter: bytes) -> None:
        """Have an adapter loaded. Raises BackendFailure, Unavailable, InvalidInput."""
        files = peft_files(adapter)
        async with self.folder.changing():
            if self.folder.has(known):
                return
            if len(self.folder.names()) >= self._most:
                await self._make_room()
            with self.folder.written(files) as place:
                asked = {"lora_name": known, "lora_path": str(place)}
                status, said = await self._ask("/load_lora_adapter", asked)
            # It knows it where a process died before it could say so.
            if status != _OK and not (status == _REFUSED and _ALREADY in said):
                raise _failure(
                    f"vLLM did not load the fine-tuned model (status {status}); see that it allows "
                    "it, reads the folder and has a --max-lora-rank of 16 or more"
                )
            self.folder.add(known)

    async def forget(self, known: str) -> None:
        """vLLM was started again and knows it no more."""
        async with self.folder.changing():
            self.folder.remove(known)

    async def _make_room(self) -> None:
        for known in self.folder.names():
            if not self.folder.is_used(known):
                await self._unloaded(known)
                return
        raise BackendFailure(
            "every place for fine-tuned models is taken; wait, or raise the backend's adapters",
            reason="overloaded",
            retry_safe=True,
        )

    async def _unloaded(self, known: str) -> None:
        status, _ = await self._ask("/unload_lora_adapter", {"lora_name": known})
        if status not in (_OK, _UNKNOWN):
            raise _failure(f"vLLM did not unload a fine-tuned model (status {status})")
        self.folder.remove(known)

    async def _ask(self, path: str, asked: dict[str, str]) -> tuple[int, bytes]:
        answer = await self.vllm.send(BackendCall(path, msgspec.json.encode(asked), False))
        return answer.status, await answer.read()


class VllmAdapterBackend:
    """One fine-tuned model."""

    def __init__(self, runner: VllmAdapters, known: str, read: ReadAdapter) -> None:
        self._runner = runner
        self._known = known
        self._read = read

    async def send(self, call: BackendCall) -> BackendAnswer:
        """See `ports.backend`."""
        named = msgspec.structs.replace(call, body=_naming(call.body, self._known))
        answer = await self._sent(named)
        if answer.status != _UNKNOWN:
            return answer
        answer.abandon()
        await self._changed(self._runner.forget(self._known))
        return await self._sent(named)

    async def check(self) -> None:
        """See `ports.backend`. Loads the adapter."""
        os.close(await self._used())

    async def close(self) -> None:
        """See `ports.backend`. vLLM is reached through another's connections."""

    async def _sent(self, call: BackendCall) -> BackendAnswer:
        use = await self._used()
        try:
            return _UsedAnswer(await self._runner.vllm.send(call), use)
        except BaseException:
            os.close(use)
            raise

    async def _used(self) -> int:
        use = self._runner.folder.use(self._known)
        if use is None:
            await self._changed(self._runner.load(self._known, await self._read()))
            use = self._runner.folder.use(self._known)
        if use is None:
            raise _failure("the fine-tuned model was unloaded again; retry")
        return use

    async def _changed(self, change: Any) -> None:
        try:
            await change
        except (InvalidInput, Unavailable) as error:
            raise _failure(str(error)) from None


def known_as(name: str) -> str:
    """What vLLM calls a model: nothing of its owner, of its base or of their words."""
    return f"bailee-{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def _naming(body: bytes, known: str) -> bytes:
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    members["model"] = msgspec.Raw(msgspec.json.encode(known))
    return msgspec.json.encode(members)


def _failure(message: str) -> BackendFailure:
    return BackendFailure(message, reason="unreachable", retry_safe=True)


class _UsedAnswer(AnswerAround):
    """An answer that keeps its adapter loaded until it was read."""

    __slots__ = ("_use",)

    def __init__(self, answer: BackendAnswer, use: int) -> None:
        super().__init__(answer)
        self._use = use

    async def read(self) -> bytes:
        try:
            return await self._answer.read()
        finally:
            self._let_go()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.chunks():
                yield chunk
        finally:
            self._let_go()

    def abandon(self) -> None:
        super().abandon()
        self._let_go()

    def _let_go(self) -> None:
        use, self._use = self._use, -1
        if use >= 0:
            os.close(use)

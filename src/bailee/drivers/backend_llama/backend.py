"""The local model as a backend: the port's contract over llama.cpp's server.

It is spoken to by whatever speaks HTTP to backends, which is given; what is added here is
that mistakes of the caller are told as such (`requests`, `errors`), and that no caller reaches what
another has left in a slot: llama.cpp keeps the last prompt of each, and would go on from what a new
one shares with it, and tell how much that was; and that a call of a function can be forced
(`tools`), and that several choices are one answer (`several`). Other answers are passed on as they
come: the model's name in them is the runner's. An answer ends where the model's context ends, at
the latest, and when its connection is closed.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Final

import msgspec

from bailee.drivers.backend_llama.errors import INVALID, error_json, openai_error
from bailee.drivers.backend_llama.requests import CHAT, RequestRefused, check
from bailee.drivers.backend_llama.several import Asked, Streamed, Telling, asked
from bailee.drivers.backend_llama.tools import forced
from bailee.ports.backend import Backend, BackendAnswer, BackendCall, BackendFailure

_NOT_THE_CALLERS: Final = ("cache_prompt", "id_slot", "n_cache_reuse")
"""Members of llama.cpp's own with which a request chooses what it goes on from."""
_STARTING: Final = 503
_FIRST_ERROR: Final = 400


class LlamaBackend:
    """A driver of `ports.backend`, in front of the backend that reaches the runner."""

    def __init__(self, runner: Backend) -> None:
        self._runner = runner

    async def send(self, call: BackendCall) -> BackendAnswer:
        """Send and wait for the answer's head. Raises BackendFailure."""
        members = apart(call.body)
        call = msgspec.structs.replace(call, body=msgspec.json.encode(members))
        try:
            check(call.path, members)
            wanted = forced(call.body) if call.path == CHAT else None
            if wanted is not None:
                call = msgspec.structs.replace(call, body=wanted.body(), stream=False)
                members = msgspec.json.decode(call.body, type=dict[str, msgspec.Raw])
            several = asked(call.path, members)
        except RequestRefused as refused:
            return _Read(_FIRST_ERROR, error_json(str(refused), INVALID, refused.field))
        answer = await self._ask(call, several)
        if answer.status < _FIRST_ERROR:
            if wanted is not None:
                media, told = wanted.answer(await answer.read())
                return _Read(answer.status, told, media)
            return answer
        body = await answer.read()
        if answer.status == _STARTING:
            raise BackendFailure(
                "the model is loading; wait", reason="unreachable", retry_safe=True
            )
        schema = "response_format" if wanted is None else "tools"
        return _Read(*openai_error(answer.status, body, call.path, schema))

    async def _ask(self, call: BackendCall, several: Asked) -> BackendAnswer:
        """The answer, told as one however many there are; or the first error."""
        telling = Telling(several)

        def send(number: int) -> Awaitable[BackendAnswer]:
            return self._runner.send(msgspec.structs.replace(call, body=several.body(number)))

        answer = await send(0)
        plain = several.requests == 1 and not several.text
        if plain or answer.status >= _FIRST_ERROR:
            return answer
        if call.stream:
            return Streamed(answer, several.requests, send, telling)
        bodies = [await answer.read()]
        for number in range(1, several.requests):
            answer = await send(number)
            if answer.status >= _FIRST_ERROR:
                return answer
            bodies.append(await answer.read())
        return _Read(answer.status, telling.whole(bodies))

    async def check(self) -> None:
        """Return if the runner answers. Raises BackendFailure."""
        await self._runner.check()

    async def close(self) -> None:
        """Close idle connections."""
        await self._runner.close()


class _Read:
    """An answer or error of the model, already read and rewritten."""

    __slots__ = ("_body", "content_type", "status")

    def __init__(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.status = status
        self.content_type = content_type
        self._body = body

    def retry_after_s(self) -> float | None:
        return None

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._body:
            yield await self.read()

    def abandon(self) -> None:
        self._body = b""


def apart(body: bytes) -> dict[str, msgspec.Raw]:
    """A request's members, so that it begins with nothing of an earlier one, whatever it asks."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for name in _NOT_THE_CALLERS:
        members.pop(name, None)
    members["cache_prompt"] = msgspec.Raw(b"false")
    return members

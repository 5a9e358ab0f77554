"""The local model as a backend: the port's contract over llama.cpp's server.

It is spoken to by whatever speaks HTTP to backends, which is given; what is added here is
OpenAI's shape for llama.cpp's errors, and that no caller reaches what another has left in a slot:
llama.cpp keeps the last prompt of each, and would go on from what a new one shares with it, and
tell how much that was; and that a call of a function can be forced (`tools`). Other answers are
passed on byte for byte: the model's name in them is the runner's.
"""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from bailee.drivers.backend_llama.tools import ForcingRefused, forced
from bailee.ports.backend import Backend, BackendAnswer, BackendCall, BackendFailure

_CHAT: Final = "/chat/completions"
_CONTEXT: Final = "exceed_context_size_error"
_NOT_THE_CALLERS: Final = ("cache_prompt", "id_slot", "n_cache_reuse")
"""Members of llama.cpp's own with which a request chooses what it goes on from."""
_STARTING: Final = 503
_FIRST_ERROR: Final = 400
_INVALID: Final = "invalid_request_error"
_TYPES: Final = {400: _INVALID, 401: _INVALID, 403: _INVALID, 404: _INVALID, 501: _INVALID}
_STATUSES: Final = {501: 400}
"""llama.cpp says 501 of what a model or build does not support: the caller's to change."""


class _LlamaError(msgspec.Struct):
    message: str = ""
    type: str = ""
    code: int | str | None = None
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Document(msgspec.Struct):
    error: _LlamaError


class LlamaBackend:
    """A driver of `ports.backend`, in front of the backend that reaches the runner."""

    def __init__(self, runner: Backend) -> None:
        self._runner = runner

    async def send(self, call: BackendCall) -> BackendAnswer:
        """Send and wait for the answer's head. Raises BackendFailure."""
        call = msgspec.structs.replace(call, body=apart(call.body))
        try:
            wanted = forced(call.body) if call.path == _CHAT else None
            if wanted is not None:
                call = msgspec.structs.replace(call, body=wanted.body(), stream=False)
        except ForcingRefused as refused:
            return _Read(_FIRST_ERROR, _error(str(refused), _INVALID, refused.field, None))
        answer = await self._runner.send(call)
        if answer.status < _FIRST_ERROR:
            if wanted is None:
                return answer
            media, told = wanted.answer(await answer.read())
            return _Read(answer.status, told, media)
        body = await answer.read()
        if answer.status == _STARTING:
            raise BackendFailure(
                "the model is loading; wait", reason="unreachable", retry_safe=True
            )
        return _Read(_STATUSES.get(answer.status, answer.status), openai_error(answer.status, body))

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


def apart(body: bytes) -> bytes:
    """A request that begins with nothing of an earlier one, whatever it asks."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for name in _NOT_THE_CALLERS:
        members.pop(name, None)
    members["cache_prompt"] = msgspec.Raw(b"false")
    return msgspec.json.encode(members)


def openai_error(status: int, body: bytes) -> bytes:
    """An error of llama.cpp in OpenAI's shape.

    llama.cpp writes a number as `code` and types of its own. Its messages quote the request here
    and there; they go back to the caller who sent it and nowhere else.
    """
    try:
        error = msgspec.json.decode(body, type=_Document).error
    except (msgspec.DecodeError, RecursionError):
        error = _LlamaError("The model could not answer this request.")
    kind = _TYPES.get(status, "server_error")
    field: str | None = None
    code: str | None = error.code if isinstance(error.code, str) else None
    message = error.message
    if error.type == _CONTEXT:
        field, code = "messages", "context_length_exceeded"
        message = (
            f"This model's maximum context length is {error.n_ctx} tokens. However, your messages "
            f"resulted in {error.n_prompt_tokens} tokens. Please reduce the length of the messages."
        )
    return _error(message, kind, field, code)


def _error(message: str, kind: str, field: str | None, code: str | None) -> bytes:
    return msgspec.json.encode(
        {"error": {"message": message, "type": kind, "param": field, "code": code}}
    )

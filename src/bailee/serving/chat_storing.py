"""A chat completion that its owner wants kept: it gets an identifier of Bailee's, and is gathered.

Backends give names that others may use, too, and what is kept is asked for by name. Apart from the
name, answers pass as they come.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from bailee.kernel.event_streams import Events, data_of
from bailee.ports.backend import AnswerAround, BackendAnswer, BackendCall
from bailee.serving.call import Call, forwarded_body
from bailee.serving.errors import CallRefused
from bailee.serving.streaming import ChatEnding

Document = dict[str, Any]

_DONE: Final = b"[DONE]"
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ChatStoring:
    """One call's translation: the same language, another name."""

    def __init__(self, call: Call, name: str) -> None:
        self.ending: Final = ChatEnding(call.choices)
        self.completion: Document | None = None
        """As the client has it; None until something of it has come."""
        self._call = call
        self._name = msgspec.json.encode(name)

    def backend_call(self, upstream_model: str, *, native: bool) -> BackendCall:  # noqa: ARG002
        """What the backend is asked."""
        body = forwarded_body(self._call, upstream_model)
        return BackendCall(self._call.operation.backend_path, body, self._call.stream)

    def answer(self, answer: BackendAnswer) -> BackendAnswer:
        """The backend's answer under its name here."""
        return _Named(answer, self)

    def error_event(self, refused: CallRefused) -> bytes | None:  # noqa: ARG002
        """The API's own."""
        return None

    def named(self, data: bytes) -> bytes:
        """A completion or a chunk of one under its name here; what is no object, as it is."""
        try:
            members = _MEMBERS.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return data
        if "choices" not in members:
            return data
        members["id"] = msgspec.Raw(self._name)
        return msgspec.json.encode(members)

    def gather(self, data: bytes) -> None:
        """Take a completion, or add a chunk."""
        document = msgspec.json.decode(data)
        if self.completion is None:
            self.completion = _begun(document)
        add_chunk(self.completion, document)


class _Named(AnswerAround):
    """An answer under another name."""

    def __init__(self, answer: BackendAnswer, storing: ChatStoring) -> None:
        super().__init__(answer)
        self._storing = storing

    async def read(self) -> bytes:
        body = await self._answer.read()
        if self.status >= 300:
            return body
        named = self._storing.named(body)
        if named is not body:
            self._storing.completion = msgspec.json.decode(named)
        return named

    async def chunks(self) -> AsyncIterator[bytes]:
        events = Events()
        async for chunk in self._answer.chunks():
            told = self._told(events.feed(chunk))
            if told:
                yield told
        told = self._told(events.rest)
        if told:
            yield told

    def _told(self, block: bytes) -> bytes:
        written: list[bytes] = []
        for data in data_of(block):
            named = self._storing.named(data)
            if named is not data:
                self._storing.gather(named)
            written.append(b"data: " + named.replace(b"\n", b"\ndata: ") + b"\n\n")
        return b"".join(written)


def _begun(chunk: Document) -> Document:
    completion: Document = {
        "id": chunk["id"],
        "object": "chat.completion",
        "created": chunk.get("created"),
        "model": chunk.get("model"),
        "choices": [],
        "usage": None,
    }
    for name in ("service_tier", "system_fingerprint"):
        if chunk.get(name) is not None:
            completion[name] = chunk[name]
    return completion


def add_chunk(completion: Document, chunk: Document) -> None:
    """Add a chunk to the completion that it belongs to."""
    if chunk.get("usage"):
        completion["usage"] = chunk["usage"]
    for said in chunk.get("choices") or ():
        choice = _choice(completion["choices"], said.get("index", 0))
        _add_delta(choice["message"], said.get("delta") or {})
        if said.get("finish_reason"):
            choice["finish_reason"] = said["finish_reason"]
        logprobs = (said.get("logprobs") or {}).get("content")
        if logprobs:
            choice["logprobs"] = choice["logprobs"] or {"content": [], "refusal": None}
            choice["logprobs"]["content"] += logprobs


def _choice(choices: list[Document], index: int) -> Document:
    for choice in choices:
        if choice["index"] == index:
            return choice
    message: Document = {"role": "assistant", "content": None, "refusal": None}
    choices.append({"index": index, "message": message, "logprobs": None, "finish_reason": None})
    choices.sort(key=lambda choice: int(choice["index"]))
    return _choice(choices, index)


def _add_delta(message: Document, delta: Document) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            for call in value or ():
                _add_call(calls, call)
        elif name != "role" and isinstance(value, str):
            message[name] = (message.get(name) or "") + value


def _add_call(calls: list[Document], said: Document) -> None:
    while len(calls) <= said.get("index", 0):
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[said.get("index", 0)], said.get("function") or {}
    call["id"] = said.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""

"""Between a client that speaks Responses and the backend that answers.

A backend that speaks Responses itself gets the request nearly as it came, and its answer passes
byte for byte. Any other gets a chat completion to answer. Either way `response` is the Response
once it is whole, exactly as the client has it.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from bailee.kernel.event_streams import MAX_EVENT_BYTES, Events, data_of
from bailee.ports.backend import AnswerAround, BackendAnswer, BackendCall, BackendFailure
from bailee.serving.errors import CallRefused
from bailee.serving.responses.events import ResponseEnding, ResponseEvents
from bailee.serving.responses.frame import Document, Made, encoded
from bailee.serving.responses.items import Item
from bailee.serving.responses.request import CreateResponse

_DONE: Final = b"[DONE]"
_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponseTranslation:
    """One call's. `before` are the items that stand before the request's own."""

    def __init__(
        self,
        request: CreateResponse,
        made: Made,
        now_s: Callable[[], int],
        before: list[Item] | None = None,
    ) -> None:
        self.request: Final = request
        self.made: Final = made
        self.ending: Final = ResponseEnding()
        self.response: Document | None = None
        """As the client has it; None until it is whole."""
        self._now_s = now_s
        self._before = before or []
        self._native = False
        self._events: ResponseEvents | None = None

    def backend_call(self, upstream_model: str, *, native: bool) -> BackendCall:
        """What the backend is asked. Raises CallRefused for what chat cannot say."""
        self._native = native
        stream = self.request.fields.stream is True
        if native:
            body = self.request.native_body(upstream_model, self._before)
            return BackendCall("/responses", body, stream)
        body = self.request.chat_body(upstream_model, self._before)
        return BackendCall("/chat/completions", body, stream)

    def answer(self, answer: BackendAnswer) -> BackendAnswer:
        """The backend's answer as the client gets it."""
        if self._native:
            return _Native(answer, self)
        return _Translated(answer, self)

    def error_event(self, refused: CallRefused) -> bytes | None:
        """The last event of a stream that broke off; None: the API's own."""
        if self._events is None:
            return None
        written = self._events.fail(refused)
        self.response = self._events.response
        return written

    def begin(self) -> bytes:
        """The events before anything was answered."""
        self._events = ResponseEvents(self.request, self.made)
        return self._events.begin()

    def take(self, block: bytes) -> bytes:
        """The events that follow from a block of chat's events. Raises BackendFailure."""
        events = self._started()
        told: list[bytes] = []
        for data in data_of(block):
            if data == _DONE:
                told.append(self.end())
                break
            chunk = _decoded(data)
            if isinstance(chunk, dict) and chunk.get("error"):
                raise _broken("the backend ended its answer with an error")
            told.append(events.take(chunk))
        return b"".join(told)

    def end(self) -> bytes:
        """The events that end a whole answer; nothing if they were given."""
        if self.response is not None:
            return b""
        events = self._started()
        written = events.end(self._now_s())
        self.response = events.response
        return written

    @property
    def finished(self) -> bool:
        """Whether a translated answer has come to its end."""
        return self.response is not None or self._started().finished

    def whole(self, body: bytes) -> bytes:
        """A whole chat completion as a Response. Raises BackendFailure."""
        chat = _decoded(body)
        if not isinstance(chat, dict) or not chat.get("choices"):
            raise _broken("the backend's answer is not a chat completion")
        made = ResponseEvents(self.request, self.made).whole(chat, self._now_s())
        self.response = made
        return encoded(made)

    def _started(self) -> ResponseEvents:
        if self._events is None:
            self._events = ResponseEvents(self.request, self.made)
        return self._events


class _Wrapped(AnswerAround):
    """What is the same about an answer in either language."""

    def __init__(self, answer: BackendAnswer, translation: ResponseTranslation) -> None:
        super().__init__(answer)
        self._translation = translation


class _Translated(_Wrapped):
    """A chat answer, told as a Response."""

    async def read(self) -> bytes:
        body = await self._answer.read()
        if self.status >= 300:
            return _renamed(body, self._translation.request.place_of)
        return self._translation.whole(body)

    async def chunks(self) -> AsyncIterator[bytes]:
        translation, events = self._translation, Events()
        yield translation.begin()
        try:
            async for chunk in self._answer.chunks():
                told = translation.take(events.feed(chunk))
                if told:
                    yield told
                if len(events.rest) > MAX_EVENT_BYTES:
                    raise _broken("the backend sent an endless event")
        except BackendFailure:
            # What breaks off behind the end of an answer is not its client's business.
            if translation.response is None:
                raise
            return
        told = translation.take(events.rest)
        if not translation.finished:
            raise _broken("the backend ended its answer before the end")
        yield told + translation.end()


class _Native(_Wrapped):
    """A Response, passed on as it comes."""

    async def read(self) -> bytes:
        body = await self._answer.read()
        if self.status < 300:
            self._translation.response = _object(_decoded(body))
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        events = Events()
        async for chunk in self._answer.chunks():
            self._look(events.feed(chunk))
            yield chunk
        self._look(events.rest)

    def _look(self, block: bytes) -> None:
        for data in data_of(block):
            if b"response." in data[:64] and b'"response"' in data:
                event = _object(_decoded(data)) or {}
                if event.get("type") in _LAST:
                    self._translation.response = _object(event.get("response"))


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise _broken("the backend's answer is not JSON") from None


def _object(value: Any) -> Document | None:
    return value if isinstance(value, dict) else None


def _renamed(body: bytes, place_of: Callable[[str], str]) -> bytes:
    """A chat backend's error, in the words of whoever sent a Responses request."""
    try:
        document = msgspec.json.decode(body)
        error = document["error"]
        field = error["param"]
        if not isinstance(field, str) or (place := place_of(field)) == field:
            return body
        error["param"] = place
        if isinstance(error.get("message"), str):
            error["message"] = error["message"].replace(f"'{field}'", f"'{place}'")
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError, AttributeError):
        return body
    return msgspec.json.encode(document)


def _broken(message: str) -> BackendFailure:
    return BackendFailure(message, reason="broken", retry_safe=False)

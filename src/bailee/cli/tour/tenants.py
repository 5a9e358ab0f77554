"""Three organisations that use the installation as anybody would: by the official OpenAI SDK.

Every request is made once (`max_retries=0`) over TLS verified with the installation's own bundle.
An answer counts when it came to its end; what a killed process swallowed is not an answer. The
bytes that went over the wire are kept until their receipt has been checked.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final, NamedTuple

import httpx2
import openai

from bailee.cli.house import House
from bailee.cli.tour.house import MOCK_MODEL
from bailee.kernel.ids import RecordId
from bailee.wiring.operating import administration

ORGANISATIONS: Final = ("Alder Clinic", "Birch Press", "Cedar Bank")
_TIMEOUT_S: Final = 30.0
_SYSTEM: Final = "You answer in one sentence."
_TOPICS: Final = (
    "how a lock works",
    "why tides come twice a day",
    "what a notary is for",
    "how paper was made",
    "who keeps the keys of a house",
)


class Exchange(NamedTuple):
    """One answered request, and what its receipt is about."""

    tenant: int
    record: RecordId
    receipt_key: bytes
    request: bytes
    answer: bytes


class Unanswered(NamedTuple):
    """A request that got no answer, or not all of it."""

    tenant: int
    why: str


Outcome = Exchange | Unanswered


class _Received(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that remembers what came."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.data = bytearray()

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self.data += part
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self.data += part
            yield part

    def close(self) -> None:
        """End a body."""
        self._stream.close()

    async def aclose(self) -> None:
        """End a body."""
        await self._stream.aclose()


def _remember(response: httpx2.Response) -> None:
    response.stream = _Received(response.stream)


async def _remember_async(response: httpx2.Response) -> None:
    _remember(response)


class Tenant:
    """One organisation with its project's key, and its clients, sync and async."""

    def __init__(self, number: int, key: str, house: House, trust: ssl.SSLContext) -> None:
        self.number = number
        self.key = key
        base_url = f"{house.address}/v1"
        self._sync = openai.OpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,
            timeout=_TIMEOUT_S,
            http_client=httpx2.Client(verify=trust, event_hooks={"response": [_remember]}),
        )
        self._async = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,
            timeout=_TIMEOUT_S,
            http_client=httpx2.AsyncClient(
                verify=trust, event_hooks={"response": [_remember_async]}
            ),
        )
        self._sent = 0

    async def ask(self, model: str = MOCK_MODEL) -> Outcome:
        """Send one request, each time in another of the ways that the SDK has."""
        way, self._sent = self._sent % 5, self._sent + 1
        topic = _TOPICS[self._sent % len(_TOPICS)]
        ways: tuple[Callable[[str, str], Coroutine[Any, Any, Any]], ...] = (
            self._chat,
            self._chat_streamed,
            self._text,
            self._chat_sync,
            self._chat_streamed_sync,
        )
        try:
            raw = await ways[way](model, f"Tell me {topic}, number {self._sent}.")
        except openai.OpenAIError as error:
            return Unanswered(self.number, type(error).__name__)
        except httpx2.HTTPError as error:
            return Unanswered(self.number, type(error).__name__)
        return Exchange(
            self.number,
            RecordId.parse(raw.headers["bailee-record"]),
            bytes.fromhex(raw.headers["bailee-receipt-key"]),
            raw.http_request.content,
            bytes(raw.http_response.stream.data),
        )

    async def close(self) -> None:
        """Close the connections."""
        self._sync.close()
        await self._async.close()

    async def _chat(self, model: str, text: str) -> Any:
        raw = await self._async.chat.completions.with_raw_response.create(
            model=model, messages=_messages(text), max_completion_tokens=16
        )
        _require(raw.parse().choices[0].message.content)
        return raw

    async def _chat_streamed(self, model: str, text: str) -> Any:
        raw = await self._async.chat.completions.with_raw_response.create(
            model=model, messages=_messages(text), max_completion_tokens=16, stream=True
        )
        pieces = [_piece(chunk) async for chunk in raw.parse()]
        _require("".join(pieces))
        return raw

    async def _text(self, model: str, text: str) -> Any:
        raw = await self._async.completions.with_raw_response.create(
            model=model, prompt=text, max_tokens=16
        )
        _require(raw.parse().choices[0].text)
        return raw

    async def _chat_sync(self, model: str, text: str) -> Any:
        def ask() -> Any:
            raw = self._sync.chat.completions.with_raw_response.create(
                model=model, messages=_messages(text), max_completion_tokens=16
            )
            _require(raw.parse().choices[0].message.content)
            return raw

        return await asyncio.to_thread(ask)

    async def _chat_streamed_sync(self, model: str, text: str) -> Any:
        def ask() -> Any:
            raw = self._sync.chat.completions.with_raw_response.create(
                model=model, messages=_messages(text), max_completion_tokens=16, stream=True
            )
            _require("".join(_piece(chunk) for chunk in raw.parse()))
            return raw

        return await asyncio.to_thread(ask)


class _CutShort(openai.OpenAIError):
    """A stream that ended before its end, or an answer that says nothing."""


def _messages(text: str) -> Any:
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}]


def _piece(chunk: Any) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def _require(text: str | None) -> None:
    if not text:
        raise _CutShort("the answer is empty")


async def make_tenants(house: House, trust: ssl.SSLContext) -> list[Tenant]:
    """Make the organisations, each with a project and a key."""
    keys = []
    async with administration(house.settings) as installation:
        for name in ORGANISATIONS:
            project = await installation.create_project(organisation=name, name="Assistant")
            made = await installation.create_key(
                project=project["id"], name="tour", expires_in_days=None
            )
            keys.append(made["key"])
    return [Tenant(number, key, house, trust) for number, key in enumerate(keys)]

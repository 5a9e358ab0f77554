"""Several choices and prompts of one request, each asked for by itself and told as one answer.

llama.cpp takes `n` and several prompts itself, but at most as many as it has slots; it states the
usage of one of them alone, and its streams then have events that say nothing. So each choice of
each prompt is a request of its own here, one after another; what comes back is one answer in
OpenAI's order, whose usage is the sum. A choice is asked for with the request's seed and its
number added. Text completions are told in OpenAI's shape, which for them has names and log
probabilities of its own; offsets count from where the text begins.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from bailee.drivers.backend_llama.requests import COMPLETIONS, RequestRefused
from bailee.kernel.event_streams import Events, data_of
from bailee.kernel.redacted import hidden
from bailee.ports.backend import AnswerAround, BackendAnswer, BackendFailure

_FIRST_ERROR: Final = 400
_DATA: Final = b"data: "
_DONE: Final = b"[DONE]"
_USUAL_TOKENS: Final = 16
"""Of a text completion that names no limit, as OpenAI's API says."""
_MOST: Final = 128
"""Answers to one request."""
_OF_ONE: Final = ("usage", "timings")
"""Members that tell of one choice alone."""


class Asked(NamedTuple):
    """What the runner is asked in place of one request."""

    members: dict[str, msgspec.Raw]
    """What all have in common."""
    prompts: list[msgspec.Raw | None]
    """None: the prompt is among the members."""
    choices: int
    """Of each prompt."""
    seed: int | None
    text: bool
    """Whether it is a text completion."""
    usage_told: bool
    """Whether a stream ends with its usage."""

    def __repr__(self) -> str:
        return hidden(self)

    @property
    def requests(self) -> int:
        """How many requests it takes."""
        return len(self.prompts) * self.choices

    def body(self, number: int) -> bytes:
        """One of them."""
        at, choice = divmod(number, self.choices)
        prompt, own = self.prompts[at], {}
        if prompt is not None:
            own["prompt"] = prompt
        if choice and self.seed is not None:
            own["seed"] = msgspec.Raw(msgspec.json.encode(self.seed + choice))
        return msgspec.json.encode(self.members | own)


def asked(path: str, members: Mapping[str, msgspec.Raw]) -> Asked:
    """Take a request that was checked apart. Raises RequestRefused where it asks for too much."""
    own = dict(members)
    choices = msgspec.json.decode(own.pop("n", b"null"), type=int | None) or 1
    prompts: list[msgspec.Raw | None] = [None]
    if path == COMPLETIONS:
        prompts = _prompts(own.get("prompt"))
        if bytes(own.get("max_tokens", b"null")) == b"null":
            own["max_tokens"] = msgspec.Raw(b"%d" % _USUAL_TOKENS)
    if len(prompts) * choices > _MOST:
        raise RequestRefused(
            f"'prompt' and 'n' ask for more than {_MOST} answers at once of this model. Ask for "
            "them in several requests.",
            "prompt",
        )
    seed = msgspec.json.decode(own.get("seed", b"null"))
    options = msgspec.json.decode(own.get("stream_options", b"null"))
    told = isinstance(options, dict) and options.get("include_usage") is True
    numbered = seed if type(seed) is int else None
    return Asked(own, prompts, choices, numbered, path == COMPLETIONS, told)


def _prompts(given: msgspec.Raw | None) -> list[msgspec.Raw | None]:
    """The prompts of a text completion. An array of numbers is one prompt, in tokens."""
    if given is None or not bytes(given).lstrip().startswith(b"["):
        return [None]
    several = msgspec.json.decode(given, type=list[msgspec.Raw])
    tokens = all(bytes(one).lstrip()[:1] not in (b'"', b"[") for one in several)
    return [None] if tokens else list(several)


class Telling:
    """Tells the runner's answers, one after another, as one answer."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head: dict[str, Any] = {}
        self._prompt_tokens = self._completion_tokens = 0
        self._offset = 0

    def whole(self, bodies: list[bytes]) -> bytes:
        """Answers that are not streamed."""
        told: dict[str, Any] = {}
        for number, body in enumerate(bodies):
            self.next()
            document = self._told(msgspec.json.decode(body), number)
            if told:
                told["choices"] += document["choices"]
            else:
                told = document
        told["usage"] = self._usage()
        return msgspec.json.encode(told)

    def event(self, data: bytes, number: int) -> bytes | None:
        """An event of the answer with this number; None: it is for us alone.

        Raises BackendFailure where the model says that it failed: its own words are not passed on.
        """
        document = msgspec.json.decode(data)
        if not isinstance(document, dict):
            return None
        if "error" in document:
            raise BackendFailure(
                "the model failed in the middle of its answer", reason="broken", retry_safe=False
            )
        told = self._told(document, number)
        if not told["choices"]:
            return None
        if (
            "usage" in document
            and number == self._asked.requests - 1
            and not self._asked.usage_told
        ):
            # Not asked for, and told all the same by the runner: what is used is counted by it.
            told["usage"] = self._usage()
        return _event(told)

    def end(self) -> bytes:
        """What a stream ends with."""
        usage = {**self._head, "choices": [], "usage": self._usage()}
        return (_event(usage) if self._asked.usage_told else b"") + _DATA + _DONE + b"\n\n"

    def next(self) -> None:
        """Another answer begins."""
        self._offset = 0

    def _told(self, document: dict[str, Any], number: int) -> dict[str, Any]:
        usage = document.get("usage")
        if isinstance(usage, dict):
            self._completion_tokens += usage["completion_tokens"]
            if number % self._asked.choices == 0:
                self._prompt_tokens += usage["prompt_tokens"]
        if not self._head:
            named = document["id"].replace("chatcmpl-", "cmpl-") if self._asked.text else None
            self._head = {
                name: document[name] for name in ("created", "model", "object") if name in document
            } | {"id": named or document["id"]}
        told = {name: one for name, one in document.items() if name not in _OF_ONE} | self._head
        for choice in told["choices"]:
            choice["index"] = number
            if self._asked.text and choice.get("logprobs") is not None:
                choice["logprobs"] = self._logprobs(choice["logprobs"]["content"])
        return told

    def _logprobs(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        """In the shape of text completions."""
        offsets = []
        for one in content:
            offsets.append(self._offset)
            self._offset += len(one["token"])
        return {
            "tokens": [one["token"] for one in content],
            "token_logprobs": [one["logprob"] for one in content],
            "top_logprobs": [
                {top["token"]: top["logprob"] for top in [*one["top_logprobs"], one]}
                for one in content
            ],
            "text_offset": offsets,
        }

    def _usage(self) -> dict[str, Any]:
        taken, given = self._prompt_tokens, self._completion_tokens
        return {
            "prompt_tokens": taken,
            "completion_tokens": given,
            "total_tokens": taken + given,
            "prompt_tokens_details": {"cached_tokens": 0},
        }


class Streamed(AnswerAround):
    """The answers of a streamed request as one; `ask` asks for that with a number."""

    __slots__ = ("_ask", "_count", "_telling")

    def __init__(
        self,
        first: BackendAnswer,
        count: int,
        ask: Callable[[int], Awaitable[BackendAnswer]],
        telling: Telling,
    ) -> None:
        super().__init__(first)
        self._count = count
        self._ask = ask
        self._telling = telling

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Whole events."""
        for number in range(self._count):
            if number:
                self._telling.next()
                self._answer = await self._ask(number)
                if self._answer.status >= _FIRST_ERROR:
                    self.abandon()
                    raise BackendFailure(
                        "the model stopped between two choices", reason="broken", retry_safe=False
                    )
            events = Events()
            async for chunk in self._answer.chunks():
                for data in data_of(events.feed(chunk)):
                    told = None if data == _DONE else self._telling.event(data, number)
                    if told is not None:
                        yield told
        yield self._telling.end()


def _event(document: dict[str, Any]) -> bytes:
    return _DATA + msgspec.json.encode(document) + b"\n\n"

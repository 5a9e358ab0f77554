"""The names of text completions: llama.cpp gives them those of chat completions.

Nothing else of an answer is changed. What a model writes cannot be taken for a name: quotation
marks within a JSON string are escaped.
"""

from collections.abc import AsyncIterator
from typing import Final

from bailee.ports.backend import BackendAnswer

_THEIRS: Final = b'"id":"chatcmpl-'
_OURS: Final = b'"id":"cmpl-'


class Renamed:
    """An answer whose completion is named as OpenAI names one."""

    __slots__ = ("_answer",)

    def __init__(self, answer: BackendAnswer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def content_type(self) -> str:
        return self._answer.content_type

    def retry_after_s(self) -> float | None:
        return self._answer.retry_after_s()

    async def read(self) -> bytes:
        return (await self._answer.read()).replace(_THEIRS, _OURS)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Whole lines: a name stands within one."""
        rest = b""
        async for chunk in self._answer.chunks():
            lines, end, rest = (rest + chunk).rpartition(b"\n")
            if end:
                yield (lines + end).replace(_THEIRS, _OURS)
        if rest:
            yield rest.replace(_THEIRS, _OURS)

    def abandon(self) -> None:
        self._answer.abandon()

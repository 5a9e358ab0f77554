"""How many tokens a call used, read off the answer without parsing it.

Inside a JSON string a quotation mark is escaped, so a bare `"usage":` is a member's name wherever
it stands; the last one of an answer counts. A stream without usage counts one token for each event.
Good enough for rate limits and for counting, and nothing else relies on it.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from bailee.governance.usage.model import UsageKey
from bailee.kernel.instants import Instant

_TAIL_BYTES: Final = 2048
_USAGE: Final = b'"usage"'
# As most backends write it; whatever else there is, the names are looked for one by one.
_USUAL: Final = re.compile(
    rb'"usage":\s*\{\s*"(?:prompt|input)_tokens":\s*(\d{1,12}),\s*'
    rb'"(?:completion|output)_tokens":\s*(\d{1,12})'
)
_NAMED: Final = re.compile(rb'"(prompt|input|completion|output|total)_tokens"\s*:\s*(\d{1,12})')


class Used(NamedTuple):
    """What a call used."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.input_tokens + self.output_tokens


Count = Callable[[UsageKey, int, int, Instant], None]
"""Counts a call: under what, input tokens, output tokens, when. Never waits."""


def uncounted(_key: UsageKey, _input: int, _output: int, _now: Instant) -> None:
    """Count nothing."""


def used_tokens(answer: bytes) -> Used | None:
    """What the last usage near the answer's end says, or None."""
    begin = max(0, len(answer) - _TAIL_BYTES)
    at = answer.rfind(_USAGE, begin)
    if at >= 0:
        usual = _USUAL.match(answer, at)
        if usual is not None:
            return Used(int(usual[1]), int(usual[2]))
    named = {name: int(number) for name, number in _NAMED.findall(answer, begin)}
    if not named:
        return None
    read = named.get(b"prompt", named.get(b"input", 0))
    written = named.get(b"completion", named.get(b"output", 0))
    return Used(read, max(written, named.get(b"total", 0) - read))

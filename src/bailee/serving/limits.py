"""Rate limits per key and per project: taken before the call, completed after it.

A call counts as one request and as an estimate of its tokens; what it really used beyond the
estimate is added when it is known. The headers show whichever limit is nearest, and in a refusal
the one that refused. Counting is the port's; nothing here waits.
"""

import hashlib
from contextlib import suppress
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from bailee.kernel.instants import Instant
from bailee.ports.rate_limit import Allowance, RateLimit
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused

Headers = list[tuple[str, str]]


class Subject(NamedTuple):
    """One thing that is counted, with its limit a minute."""

    name: bytes
    limit_per_minute: int
    whose: str
    """As a refusal says it."""


class Gauges(NamedTuple):
    """What a caller's calls count against; made once for each plan."""

    requests: tuple[Subject, ...]
    tokens: tuple[Subject, ...]


class Admission(Struct, frozen=True):
    """A call that was let in."""

    headers: Headers
    estimated_tokens: int


def gauges_of(caller: Caller, model: str = "") -> Gauges:
    """The limits that are set for a key, its project, and the project's use of a model."""
    all_ = [
        (b"k" + caller.key_id, caller.key_limits, "this API key"),
        (b"p" + caller.project, caller.project_limits, "this project"),
    ]
    own = caller.model_limits.get(model)
    if own is not None:
        name = hashlib.blake2b(caller.project + model.encode(), digest_size=16).digest()
        all_.append((b"m" + name, own, f"the model `{model[:128]}` in this project"))
    return Gauges(
        tuple(
            Subject(b"r" + name, limits.requests_per_minute, whose)
            for name, limits, whose in all_
            if limits.requests_per_minute
        ),
        tuple(
            Subject(b"t" + name, limits.tokens_per_minute, whose)
            for name, limits, whose in all_
            if limits.tokens_per_minute
        ),
    )


class Limits:
    """Admits calls within the limits of their key and project."""

    def __init__(self, rate_limit: RateLimit) -> None:
        self._rate_limit = rate_limit

    def admit(self, gauges: Gauges, estimated_tokens: int, now: Instant) -> Admission:
        """Count a call. Raises CallRefused (REQUEST_LIMIT, TOKEN_LIMIT), with the headers."""
        headers: Headers = []
        if gauges.requests:
            try:
                self._count(gauges.requests, 1, now, _REQUESTS, headers)
            except CallRefused as refused:
                # Nothing of it is counted, but what is left is told of both.
                with suppress(CallRefused):
                    self._count(gauges.tokens, 0, now, _TOKENS, headers)
                refused.headers = tuple(headers)
                raise
        if gauges.tokens:
            self._count(gauges.tokens, estimated_tokens, now, _TOKENS, headers)
        return Admission(headers, estimated_tokens)

    def settle(self, gauges: Gauges, admission: Admission, used: int, now: Instant) -> None:
        """Count what a call used beyond its estimate."""
        beyond = used - admission.estimated_tokens
        if beyond > 0:
            for subject in gauges.tokens:
                self._rate_limit.add(subject.name, beyond, now)

    def _count(
        self,
        subjects: tuple[Subject, ...],
        amount: int,
        now: Instant,
        counted: "_Counted",
        headers: Headers,
    ) -> None:
        take = self._rate_limit.take
        nearest: Allowance | None = None
        for name, limit, whose in subjects:
            # A call above the whole limit may use it up; it could never be let in otherwise.
            taken = take(name, min(limit, amount), limit, now)
            if not taken.allowed:
                headers += counted.headers(taken)
                raise _refused(counted, taken, whose, headers)
            if nearest is None or taken.remaining < nearest.remaining:
                nearest = taken
        if nearest is not None:
            headers += counted.headers(nearest)


class _Counted(NamedTuple):
    """One of the two things that are counted, and what is said of it."""

    what: str
    because: Because
    limit_header: str
    remaining_header: str
    reset_header: str

    def headers(self, allowance: Allowance) -> tuple[tuple[str, str], ...]:
        return (
            (self.limit_header, str(allowance.limit)),
            (self.remaining_header, str(allowance.remaining)),
            (self.reset_header, duration_text(allowance.reset_after_ms)),
        )


def _counted(what: str, because: Because) -> _Counted:
    kinds = ("limit", "remaining", "reset")
    return _Counted(what, because, *(f"x-ratelimit-{kind}-{what}" for kind in kinds))


_REQUESTS: Final = _counted("requests", Because.REQUEST_LIMIT)
_TOKENS: Final = _counted("tokens", Because.TOKEN_LIMIT)


@lru_cache(maxsize=1 << 16)
def duration_text(duration_ms: int) -> str:
    """As the API writes durations: `20ms`, `1.5s`, `1m0s`."""
    if duration_ms < 1000:
        return f"{duration_ms}ms"
    minutes, rest_ms = divmod(duration_ms, 60_000)
    seconds = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _refused(counted: _Counted, allowance: Allowance, whose: str, headers: Headers) -> CallRefused:
    return CallRefused(
        counted.because,
        f"Rate limit reached for {counted.what} per minute of {whose}: limit {allowance.limit}, "
        f"remaining {allowance.remaining}. "
        f"Please try again in {duration_text(allowance.reset_after_ms)}.",
        retry_after_ms=allowance.reset_after_ms,
        headers=tuple(headers),
    )

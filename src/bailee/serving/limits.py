"""Rate limits per key and per project: taken before the call, completed after it.

A call counts as one request and as an estimate of its tokens; what it really used beyond the
estimate is added when it is known. The headers show whichever limit is nearest. Counting is the
port's; nothing here waits.
"""

from typing import NamedTuple

from bailee.kernel.instants import Instant
from bailee.ports.rate_limit import Allowance, RateLimit
from bailee.serving.caller import Caller, CallLimits
from bailee.serving.errors import Because, CallRefused

Headers = list[tuple[str, str]]


class Admission(NamedTuple):
    """A call that was let in."""

    headers: Headers
    estimated_tokens: int


class Limits:
    """Admits calls within the limits of their key and project."""

    def __init__(self, rate_limit: RateLimit) -> None:
        self._rate_limit = rate_limit

    def admit(self, caller: Caller, estimated_tokens: int, now: Instant) -> Admission:
        """Count a call. Raises CallRefused (REQUEST_LIMIT, TOKEN_LIMIT)."""
        requests = tokens = None
        for subject, limits in _subjects(caller):
            if limits.requests_per_minute:
                taken = self._take(b"r" + subject, 1, limits.requests_per_minute, now)
                if not taken.allowed:
                    raise _refused(Because.REQUEST_LIMIT, taken, "requests")
                requests = _nearest(requests, taken)
        for subject, limits in _subjects(caller):
            if limits.tokens_per_minute:
                amount = min(estimated_tokens, limits.tokens_per_minute)
                taken = self._take(b"t" + subject, amount, limits.tokens_per_minute, now)
                if not taken.allowed:
                    raise _refused(Because.TOKEN_LIMIT, taken, "tokens")
                tokens = _nearest(tokens, taken)
        headers: Headers = []
        if requests is not None:
            _describe(headers, "requests", requests)
        if tokens is not None:
            _describe(headers, "tokens", tokens)
        return Admission(headers, estimated_tokens)

    def settle(self, caller: Caller, admission: Admission, used: int, now: Instant) -> None:
        """Count what a call used beyond its estimate."""
        beyond = used - admission.estimated_tokens
        if beyond <= 0:
            return
        for subject, limits in _subjects(caller):
            if limits.tokens_per_minute:
                self._rate_limit.add(b"t" + subject, beyond, now)

    def _take(self, subject: bytes, amount: int, limit: int, now: Instant) -> Allowance:
        return self._rate_limit.take(subject, amount, limit, now)


def _subjects(caller: Caller) -> tuple[tuple[bytes, CallLimits], tuple[bytes, CallLimits]]:
    return (
        (b"k" + caller.key_id, caller.key_limits),
        (b"p" + caller.project, caller.project_limits),
    )


def _nearest(one: Allowance | None, other: Allowance) -> Allowance:
    return other if one is None or other.remaining < one.remaining else one


def _describe(headers: Headers, what: str, allowance: Allowance) -> None:
    headers.append((f"x-ratelimit-limit-{what}", str(allowance.limit)))
    headers.append((f"x-ratelimit-remaining-{what}", str(allowance.remaining)))
    headers.append((f"x-ratelimit-reset-{what}", duration_text(allowance.reset_after_ms)))


def duration_text(duration_ms: int) -> str:
    """As the API writes durations: `20ms`, `1.5s`, `1m0s`."""
    if duration_ms < 1000:
        return f"{duration_ms}ms"
    minutes, rest_ms = divmod(duration_ms, 60_000)
    seconds = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _refused(because: Because, allowance: Allowance, what: str) -> CallRefused:
    return CallRefused(
        because,
        f"Rate limit reached for {what} per minute: limit {allowance.limit}, "
        f"remaining {allowance.remaining}. "
        f"Please try again in {duration_text(allowance.reset_after_ms)}.",
        retry_after_ms=allowance.reset_after_ms,
    )

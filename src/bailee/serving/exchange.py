"""Reaching a backend: in order, one at a time, and only as far as that is safe.

The next backend is tried when the one before was not reached, had no place, or said that it could
not answer; never after an answer has begun. Which backends are in the list was decided before:
fallback cannot widen it.
"""

from typing import Final

import msgspec

from bailee.ports.backend import BackendAnswer, BackendCall, BackendFailure
from bailee.serving.call import Call, forwarded_body
from bailee.serving.errors import Because, CallRefused
from bailee.serving.prefix_cache import salted
from bailee.serving.routing import Route

_CANNOT_ANSWER: Final = frozenset({429, 500, 502, 503, 504, 529})
_OUR_FAULT: Final = frozenset({401, 403, 407})


class _Error(msgspec.Struct):
    message: str


class _Shaped(msgspec.Struct):
    error: _Error


_SHAPED: Final = msgspec.json.Decoder(_Shaped)


async def reach(call: Call, routes: tuple[Route, ...]) -> BackendAnswer:
    """Send to the first backend that answers. Raises CallRefused (UPSTREAM_…)."""
    last, translation = routes[-1], call.translation
    for route in routes:
        if translation is None:
            body = forwarded_body(call, route.upstream_model)
            request = BackendCall(call.operation.backend_path, body, call.stream)
        else:
            request = translation.backend_call(route.upstream_model, native=route.speaks_responses)
        if call.cache_salt is not None:
            named = salted(request.body, call.cache_salt, adds=route.takes_salt)
            request = msgspec.structs.replace(request, body=named)
        try:
            answer = await route.backend.send(request)
        except BackendFailure as failure:
            if route is last or not failure.retry_safe:
                raise refusal_of(failure) from None
            continue
        if answer.status < 400 or route is last or answer.status not in _CANNOT_ANSWER:
            return answer if translation is None else translation.answer(answer)
        answer.abandon()
    raise CallRefused(Because.UPSTREAM_UNREACHABLE, "No backend is configured for this model.")


async def whole_body(answer: BackendAnswer) -> bytes:
    """The answer's whole body. Raises CallRefused (UPSTREAM_…)."""
    try:
        return await answer.read()
    except BackendFailure as failure:
        raise refusal_of(failure) from None


def check_refusal(status: int, body: bytes) -> None:
    """Let a backend's own error pass if it is in the API's shape and the caller's business.

    Raises CallRefused (UPSTREAM_FAILED) otherwise: a page of HTML, a redirection, a refusal of
    the credential that Bailee sent.
    """
    if status in _OUR_FAULT:
        raise CallRefused(
            Because.UPSTREAM_FAILED,
            "The backend of this model refuses the operator's credential. "
            "Tell the operator, who must replace it.",
        )
    try:
        _SHAPED.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise CallRefused(
            Because.UPSTREAM_FAILED,
            f"The backend of this model answered with status {status} and no explanation. "
            "Try again; tell the operator if it persists.",
        ) from None


def refusal_of(failure: BackendFailure) -> CallRefused:
    """What the caller is told of a backend's failure."""
    if failure.reason == "timeout":
        return CallRefused(
            Because.UPSTREAM_TIMEOUT, "The backend of this model did not answer in time. Try again."
        )
    if failure.reason == "overloaded":
        return CallRefused(
            Because.UPSTREAM_OVERLOADED,
            "The backend of this model is at its limit. Try again in a moment.",
            retry_after_ms=1000,
        )
    if failure.reason == "unreachable":
        return CallRefused(
            Because.UPSTREAM_UNREACHABLE, "The backend of this model cannot be reached. Try again."
        )
    return CallRefused(
        Because.UPSTREAM_BROKEN, "The backend of this model stopped answering. Try again."
    )

"""Every failure as OpenAI writes it: the one place where a refusal becomes a status and a body.

`{"error": {"message", "type", "param", "code"}}`. Messages come from whoever refused and hold no
content. What is not a known refusal is an internal error: a request id and nothing else.
"""

from typing import Final, NamedTuple

import msgspec

from bailee.api.compatibility import why_refused
from bailee.governance.identity.errors import (
    AdminKeyNeeded,
    CodeRefused,
    EnrolmentRefused,
    SessionRefused,
    SignInRefused,
    TooManyGuesses,
)
from bailee.kernel.errors import (
    BaileeError,
    Conflict,
    DestroyedKey,
    Forbidden,
    InvalidInput,
    NotFound,
    NotYet,
    TamperedContent,
    Unavailable,
    UnknownKey,
)
from bailee.policy.access.matrix import SignInAgain
from bailee.serving.errors import Because, CallRefused

Headers = list[tuple[str, str]]

_JSON: Final = ("content-type", "application/json")
OPENAPI_DOCUMENT: Final = "/bailee/v1/openapi/openapi.json"


class Shape(NamedTuple):
    """How one kind of refusal looks."""

    status: int
    type: str
    code: str | None


_INVALID: Final = "invalid_request_error"
_SHAPES: Final = {
    Because.BAD_JSON: Shape(400, _INVALID, None),
    Because.WRONG_TYPE: Shape(400, _INVALID, "invalid_type"),
    Because.BODY_TOO_LARGE: Shape(413, _INVALID, "request_too_large"),
    Because.BODY_INCOMPLETE: Shape(400, _INVALID, None),
    Because.MEDIA_TYPE: Shape(415, _INVALID, "unsupported_media_type"),
    Because.METHOD: Shape(405, _INVALID, "method_not_supported"),
    Because.OPERATION: Shape(404, _INVALID, "unknown_url"),
    Because.KEY_MISSING: Shape(401, _INVALID, None),
    Because.KEY_OTHER_KIND: Shape(403, _INVALID, "missing_scope"),
    Because.KEY_UNKNOWN: Shape(401, _INVALID, "invalid_api_key"),
    Because.KEY_REVOKED: Shape(401, _INVALID, "invalid_api_key"),
    Because.KEY_EXPIRED: Shape(401, _INVALID, "invalid_api_key"),
    Because.SUSPENDED: Shape(403, _INVALID, "project_suspended"),
    Because.WRONG_REGION: Shape(401, _INVALID, "incorrect_hostname"),
    Because.CERTIFICATE_MISSING: Shape(401, _INVALID, "client_certificate_required"),
    Because.CERTIFICATE_REFUSED: Shape(401, _INVALID, "client_certificate_refused"),
    Because.ORGANISATION_MISMATCH: Shape(401, _INVALID, "mismatched_organization"),
    Because.PROJECT_MISMATCH: Shape(401, _INVALID, "mismatched_project"),
    Because.MODEL_UNKNOWN: Shape(404, _INVALID, "model_not_found"),
    Because.POLICY: Shape(403, _INVALID, "refused_by_policy"),
    Because.STORE_REFUSED: Shape(400, _INVALID, "store_not_allowed"),
    Because.BACKEND_TERMS: Shape(403, _INVALID, "backend_terms"),
    Because.REQUEST_LIMIT: Shape(429, "requests", "rate_limit_exceeded"),
    Because.TOKEN_LIMIT: Shape(429, "tokens", "rate_limit_exceeded"),
    Because.UPSTREAM_UNREACHABLE: Shape(502, "server_error", "backend_unreachable"),
    Because.UPSTREAM_OVERLOADED: Shape(503, "server_error", "backend_overloaded"),
    Because.UPSTREAM_TIMEOUT: Shape(504, "server_error", "backend_timeout"),
    Because.UPSTREAM_BROKEN: Shape(502, "server_error", "backend_broken"),
    Because.UPSTREAM_FAILED: Shape(502, "server_error", "backend_failed"),
    Because.RECORDING_IMPOSSIBLE: Shape(503, "server_error", "recording_unavailable"),
    Because.FACTS_STALE: Shape(503, "server_error", "facts_unavailable"),
    Because.STOPPING: Shape(503, "server_error", "stopping"),
    Because.INTERNAL: Shape(500, "server_error", None),
}
_KINDS: Final = (
    (InvalidInput, Shape(400, _INVALID, None)),
    (NotFound, Shape(404, _INVALID, "not_found")),
    (SignInRefused, Shape(401, _INVALID, "sign_in_refused")),
    (EnrolmentRefused, Shape(401, _INVALID, "enrolment_refused")),
    (CodeRefused, Shape(401, _INVALID, "code_refused")),
    (SessionRefused, Shape(401, _INVALID, "session_ended")),
    (TooManyGuesses, Shape(429, "requests", "too_many_attempts")),
    (AdminKeyNeeded, Shape(403, _INVALID, "admin_key_needed")),
    (SignInAgain, Shape(403, _INVALID, "sign_in_again")),
    (Forbidden, Shape(403, _INVALID, "forbidden")),
    (Conflict, Shape(409, _INVALID, "conflict")),
    (NotYet, Shape(503, "server_error", "not_yet")),
    (Unavailable, Shape(503, "server_error", "unavailable")),
    (UnknownKey, Shape(404, _INVALID, "not_found")),
    (DestroyedKey, Shape(410, _INVALID, "destroyed")),
    (TamperedContent, Shape(500, "server_error", "tampered")),
)
_NAMED: Final = frozenset({Because.WRONG_TYPE, Because.POLICY, Because.STORE_REFUSED})
"""Kinds whose refusals may bring a code of their own."""


def shape_of(error: BaileeError) -> Shape:
    """The status, type and code of an error."""
    if isinstance(error, CallRefused):
        shape = _SHAPES[error.because]
        if error.name is not None and error.because in _NAMED:
            return shape._replace(code=error.name)
        return shape
    for kind, shape in _KINDS:
        if isinstance(error, kind):
            return shape
    return _SHAPES[Because.INTERNAL]


def error_body(error: BaileeError) -> bytes:
    """The JSON body of an error, on one line."""
    shape = shape_of(error)
    field = getattr(error, "field", None)
    return error_json(str(error), shape, field)


def error_json(message: str, shape: Shape, field: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    return msgspec.json.encode(
        {"error": {"message": message, "type": shape.type, "param": field, "code": shape.code}}
    )


def own_headers(error: BaileeError) -> Headers:
    """What an error says of rate limits, and `retry-after` and `retry-after-ms` where trying again
    later may help."""
    retry_after_ms: int | None = None
    told: Headers = []
    if isinstance(error, CallRefused):
        retry_after_ms = error.retry_after_ms
        told += error.headers
    elif isinstance(error, NotYet):
        retry_after_ms = round(error.retry_after_s * 1000)
    if retry_after_ms is not None:
        seconds = max(1, -(-retry_after_ms // 1000))
        told += [("retry-after", str(seconds)), ("retry-after-ms", str(retry_after_ms))]
    return told


class OpenAiRefusals:
    """`serving.answer.Refusals` in OpenAI's shape."""

    def whole(self, refused: CallRefused) -> tuple[int, Headers, bytes]:
        """Status, own headers and body."""
        return shape_of(refused).status, [_JSON, *own_headers(refused)], error_body(refused)

    def event(self, refused: CallRefused) -> bytes:
        """The last event of a stream that broke off."""
        return b"event: error\ndata: " + error_body(refused) + b"\n\n"


def internal_error(request_id: str) -> CallRefused:
    """What a caller is told of a defect: how to ask about it."""
    return CallRefused(
        Because.INTERNAL,
        "The server had an error while processing your request. "
        f"Tell the operator and include the request id {request_id}.",
    )


def unknown_operation(method: str, path: str) -> CallRefused:
    """The refusal of what Bailee does not offer. It is never proxied."""
    why = why_refused(method, path)
    return CallRefused(
        Because.OPERATION,
        f"Unknown request URL: {method[:16]} {path[:200]}. This server offers the operations of "
        f"its OpenAPI document (GET {OPENAPI_DOCUMENT}) and no others."
        + (f" Of this one it says: {why}" if why else ""),
    )


def wrong_method(method: str, path: str, allowed: str) -> CallRefused:
    """The refusal of a method that a path does not have.

    An operation of OpenAI's own that is refused says so, whatever else has its path: `POST
    /v1/responses/input_tokens` is no wrong use of `/v1/responses/{id}`.
    """
    if why_refused(method, path):
        return unknown_operation(method, path)
    return CallRefused(
        Because.METHOD, f"Not allowed to {method[:16]} on {path[:200]}. Use {allowed}."
    )

"""Why a call is not answered, as a kind that the API turns into a status and a shape.

Messages are for the caller, name what to do, and hold nothing that a customer sent except names
that the caller must recognise: a field of the API, a model.
"""

import enum

from bailee.kernel.errors import BaileeError


class Because(enum.Enum):
    """The kinds of refusal; each is one row of the table in `api.errors`."""

    BAD_JSON = "bad_json"
    WRONG_TYPE = "wrong_type"
    BODY_TOO_LARGE = "body_too_large"
    BODY_INCOMPLETE = "body_incomplete"
    MEDIA_TYPE = "media_type"
    METHOD = "method"
    OPERATION = "operation"
    KEY_MISSING = "key_missing"
    KEY_OTHER_KIND = "key_other_kind"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    SUSPENDED = "suspended"
    WRONG_REGION = "wrong_region"
    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_REFUSED = "certificate_refused"
    ORGANISATION_MISMATCH = "organisation_mismatch"
    PROJECT_MISMATCH = "project_mismatch"
    MODEL_UNKNOWN = "model_unknown"
    POLICY = "policy"
    STORE_REFUSED = "store_refused"
    BACKEND_TERMS = "backend_terms"
    REQUEST_LIMIT = "request_limit"
    TOKEN_LIMIT = "token_limit"  # noqa: S105 - the name of a limit
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_OVERLOADED = "upstream_overloaded"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_BROKEN = "upstream_broken"
    UPSTREAM_FAILED = "upstream_failed"
    RECORDING_IMPOSSIBLE = "recording_impossible"
    FACTS_STALE = "facts_stale"
    STOPPING = "stopping"
    INTERNAL = "internal"


class CallRefused(BaileeError):
    """The call is not answered, because of `because`.

    `field` is the request's field at fault, as in `messages` or `stream_options.include_usage`;
    `retry_after_ms` is when trying again may help; `name` is a stable machine name where `because`
    has several (a policy's refusal); `headers` are what the answer says besides (rate limits).
    """

    def __init__(
        self,
        because: Because,
        message: str,
        *,
        field: str | None = None,
        retry_after_ms: int | None = None,
        name: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.because = because
        self.field = field
        self.retry_after_ms = retry_after_ms
        self.name = name
        self.headers = headers


def unrecordable(what: str) -> CallRefused:
    """The refusal to handle what cannot be recorded: `what` begins the sentence."""
    return CallRefused(
        Because.RECORDING_IMPOSSIBLE,
        f"{what} could not be recorded, and nothing is answered unrecorded. Try again.",
        retry_after_ms=1000,
    )

"""The operations off the hot path, as a Litestar application that is handed on to over ASGI.

Explaining the policy, reading one's own records and receipts, the log's static files, health and
the first page. What they do is given as plain callables; this module knows paths, authentication
and shapes. Public, without a key: `/`, `/health`, `/log/…` and the OpenAPI document.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from litestar import Litestar, MediaType, Response, Router, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath
from litestar.routes import HTTPRoute

from bailee.api.access import AnyRequest, shown_credential
from bailee.api.administration import ADMINISTRATION_ROUTES
from bailee.api.administration.session import ADMINISTRATION, Administration
from bailee.api.bailee_v1 import BAILEE_ROUTES
from bailee.api.compatibility import matches
from bailee.api.document import WholeDocument
from bailee.api.errors import (
    Shape,
    error_body,
    error_json,
    internal_error,
    own_headers,
    shape_of,
    unknown_operation,
    wrong_method,
)
from bailee.api.health import Health
from bailee.governance.administrators.model import PREFIX as ADMIN_KEY
from bailee.governance.identity.model import PREFIX as SESSION
from bailee.kernel.errors import BaileeError, NotFound
from bailee.kernel.ids import RecordId
from bailee.kernel.instants import to_rfc3339
from bailee.kernel.redacted import HiddenStruct, Secret
from bailee.policy.explain import Explanation, Question
from bailee.serving.call import read_as
from bailee.serving.caller import Caller
from bailee.serving.owner_reads import ReadRecord

LOG_PREFIX: Final = "log/"
DELETIONS: Final = "/bailee/v1/deletions/"
_LOG_KEY: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ADMINISTRATED: Final = ("/v1/organization/", "/v1/projects/")
_ADMINISTRATORS: Final = (ADMIN_KEY, SESSION)
_LOG_CHANGES: Final = "checkpoint"
_TEXTS: Final = {"checkpoint": "text/plain"}


class RecordView(HiddenStruct, frozen=True):
    """A record as its owner sees it. Bodies are text where they are UTF-8, else base64."""

    id: str
    object: str
    endpoint: str
    sealed_at: str
    status: int
    complete: bool
    broken: bool
    request: str
    answer: str
    encoding: str


class Operations(NamedTuple):
    """What the paths do. All may raise the kinds of `kernel.errors`."""

    authenticate: Callable[[AnyRequest], Caller]
    explain: Callable[[Caller, Question], Explanation]
    read_record: Callable[[Caller, Secret, RecordId], Awaitable[ReadRecord]]
    read_receipt: Callable[[Caller, RecordId], Awaitable[bytes]]
    """Canonical JSON of a response receipt."""
    read_deletion: Callable[[Caller, str], Awaitable[bytes]]
    """Canonical JSON of the receipt of a deletion."""
    log_object: Callable[[str], Awaitable[bytes]]
    """By key, as in `log/checkpoint`; NotFound."""
    health: Callable[[], Awaitable[Health]]
    page: Callable[[str], Awaitable[str]]
    """The first page as HTML, in the language of an `accept-language` header."""
    report: Callable[[str, BaseException], None]


def _operations(request: AnyRequest) -> Operations:
    operations: Operations = request.app.state["operations"]
    return operations


@get("/", media_type=MediaType.HTML, include_in_schema=False)
async def first_page(request: AnyRequest) -> Response[str]:
    """What this is and how to begin."""
    html = await _operations(request).page(request.headers.get("accept-language", ""))
    return Response(html, media_type="text/html", headers=_PAGE_HEADERS)


@get("/health", summary="Whether each part is ready")
async def health(request: AnyRequest) -> Response[Health]:
    """200 when requests are answered, 503 when not."""
    found = await _operations(request).health()
    return Response(found, status_code=200 if found.ready else 503, headers=_NEVER_CACHED)


@get("/log/{path:path}", include_in_schema=False)
async def log_file(path: FromPath[str], request: AnyRequest) -> Response[bytes]:
    """A static file of the transparency log (C2SP tlog-tiles)."""
    name = path.removeprefix("/")
    if _LOG_KEY.fullmatch(name) is None:
        raise NotFound("the log has no such file")
    data = await _operations(request).log_object(LOG_PREFIX + name)
    headers = _NEVER_CACHED if name == _LOG_CHANGES else _IMMUTABLE
    return Response(data, media_type=_media_type(name), headers=headers)


@post("/bailee/v1/policy/explain", status_code=200, summary="What would happen to a call, and why")
async def explain(request: AnyRequest) -> Explanation:
    """The decision that the request path would make."""
    caller = _operations(request).authenticate(request)
    question = read_as(Question, await request.body())
    return _operations(request).explain(caller, question)


@get("/bailee/v1/records/{record:str}", summary="A record of one's own, opened")
async def read_record(record: FromPath[str], request: AnyRequest) -> Response[RecordView]:
    """Request and answer of a record that the key's project owns."""
    caller = _operations(request).authenticate(request)
    credential = Secret(shown_credential(request).encode())
    read = await _operations(request).read_record(caller, credential, _parsed_record(record))
    return Response(_view(read), headers=_NEVER_CACHED)


@get("/bailee/v1/receipts/{record:str}", summary="The receipt of a record")
async def read_receipt(record: FromPath[str], request: AnyRequest) -> Response[bytes]:
    """The receipt of a record that the key's project owns.

    From the close of the record's journal until its segment is removed.
    """
    caller = _operations(request).authenticate(request)
    data = await _operations(request).read_receipt(caller, _parsed_record(record))
    return Response(data, media_type="application/json", headers=_NEVER_CACHED)


@get(DELETIONS + "{name:str}", summary="The receipt of a deletion")
async def read_deletion(name: FromPath[str], request: AnyRequest) -> Response[bytes]:
    """Proof that the key of something that one deleted was destroyed, by its identifier.

    425 until the log's next checkpoint covers it.
    """
    caller = _operations(request).authenticate(request)
    data = await _operations(request).read_deletion(caller, name)
    return Response(data, media_type="application/json", headers=_NEVER_CACHED)


def make_operations_application(
    operations: Operations,
    routers: Sequence[Router] = (),
    administration: Administration | None = None,
) -> Litestar:
    """The ASGI application of the operations, and of those that `routers` bring along.

    With `administration` organisations are administered too.
    """

    def failed(request: AnyRequest, error: Exception) -> Response[bytes]:
        return _failure(request, error, operations)

    return Litestar(
        [
            *(first_page, health, log_file, explain, read_record, read_receipt, read_deletion),
            *routers,
            *(() if administration is None else (*ADMINISTRATION_ROUTES, *BAILEE_ROUTES)),
        ],
        state=State({"operations": operations, ADMINISTRATION: administration}),
        exception_handlers={Exception: failed},
        openapi_config=OpenAPIConfig(
            title="Bailee",
            version="1",
            path="/bailee/v1/openapi",
            render_plugins=[WholeDocument(path="/openapi.json")],
            use_handler_docstrings=True,
        ),
        logging_config=None,
        debug=False,
        request_max_body_size=None,
    )


_NEVER_CACHED: Final = {"cache-control": "no-cache"}
_IMMUTABLE: Final = {"cache-control": "public, max-age=31536000, immutable"}
_PAGE_HEADERS: Final = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
    ),
    "x-content-type-options": "nosniff",
}


def _media_type(name: str) -> str:
    if name.endswith(".json"):
        return "application/json"
    return _TEXTS.get(name, "application/octet-stream")


def _parsed_record(text: str) -> RecordId:
    try:
        return RecordId.parse(text)
    except ValueError:
        raise NotFound("there is no such record") from None


def _view(read: ReadRecord) -> RecordView:
    try:
        request, answer, encoding = read.request.decode(), read.answer.decode(), "utf-8"
    except UnicodeDecodeError:
        request = base64.b64encode(read.request).decode()
        answer = base64.b64encode(read.answer).decode()
        encoding = "base64"
    return RecordView(
        id=str(read.record),
        object="bailee.record",
        endpoint=read.endpoint,
        sealed_at=to_rfc3339(read.sealed_at),
        status=read.status,
        complete=read.complete,
        broken=read.broken,
        request=request,
        answer=answer,
        encoding=encoding,
    )


def _methods(application: Litestar, path: str) -> str:
    """What a path may be asked by, as the `allow` header has it. Litestar does not say."""
    found = {
        method
        for route in application.routes
        if isinstance(route, HTTPRoute) and matches(route.path_format, path)
        for method in route.methods
    }
    return ", ".join(sorted(found))


def _wants_project_key(request: AnyRequest) -> bool:
    """Whether a path below `/v1` that is not served is asked for by other than administrators.

    What only looks like an admin key or a session learns that an operation is not served, which the
    public document says too; a 401 would tell its owner that it is wrong.
    """
    path, credential = request.url.path, shown_credential(request)
    administrates = path.startswith(_ADMINISTRATED) and credential.startswith(_ADMINISTRATORS)
    return path.startswith("/v1/") and not administrates


def _failure(request: AnyRequest, error: Exception, operations: Operations) -> Response[bytes]:
    if isinstance(error, HTTPException) and _wants_project_key(request):
        # Without a key nobody learns what is served.
        try:
            operations.authenticate(request)
        except BaileeError as unauthenticated:
            error = unauthenticated
    if isinstance(error, BaileeError):
        status, body = shape_of(error).status, error_body(error)
        headers = dict(own_headers(error))
    elif isinstance(error, HTTPException):
        headers = {}
        if error.status_code == 404:
            refused: BaileeError = unknown_operation(request.method, request.url.path)
            status, body = 404, error_body(refused)
        elif error.status_code == 405:
            allowed = _methods(request.app, request.url.path)
            refused = wrong_method(request.method, request.url.path, allowed)
            status, body = shape_of(refused).status, error_body(refused)
            headers = {"allow": allowed} if status == 405 else {}
        else:
            status = error.status_code
            message = "The request cannot be read. Compare it with the OpenAPI document."
            body = error_json(message, Shape(status, "invalid_request_error", None))
    else:
        request_id = request.scope.get("bailee.request_id", "")
        operations.report(str(request_id), error)
        status, body, headers = 500, error_body(internal_error(str(request_id))), {}
    return Response(body, status_code=status, media_type="application/json", headers=headers)

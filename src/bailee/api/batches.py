"""`/v1/batches`: shapes alone; `serving.batching` does the work."""

from typing import Any, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest, list_of, newest_first
from bailee.api.bodies import read_json
from bailee.application_state.batches import WINDOW, Batch, Batches, NewBatch
from bailee.application_state.files import expiry_ms
from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import HiddenStruct
from bailee.serving.batching.lines import BATCHED
from bailee.serving.responses.request import check_metadata

_OUTPUT_EXPIRES: Final = "output_expires_after"


class _ExpiresAfter(msgspec.Struct):
    anchor: str
    seconds: int


class _Create(HiddenStruct, frozen=True):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_expires_after: _ExpiresAfter | None = None


def batch_object(batch: Batch) -> dict[str, Any]:
    """A batch as the API writes it."""
    details, times = batch.details, batch.details.times
    problems = [
        {"code": one.code, "message": one.message, "line": one.line, "param": one.param}
        for one in details.problems
    ]
    return {
        "id": batch.held.public_id,
        "object": "batch",
        "endpoint": details.endpoint,
        "model": details.model,
        "errors": {"object": "list", "data": problems} if problems else None,
        "input_file_id": details.input_file,
        "completion_window": WINDOW,
        "status": batch.status,
        "output_file_id": details.output_file,
        "error_file_id": details.error_file,
        "created_at": batch.held.created_at // 1000,
        "in_progress_at": times.get("in_progress"),
        "expires_at": batch.expires_at_s,
        "finalizing_at": times.get("finalizing"),
        "completed_at": times.get("completed"),
        "failed_at": times.get("failed"),
        "expired_at": times.get("expired"),
        "cancelling_at": times.get("cancelling"),
        "cancelled_at": times.get("cancelled"),
        "request_counts": msgspec.to_builtins(details.counts),
        "metadata": details.metadata,
    }


def batches_router(batches: Batches, admit: Admit) -> Router:
    """The operations on batches."""

    @post("/v1/batches", status_code=200, summary="Begin a batch")
    async def create_batch(request: AnyRequest) -> Response[dict[str, Any]]:
        """Answer every line of an uploaded file within twenty-four hours."""
        admitted = admit(request, "/v1/batches")
        new = _new_batch(await read_json(request, _Create), admitted.caller.key_id)
        made = await batches.create(admitted.whose, new)
        return Response(batch_object(made), headers=admitted.headers)

    @get("/v1/batches", summary="List batches")
    async def list_batches(request: AnyRequest) -> Response[dict[str, Any]]:
        """Newest first."""
        admitted = admit(request, "GET /v1/batches")
        asked = newest_first(request)
        found, more = await batches.page(admitted.whose, after=asked.after, limit=asked.limit)
        page = list_of([batch_object(batch) for batch in found], has_more=more)
        return Response(page, headers=admitted.headers)

    @get("/v1/batches/{batch:str}", summary="A batch")
    async def get_batch(batch: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """How far it has come."""
        admitted = admit(request, "/v1/batches/{id}")
        found = await batches.find(admitted.whose, batch)
        return Response(batch_object(found), headers=admitted.headers)

    @post("/v1/batches/{batch:str}/cancel", status_code=200, summary="Cancel a batch")
    async def cancel_batch(batch: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """No more lines are answered; what was answered is delivered."""
        admitted = admit(request, "/v1/batches/{id}/cancel")
        ended = await batches.cancel(admitted.whose, batch)
        return Response(batch_object(ended), headers=admitted.headers)

    return Router("/", route_handlers=[create_batch, list_batches, get_batch, cancel_batch])


def _new_batch(body: _Create, key_id: bytes) -> NewBatch:
    if body.endpoint not in BATCHED:
        known = ", ".join(f"'{endpoint}'" for endpoint in BATCHED)
        raise InvalidInput(
            f"Invalid value for 'endpoint'. Supported values are: {known}.", field="endpoint"
        )
    if body.completion_window != WINDOW:
        raise InvalidInput(
            f"Invalid value for 'completion_window': only '{WINDOW}' is supported.",
            field="completion_window",
        )
    check_metadata(body.metadata)
    after, lifetime_ms = body.output_expires_after, None
    if after is not None:
        if after.anchor != "created_at":
            raise InvalidInput(
                f"Invalid value for '{_OUTPUT_EXPIRES}.anchor': only 'created_at' is supported.",
                field=f"{_OUTPUT_EXPIRES}.anchor",
            )
        lifetime_ms = expiry_ms(after.seconds, f"{_OUTPUT_EXPIRES}.seconds")
    return NewBatch(body.endpoint, body.input_file_id, key_id, body.metadata, lifetime_ms)

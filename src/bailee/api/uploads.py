"""`/v1/uploads`: shapes alone; `application_state.uploads` does the work."""

from typing import Any

import msgspec
from litestar import Response, Router, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest
from bailee.api.bodies import read_json
from bailee.api.files import file_object
from bailee.api.forms import FileForm
from bailee.application_state.uploads import MAX_PART_BYTES, Upload, Uploads, UploadTerms
from bailee.kernel.redacted import HiddenStruct


class _ExpiresAfter(msgspec.Struct):
    anchor: str
    seconds: int


class _Create(HiddenStruct, frozen=True):
    filename: str
    purpose: str
    bytes: int
    mime_type: str
    expires_after: _ExpiresAfter | None = None


class _Complete(msgspec.Struct):
    part_ids: list[str]
    md5: str | None = None


def upload_object(upload: Upload) -> dict[str, Any]:
    """An upload as the API writes it."""
    held = upload.held
    return {
        "id": held.public_id,
        "object": "upload",
        "bytes": upload.details.size_bytes,
        "created_at": held.created_at // 1000,
        "expires_at": (held.expires_at or 0) // 1000,
        "filename": upload.details.filename,
        "purpose": upload.details.purpose,
        "status": upload.status,
        "file": None if upload.file is None else file_object(upload.file),
    }


def uploads_router(uploads: Uploads, admit: Admit) -> Router:
    """The operations on uploads."""

    @post("/v1/uploads", status_code=200, summary="Begin an upload in parts")
    async def create_upload(request: AnyRequest) -> Response[dict[str, Any]]:
        """Announce a file of up to 8 GB; its parts have an hour."""
        admitted = admit(request, "/v1/uploads")
        body = await read_json(request, _Create)
        after = body.expires_after
        terms = UploadTerms(
            body.filename,
            body.purpose,
            body.bytes,
            body.mime_type,
            None if after is None else after.anchor,
            None if after is None else str(after.seconds),
        )
        made = await uploads.create(admitted.whose, terms)
        return Response(upload_object(made), headers=admitted.headers)

    @post("/v1/uploads/{upload:str}/parts", status_code=200, summary="Add a part to an upload")
    async def add_part(upload: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """Seal a part of up to 64 MB as it arrives."""
        admitted = admit(request, "/v1/uploads/{id}/parts")
        media = request.headers.get("content-type", "")
        form = FileForm(media, request.stream(), MAX_PART_BYTES, "data")
        part = await uploads.add_part(admitted.whose, upload, form.content())
        answer = {
            "id": part.public_id,
            "object": "upload.part",
            "created_at": part.created_at // 1000,
            "upload_id": upload,
        }
        return Response(answer, headers=admitted.headers)

    @post("/v1/uploads/{upload:str}/complete", status_code=200, summary="Complete an upload")
    async def complete(upload: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """Put the parts together, in the order given, as one file."""
        admitted = admit(request, "/v1/uploads/{id}/complete")
        body = await read_json(request, _Complete)
        done = await uploads.complete(admitted.whose, upload, body.part_ids, body.md5)
        return Response(upload_object(done), headers=admitted.headers)

    @post("/v1/uploads/{upload:str}/cancel", status_code=200, summary="Cancel an upload")
    async def cancel(upload: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """End an upload; its parts are destroyed."""
        admitted = admit(request, "/v1/uploads/{id}/cancel")
        ended = await uploads.cancel(admitted.whose, upload)
        return Response(upload_object(ended), headers=admitted.headers)

    return Router("/", route_handlers=[create_upload, add_part, complete, cancel])

"""`/v1/files`: shapes alone; `application_state.files` does the work.

Bodies pass through in chunks in both directions, so that a file of any size takes little memory.
"""

import re
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from bailee.api.access import Admit, Admitted, AnyRequest, list_of, paging
from bailee.api.forms import FileForm
from bailee.api.passing import Passing
from bailee.application_state.batches import Batches
from bailee.application_state.files import (
    MADE_PURPOSES,
    MAX_FILE_BYTES,
    UPLOADED_PURPOSES,
    Files,
    KeptFile,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.numbers import whole_number

_DEFAULT_PAGE: Final = 100
_LONGEST_PAGE: Final = 10_000
_RANGE: Final = re.compile(r"bytes=(?:([0-9]+)-([0-9]*)|-([0-9]+))", re.IGNORECASE)


def file_object(file: KeptFile) -> dict[str, Any]:
    """A file as the API writes it."""
    held = file.held
    written: dict[str, Any] = {
        "id": held.public_id,
        "object": "file",
        "bytes": held.size_bytes,
        "created_at": held.created_at // 1000,
        "filename": file.filename,
        "purpose": held.label,
        "status": "processed",
    }
    if held.expires_at is not None:
        written["expires_at"] = held.expires_at // 1000
    return written


def files_router(files: Files, batches: Batches, admit: Admit) -> Router:
    """The operations on files."""

    @post("/v1/files", status_code=200, summary="Upload a file")
    async def create_file(request: AnyRequest) -> Response[dict[str, Any]]:
        """Seal a file as it arrives, up to 512 MB."""
        admitted = admit(request, "/v1/files")
        form = FileForm(request.headers.get("content-type", ""), request.stream(), MAX_FILE_BYTES)
        file = await files.arriving(admitted.whose, form)
        return Response(file_object(file), headers=admitted.headers)

    @get("/v1/files", summary="List files")
    async def list_files(request: AnyRequest) -> Response[dict[str, Any]]:
        """One's files, newest first unless asked otherwise."""
        admitted = admit(request, "GET /v1/files")
        asked = paging(request, default=_DEFAULT_PAGE, longest=_LONGEST_PAGE)
        purpose = request.query_params.get("purpose")
        if purpose is not None and purpose not in (*UPLOADED_PURPOSES, *MADE_PURPOSES):
            raise InvalidInput("Invalid value for 'purpose'.", field="purpose")
        found, has_more = await files.page(
            admitted.whose,
            purpose=purpose,
            after=asked.after,
            limit=asked.limit,
            descending=asked.descending,
        )
        page = list_of([file_object(file) for file in found], has_more=has_more)
        return Response(page, headers=admitted.headers)

    @get("/v1/files/{file:str}", summary="A file's name and size")
    async def get_file(file: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """One file."""
        admitted = admit(request, "GET /v1/files/{id}")
        found = await files.find(admitted.whose, file)
        return Response(file_object(found), headers=admitted.headers)

    @get("/v1/files/{file:str}/content", summary="A file's content")
    async def get_content(file: FromPath[str], request: AnyRequest) -> ASGIResponse:
        """The whole content, or the one range that is asked for (RFC 9110, 14)."""
        admitted = admit(request, "/v1/files/{id}/content")
        found = await files.find(admitted.whose, file)
        return _content(files, admitted, found, request.headers.get("range", ""))

    @delete("/v1/files/{file:str}", status_code=200, summary="Delete a file")
    async def delete_file(file: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """Destroy the file's key: nothing opens it any more, in any copy.

        With `derived=true` the files that batches made of it go along.
        """
        admitted = admit(request, "DELETE /v1/files/{id}")
        if request.query_params.get("derived") == "true":
            await batches.delete_with_outputs(admitted.whose, file)
        else:
            await files.delete(admitted.whose, file)
        answer = {"id": file, "object": "file", "deleted": True}
        return Response(answer, headers=admitted.headers)

    return Router("/", route_handlers=[create_file, list_files, get_file, get_content, delete_file])


_BINARY: Final = "application/octet-stream"


def _content(files: Files, admitted: Admitted, file: KeptFile, asked: str) -> ASGIResponse:
    size = file.held.size_bytes
    headers = {
        **admitted.headers,
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename)}",
    }
    matched = _RANGE.fullmatch(asked)
    first, last = (0, 0) if matched is None else _stretch(matched, size)
    # The end of nothing is nothing, for which `content-range` has no word (RFC 9110, 14.1.2).
    if matched is None or (size == 0 and matched[3]):
        headers["content-length"] = str(size)
        content = files.keeping.content(admitted.whose, file.held)
        return Passing(content, media_type=_BINARY, headers=headers)
    if first > last:
        headers["content-range"] = f"bytes */{size}"
        return ASGIResponse(status_code=416, media_type=_BINARY, headers=headers)
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    headers["content-length"] = str(last - first + 1)
    content = files.keeping.content(admitted.whose, file.held, first, last)
    return Passing(content, status_code=206, media_type=_BINARY, headers=headers)


def _stretch(asked: re.Match[str], size: int) -> tuple[int, int]:
    """First and last byte; the first is behind the last where there is no such stretch."""
    first, last, suffix = asked[1], asked[2], asked[3]
    if suffix:
        # One that is longer than the content asks for all of it.
        length = whole_number(suffix, 0, size)
        return 0 if length is None else size - length, size - 1
    begin = whole_number(first, 0, size)
    end = whole_number(last, 0, size - 1) if last else None
    return size if begin is None else begin, size - 1 if end is None else end

"""What the operations off the hot path read: JSON bodies into typed structures, metadata."""

from typing import Any, Final, Protocol, TypeVar

import msgspec

from bailee.api.access import AnyRequest
from bailee.kernel.redacted import HiddenStruct
from bailee.serving.call import read_as
from bailee.serving.errors import Because, CallRefused
from bailee.serving.responses.request import check_metadata


class HeaderFields(Protocol):
    """Headers, by their names in lower case."""

    def get(self, name: str, /) -> str | None:
        """A header's value."""
        ...


JSON_MEDIA: Final = "application/json"
Body = TypeVar("Body", bound=msgspec.Struct)


async def read_json(request: AnyRequest, kind: type[Body], *, empty: bool = False) -> Body:
    """The body as `kind`; unknown members are left out of it.

    `empty` allows no body at all where `kind` needs nothing.

    Raises:
        CallRefused: MEDIA_TYPE, BAD_JSON, or WRONG_TYPE naming the field.
    """
    data = await request.body()
    if not data and empty:
        data = b"{}"
    if data:
        check_media(request.headers)
    return read_as(kind, data)


def check_media(headers: HeaderFields) -> None:
    """Return if a body may be JSON by its headers. Raises CallRefused (MEDIA_TYPE)."""
    media = headers.get("content-type")
    if media is not None and media[: len(JSON_MEDIA)].lower() != JSON_MEDIA:
        raise CallRefused(
            Because.MEDIA_TYPE,
            "Unsupported content type. This API method only accepts "
            "'application/json' requests: set the Content-Type header.",
        )
    if headers.get("content-encoding") not in (None, "identity"):
        raise CallRefused(
            Because.MEDIA_TYPE,
            "Compressed bodies are not read. Send the body as it is, without Content-Encoding.",
        )


class _MetadataBody(HiddenStruct, frozen=True):
    metadata: dict[str, str] | None = None


async def read_metadata(request: AnyRequest) -> dict[str, str]:
    """The metadata of a body that has nothing else. Raises CallRefused."""
    found = (await read_json(request, _MetadataBody, empty=True)).metadata
    check_metadata(found)
    return found or {}


def metadata_asked(request: AnyRequest) -> dict[str, str]:
    """The pairs that a list's things must have, asked for as `metadata[name]=value`."""
    return {
        name[len("metadata[") : -1]: value
        for name, value in request.query_params.items()
        if name.startswith("metadata[") and name.endswith("]")
    }


def without_nothing(document: dict[str, Any]) -> dict[str, Any]:
    """The members that are not None: fields that the API leaves out where they do not apply."""
    return {name: value for name, value in document.items() if value is not None}

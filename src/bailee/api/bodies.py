"""JSON bodies of the operations off the hot path, read into typed structures."""

from typing import Any, TypeVar

import msgspec

from bailee.api.access import AnyRequest
from bailee.serving.call import wrong_type
from bailee.serving.errors import Because, CallRefused

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
    media = request.headers.get("content-type")
    if data and media is not None and not media.lower().startswith("application/json"):
        raise CallRefused(
            Because.MEDIA_TYPE,
            "Unsupported content type. This API method only accepts "
            "'application/json' requests: set the Content-Type header.",
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise wrong_type(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise CallRefused(
            Because.BAD_JSON,
            "We could not parse the JSON body of your request. "
            "The API expects a JSON object in UTF-8.",
        ) from None


def without_nothing(document: dict[str, Any]) -> dict[str, Any]:
    """The members that are not None: fields that the API leaves out where they do not apply."""
    return {name: value for name, value in document.items() if value is not None}

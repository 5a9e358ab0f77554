"""What a Responses request is refused for, in the API's words."""

import re
from typing import Final

from bailee.serving.errors import Because, CallRefused

_TYPE: Final = re.compile(r"[a-z0-9_]{1,48}")


def shown_type(kind: object) -> str:
    """A type's name as it may be repeated: what has another form may be content."""
    if isinstance(kind, str) and _TYPE.fullmatch(kind):
        return f"of type `{kind}`"
    return "of this type"


def unsupported(field: str, message: str) -> CallRefused:
    """The refusal of something that the API has and this backend cannot do."""
    return CallRefused(Because.WRONG_TYPE, message, field=field, name="unsupported_parameter")


def invalid(field: str, message: str) -> CallRefused:
    """The refusal of a value that the API does not have."""
    return CallRefused(Because.WRONG_TYPE, message, field=field, name="invalid_value")


def missing(field: str) -> CallRefused:
    """The refusal of a request that leaves a field out."""
    return CallRefused(
        Because.WRONG_TYPE,
        f"Missing required parameter: '{field}'.",
        field=field,
        name="missing_required_parameter",
    )


def wrong(field: str, expected: str) -> CallRefused:
    """The refusal of a value of another type."""
    return CallRefused(
        Because.WRONG_TYPE,
        f"Invalid type for '{field}': expected {expected}.",
        field=field,
        name="invalid_type",
    )

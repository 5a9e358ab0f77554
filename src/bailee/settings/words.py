"""Kinds of values that several settings have in common."""

from typing import Annotated, Final

from msgspec import Meta

Name = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", extra={"allowed": "1 to 64 of a-z, 0-9, . _ -"}),
]
RegionName = Annotated[
    str, Meta(pattern=r"^[a-z0-9-]{1,32}$", extra={"allowed": "1 to 32 of a-z, 0-9 and -"})
]
HostName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$",
        extra={"allowed": "a host name in lower case, with `:` and a port where it matters"},
    ),
]
HttpAddress = Annotated[
    str, Meta(pattern=r"^https?://[^\s/]+\S*$", extra={"allowed": "an http:// or https:// address"})
]
Digest = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}$", extra={"allowed": "64 hexadecimal digits, lower case"})
]

EMBEDDED_BACKEND: Final = "embedded"
"""The backend name that stands for the local model."""
EMBEDDED_TEXT_BACKEND: Final = "embedded-text"
"""The backend name that stands for the local embedding model and moderation classifier."""

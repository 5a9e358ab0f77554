"""What the health check says, part by part: for whoever serves it, shows it or asks for it."""

import msgspec


class PartHealth(msgspec.Struct, frozen=True):
    """One part of the installation."""

    name: str
    ready: bool
    detail: str
    """One sentence without content."""


class Health(msgspec.Struct, frozen=True):
    """Whether requests are answered, part by part."""

    ready: bool
    parts: list[PartHealth]

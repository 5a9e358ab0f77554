"""What the text runner and its parent say to each other: one line of JSON in each direction."""

import msgspec


class Instructions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the parent asks for."""

    name: str
    """Of the embedding model, as answers say it."""
    api_key: str
    port: int
    """0: any free one."""
    threads: int
    """0: one for each core."""


class Ready(msgspec.Struct, frozen=True):
    """What the parent is told."""

    port: int = 0
    error: str = ""

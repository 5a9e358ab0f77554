"""What the model runner and its parent say to each other: one line of JSON in each direction."""

import msgspec


class Instructions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the parent asks for."""

    file: str
    sha256: str
    name: str
    api_key: str
    port: int
    """0: any free one."""
    context_tokens: int
    """Of one request."""
    parallel: int
    threads: int
    """0: one for each core."""
    adapter_descriptor: int = -1
    """A descriptor that the runner inherits, from which it reads a LoRA adapter; -1: none."""


class Ready(msgspec.Struct, frozen=True):
    """What the parent is told."""

    port: int = 0
    error: str = ""
    adapter_refused: bool = False
    """Whether it is the adapter that cannot be used."""

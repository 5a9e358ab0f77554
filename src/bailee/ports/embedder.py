"""Something that turns texts into vectors on this machine.

What a driver promises: `dimensions` numbers for each text, in the order of the texts, of length 1,
the same for the same text whatever else is embedded beside it. Texts may hold anything that UTF-8
can; none makes the driver fail. The calls block, and may come from several threads at once: they
belong in threads of a process that answers nobody else. A driver keeps nothing of what it embeds
and reaches nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a text is for, where a model tells the two apart."""

    QUERY = "query"
    """It is compared with texts like itself, or searches."""
    PASSAGE = "passage"
    """It is found by a query."""


class Embedder(Protocol):
    """One model."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    def count_tokens(self, text: str, role: Role) -> int:
        """How many tokens the model reads for a text, its own marks included."""
        ...

    def embed(self, texts: Sequence[str], role: Role) -> list[bytes]:
        """The vectors as little-endian 32-bit floating-point numbers. Blocks."""
        ...

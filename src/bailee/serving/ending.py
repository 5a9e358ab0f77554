"""Finding the end of a stream."""

from typing import Protocol


class Ending(Protocol):
    """Finds the end of one stream, so that what belongs behind durability is held back."""

    @property
    def seen(self) -> bool:
        """Whether anything of the end has come."""
        ...

    def find(self, block: bytes) -> int | None:
        """Where what is held back begins, if it is in this block of whole events."""
        ...

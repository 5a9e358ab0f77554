"""Where the keyring's root lies: two slots, each replaced in place.

Synchronous, like `ports.files`. A slot holds a generation number and 32 secret bytes, or nothing.
Which slot counts is not this port's matter: the keyring's generation decides.
"""

from typing import NamedTuple, Protocol


class RootSlot(NamedTuple):
    """What one slot holds."""

    generation: int
    root: bytes


class ErasureTimes(NamedTuple):
    """What a driver promises about a root that was overwritten, relative to the overwrite.

    `unusable_after_ms`: until the running installation can no longer use it.
    `irrecoverable_after_ms`: until nobody can get it back from what the driver controls; None when
    the driver cannot promise that. `assumption` says, in one sentence, what the claim rests on.
    """

    unusable_after_ms: int
    irrecoverable_after_ms: int | None
    assumption: str


class RootSlots(Protocol):
    """Two slots, 0 and 1."""

    def read(self, slot: int) -> RootSlot | None:
        """What the slot holds; None if it is empty, torn or was never written."""
        ...

    def write(self, slot: int, content: RootSlot) -> None:
        """Overwrite the slot where it lies; durable on return."""
        ...

    def erase(self, slot: int) -> None:
        """Overwrite the slot with nothing; durable on return."""
        ...

    def erasure_times(self) -> ErasureTimes:
        """What overwriting promises with this driver."""
        ...

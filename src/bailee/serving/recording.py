"""What the request path needs of the recorder: an agreed shape, so that both can be tested alone.

`custody.recorder` has it. Zero retention has no recording at all: `Unrecorded` takes its place and
holds nothing.
"""

from typing import Final, Protocol

from bailee.custody.recorder.sharing import Shared
from bailee.custody.seal.part import Owner
from bailee.kernel.ids import RecordId


class AnswerRecording(Protocol):
    """Where an answer goes besides to the client."""

    def answer(self, content: bytes, status: int, *, final: bool, broken: bool = False) -> None:
        """Take bytes as sent to the client. Never waits. Raises Unavailable."""
        ...

    async def durable(self) -> None:
        """Wait until everything taken so far is durable. Raises Unavailable if it never will."""
        ...


class Recording(AnswerRecording, Protocol):
    """One record being written. Parts are sealed and queued at once and in order."""

    @property
    def record(self) -> RecordId:
        """The record's name; known after `prompt`."""
        ...

    @property
    def receipt_key(self) -> bytes:
        """r of the response receipt; known after `prompt`."""
        ...

    def prompt(self, content: bytes) -> None:
        """Seal and queue the request's body, exactly as received. Never waits."""
        ...


class Recorder(Protocol):
    """Opens records."""

    async def open(
        self, owner: Owner, scope_generation: int, endpoint: str, shared: Shared | None = None
    ) -> Recording:
        """A record of a call that arrives now, for training too where it is `shared`.

        Raises Unavailable, UnknownKey, DestroyedKey.
        """
        ...


class Unrecorded:
    """The recording of a call whose content is not held: it does nothing (clause C08)."""

    __slots__ = ()

    def prompt(self, content: bytes) -> None:
        """Hold nothing."""

    def answer(self, content: bytes, status: int, *, final: bool, broken: bool = False) -> None:
        """Hold nothing."""

    async def durable(self) -> None:
        """There is nothing to wait for."""


UNRECORDED: Final = Unrecorded()

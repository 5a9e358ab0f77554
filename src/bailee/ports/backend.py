"""A model backend: something that answers an OpenAI-shaped request.

The body goes out and comes back as bytes: unknown fields survive in both directions. A driver
removes the caller's credentials and adds its own.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from bailee.kernel.errors import BaileeError
from bailee.kernel.redacted import HiddenStruct


class BackendFailure(BaileeError):
    """The backend gave no usable answer.

    `reason` is one of `unreachable` (nothing was sent: another backend may be tried), `timeout`,
    `broken` (it stopped mid-answer), `overloaded` (no place free in time). `retry_safe` says that
    the backend cannot have begun to answer.
    """

    def __init__(self, message: str, *, reason: str, retry_safe: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_safe = retry_safe


class BackendCall(HiddenStruct, frozen=True):
    """One request to a backend."""

    path: str
    """As in `/chat/completions`, below the backend's base path."""
    body: bytes
    stream: bool


class BackendAnswer(Protocol):
    """An answer whose head has arrived.

    Whoever holds it either reads it to its end or calls `abandon`.
    """

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def content_type(self) -> str:
        """The media type, lower case, as sent."""
        ...

    def retry_after_s(self) -> float | None:
        """What the backend asked for in `retry-after`, if anything."""
        ...

    async def read(self) -> bytes:
        """The whole body (or what is left of it). Raises BackendFailure."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises BackendFailure (`broken`, `timeout`) in the middle."""
        ...

    def abandon(self) -> None:
        """Stop the backend: close its connection at once. Harmless after the end."""
        ...


class AnswerAround:
    """A `BackendAnswer` around another: what is not said otherwise is the other's."""

    __slots__ = ("_answer",)

    def __init__(self, answer: BackendAnswer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @property
    def content_type(self) -> str:
        """The media type."""
        return self._answer.content_type

    def retry_after_s(self) -> float | None:
        """What the backend asked for."""
        return self._answer.retry_after_s()

    def abandon(self) -> None:
        """Stop the backend."""
        self._answer.abandon()


class Backend(Protocol):
    """One configured backend."""

    async def send(self, call: BackendCall) -> BackendAnswer:
        """Send and wait for the answer's head. Raises BackendFailure."""
        ...

    async def check(self) -> None:
        """Return if the backend is reachable and accepts its credential, else BackendFailure."""
        ...

    async def close(self) -> None:
        """Close idle connections."""
        ...

"""A classifier as a backend: `/v1/moderations` takes the road of every other call.

The policy has decided which classifiers may be asked, as it does for backends, and moderations
are recorded nowhere. The answer has the same shape whichever driver gave it: all thirteen
categories, and for each the kinds of input that were looked at.
"""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from bailee.kernel.errors import InvalidInput
from bailee.ports.backend import Backend, BackendAnswer, BackendCall
from bailee.ports.classifier import Classifier, subjects_of
from bailee.ports.randomness import Randomness
from bailee.serving.call import wrong_type
from bailee.serving.errors import Because, CallRefused

_ID_BYTES: Final = 12


class ModerationBackend:
    """A driver of `ports.backend` for the operation `/moderations` alone."""

    def __init__(self, classifier: Classifier, behind: Backend, randomness: Randomness) -> None:
        """`behind` is what the classifier is reached over: its health is this one's."""
        self._classifier = classifier
        self._behind = behind
        self._randomness = randomness

    async def send(self, call: BackendCall) -> BackendAnswer:
        """Classify. Raises BackendFailure, and CallRefused for input that cannot be judged."""
        try:
            subjects = subjects_of(call.body)
        except msgspec.ValidationError as error:
            raise wrong_type(str(error)) from None
        try:
            classified = await self._classifier.classify(subjects)
        except InvalidInput as invalid:
            raise CallRefused(
                Because.WRONG_TYPE, str(invalid), field=invalid.field, name="invalid_value"
            ) from None
        document = {
            "id": f"modr-{self._randomness.random_bytes(_ID_BYTES).hex()}",
            "model": classified.model,
            "results": classified.results,
        }
        return _Whole(msgspec.json.encode(document))

    async def check(self) -> None:
        """See `ports.backend`."""
        await self._behind.check()

    async def close(self) -> None:
        """Nothing of its own: what it is reached over is closed by whoever opened it."""


class _Whole:
    """An answer that is there already."""

    __slots__ = ("_body",)

    status = 200
    content_type = "application/json"

    def __init__(self, body: bytes) -> None:
        self._body = body

    def retry_after_s(self) -> float | None:
        return None

    async def read(self) -> bytes:
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    def abandon(self) -> None:
        pass

"""Judging subjects by the embedded heads, off the event loop."""

import re
from collections.abc import Sequence
from typing import Final

from bailee.drivers.classifier_embedded.heads import FLAGGED_FROM, Heads
from bailee.kernel.errors import InvalidInput
from bailee.ports.classifier import CATEGORIES, Classification, Classified, Subject
from bailee.ports.embedder import Embedder, Role
from bailee.ports.offload import Offload

MAX_PIECE_CHARACTERS: Final = 400
"""A harmful sentence must not drown in a long text: this much is judged at a time."""
MAX_CHARACTERS: Final = 400_000
"""Of one call: about half a minute of judging."""
PIECES_AT_ONCE: Final = 16
"""How much goes to the offload at a time, so that others have their turn in between."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？\n])\s*")


class EmbeddedClassifier:
    """A driver of `ports.classifier`."""

    def __init__(self, embedder: Embedder, heads: Heads, offload: Offload) -> None:
        self._embedder = embedder
        self._heads = heads
        self._offload = offload

    async def classify(self, subjects: Sequence[Subject]) -> Classified:
        """Judge each subject. Raises InvalidInput for images and for too much."""
        if any(piece.type == "image" for subject in subjects for piece in subject):
            raise InvalidInput(
                "The embedded classifier reads text alone and has not judged this image. "
                "Leave images out, or have the operator configure an upstream that reads them.",
                field="input",
            )
        if sum(len(piece.value) for subject in subjects for piece in subject) > MAX_CHARACTERS:
            raise InvalidInput(
                f"The embedded classifier judges at most {MAX_CHARACTERS} characters at a time. "
                "Send the input in parts.",
                field="input",
            )
        results = [await self._judge(subject) for subject in subjects]
        return Classified(self._heads.model, results)

    async def _judge(self, subject: Subject) -> Classification:
        texts = [part for piece in subject for part in pieces(piece.value)]
        if not texts:
            return Classification.of({}, {}, {name: ["text"] for name in CATEGORIES})
        vectors: list[bytes] = []
        for start in range(0, len(texts), PIECES_AT_ONCE):
            some = texts[start : start + PIECES_AT_ONCE]
            vectors += await self._offload.run(
                lambda some=some: self._embedder.embed(some, Role.QUERY)  # type: ignore[misc]
            )
        scores = self._heads.scores(vectors)
        flags = {name: score >= FLAGGED_FROM for name, score in scores.items()}
        return Classification.of(scores, flags, {name: ["text"] for name in CATEGORIES})


def pieces(text: str) -> list[str]:
    """A text cut at the ends of sentences into pieces of bounded length; blank ones are left out.

    Neighbouring sentences stay together while they fit: what one says may hang on the other.
    """
    found: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        for start in range(0, len(sentence), MAX_PIECE_CHARACTERS):
            part = sentence[start : start + MAX_PIECE_CHARACTERS].strip()
            if not part:
                continue
            if found and len(found[-1]) + len(part) < MAX_PIECE_CHARACTERS:
                found[-1] += " " + part
            else:
                found.append(part)
    return found

"""The trained heads: a plain JSON file, read strictly, and their arithmetic.

A score is the logistic function of `weights · vector + bias`; training has put the threshold into
the bias, so that a category is flagged from one half on. A category that is a worse case of
another lifts that one with it. The file names the weights of the embedder that it was trained on;
with others it means nothing and is refused.
"""

from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

import msgspec

from bailee.kernel.errors import InvalidInput
from bailee.ports.classifier import (
    CATEGORIES,
    HARASSMENT,
    HARASSMENT_THREATENING,
    HATE,
    HATE_THREATENING,
    ILLICIT,
    ILLICIT_VIOLENT,
    SELF_HARM,
    SELF_HARM_INSTRUCTIONS,
    SELF_HARM_INTENT,
    SEXUAL,
    SEXUAL_MINORS,
    VIOLENCE,
    VIOLENCE_GRAPHIC,
)

FILE: Final = "heads.json"
FLAGGED_FROM: Final = 0.5
_WORSE: Final = {
    HARASSMENT: (HARASSMENT_THREATENING,),
    HATE: (HATE_THREATENING,),
    ILLICIT: (ILLICIT_VIOLENT,),
    SELF_HARM: (SELF_HARM_INTENT, SELF_HARM_INSTRUCTIONS),
    SEXUAL: (SEXUAL_MINORS,),
    VIOLENCE: (VIOLENCE_GRAPHIC,),
}


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One category's."""

    bias: float
    weights: list[float]


class HeadsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    model: str
    """What answers say classified them."""
    embedder_sha256: str
    dimensions: int
    heads: dict[str, Head]


class Heads:
    """The heads of all categories, ready to score."""

    def __init__(self, file: HeadsFile) -> None:
        """Raises InvalidInput if a category or a weight is missing."""
        import numpy

        if tuple(file.heads) != CATEGORIES or any(
            len(head.weights) != file.dimensions for head in file.heads.values()
        ):
            raise InvalidInput("the moderation heads are incomplete; train them anew")
        self.model: Final = file.model
        self._weights: Any = numpy.array(
            [head.weights for head in file.heads.values()], dtype=numpy.float32
        )
        self._biases: Any = numpy.array(
            [head.bias for head in file.heads.values()], dtype=numpy.float32
        )

    def scores(self, vectors: Sequence[bytes]) -> dict[str, float]:
        """The highest score of each category over the vectors of one subject."""
        import numpy

        matrix = numpy.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), -1)
        logits = (matrix @ self._weights.T + self._biases).max(axis=0)
        chances = 1.0 / (1.0 + numpy.exp(-logits.astype(numpy.float64)))
        scores = dict(zip(CATEGORIES, (float(chance) for chance in chances), strict=True))
        for name, worse in _WORSE.items():
            scores[name] = max(scores[name], *(scores[other] for other in worse))
        return scores


def packaged_heads(embedder_sha256: str) -> Heads:
    """The heads that ship with Bailee. Raises InvalidInput for another embedder's weights."""
    text = (resources.files("bailee.drivers.classifier_embedded") / FILE).read_bytes()
    file = msgspec.json.decode(text, type=HeadsFile)
    if file.embedder_sha256 != embedder_sha256:
        raise InvalidInput("the moderation heads belong to other weights; train them anew")
    return Heads(file)

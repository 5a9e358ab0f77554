"""Something that says whether content is harmful, in the thirteen categories of OpenAI's API.

What a driver promises:
- One classification for each subject, in their order. A subject is judged as a whole: its texts
  and images together.
- Every category has a score from 0 to 1 and a verdict; `flagged` is true exactly if a category is.
- `category_applied_input_types` tells the truth: it names the kinds of input that were looked at
  for that category. A category that nobody looked at has an empty list, the score 0 and no flag.
- Nothing of what is classified is kept by the driver. What an upstream keeps is for its operator
  to declare, and for the policy to weigh before the driver is asked.
- Input that the driver cannot judge is refused (InvalidInput) and never passed as harmless.

The scores of two drivers cannot be compared, nor those of two versions of one: `model` says which
it was. A classifier that is away or fails raises BackendFailure.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from bailee.kernel.redacted import HiddenStruct

HARASSMENT: Final = "harassment"
HARASSMENT_THREATENING: Final = "harassment/threatening"
HATE: Final = "hate"
HATE_THREATENING: Final = "hate/threatening"
ILLICIT: Final = "illicit"
ILLICIT_VIOLENT: Final = "illicit/violent"
SELF_HARM: Final = "self-harm"
SELF_HARM_INTENT: Final = "self-harm/intent"
SELF_HARM_INSTRUCTIONS: Final = "self-harm/instructions"
SEXUAL: Final = "sexual"
SEXUAL_MINORS: Final = "sexual/minors"
VIOLENCE: Final = "violence"
VIOLENCE_GRAPHIC: Final = "violence/graphic"
CATEGORIES: Final = (
    HARASSMENT, HARASSMENT_THREATENING, HATE, HATE_THREATENING, ILLICIT, ILLICIT_VIOLENT,
    SELF_HARM, SELF_HARM_INTENT, SELF_HARM_INSTRUCTIONS, SEXUAL, SEXUAL_MINORS, VIOLENCE,
    VIOLENCE_GRAPHIC,
)  # fmt: skip
"""As OpenAI's API names them."""

InputType = Literal["text", "image"]


class Piece(NamedTuple):
    """A text, or an image as the `data:` or `https:` address that the caller gave."""

    type: InputType
    value: str

    def __repr__(self) -> str:
        """Content is not printed."""
        return f"Piece({self.type})"


Subject = tuple[Piece, ...]
"""What is judged as a whole; never empty."""


class _Url(msgspec.Struct):
    url: str


class _Text(HiddenStruct, tag_field="type", tag="text", frozen=True):
    text: str


class _Image(msgspec.Struct, tag_field="type", tag="image_url"):
    image_url: _Url


class _Asked(HiddenStruct, frozen=True):
    input: str | list[str | _Text | _Image]


_ASKED: Final = msgspec.json.Decoder(_Asked)


def subjects_of(body: bytes) -> list[Subject]:
    """The subjects of a body of `/v1/moderations`: each string is one, an array of objects is one.

    Raises:
        msgspec.DecodeError: if it is none (msgspec.ValidationError names the place), and
            RecursionError.
    """
    asked = _ASKED.decode(body).input
    if isinstance(asked, str):
        return [(Piece("text", asked),)]
    if all(isinstance(given, str) for given in asked):
        return [(_piece(given),) for given in asked]
    return [tuple(_piece(given) for given in asked)]


def _piece(given: str | _Text | _Image) -> Piece:
    if isinstance(given, str):
        return Piece("text", given)
    if isinstance(given, _Text):
        return Piece("text", given.text)
    return Piece("image", given.image_url.url)


class Classification(msgspec.Struct, frozen=True):
    """What was found of one subject. Encoded as JSON it is a result of `/v1/moderations`."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[InputType]]

    @classmethod
    def of(
        cls,
        scores: dict[str, float],
        flags: dict[str, bool],
        applied: dict[str, list[InputType]],
    ) -> "Classification":
        """Of all categories; what is missing was not looked at."""
        categories = {name: flags.get(name, False) for name in CATEGORIES}
        return cls(
            any(categories.values()),
            categories,
            {name: min(1.0, max(0.0, scores.get(name, 0.0))) for name in CATEGORIES},
            {name: applied.get(name, []) for name in CATEGORIES},
        )


class Classified(NamedTuple):
    """What was found, and by what."""

    model: str
    """The classifier's name with its version."""
    results: list[Classification]


class Classifier(Protocol):
    """One classifier."""

    async def classify(self, subjects: Sequence[Subject]) -> Classified:
        """Judge each subject. Raises InvalidInput (naming `input`), BackendFailure."""
        ...

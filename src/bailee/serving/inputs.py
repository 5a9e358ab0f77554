"""What may be embedded and moderated, whichever model does it.

Refused here are what no model can answer; how much one reads is for it to say. Messages count
and name places, and quote nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from bailee.serving.errors import Because, CallRefused

DEFAULT_MODERATION_MODEL: Final = "omni-moderation-latest"
"""What a moderation request means that names no model."""
MAX_INPUTS: Final = 2048
_PIECES: Final = {b'"text"': "text", b'"image_url"': "image_url"}


def check_texts(given: str | Sequence[str | int | Sequence[int]]) -> None:
    """An embedding's `input`: a text, texts, tokens, or arrays of tokens; none of them empty.

    Raises CallRefused.
    """
    if not given:
        raise _invalid("'input' cannot be empty.")
    if isinstance(given, str):
        return
    if len(given) > MAX_INPUTS:
        raise _invalid(f"'input' has at most {MAX_INPUTS} elements; send several requests.")
    if len({type(element) for element in given}) > 1:
        raise _invalid("'input' mixes texts and tokens; send elements of one kind.")
    for place, element in enumerate(given):
        if not isinstance(element, int) and not element:
            raise _invalid(f"'input[{place}]' cannot be empty.")


def check_moderated(given: str | Sequence[str | Mapping[str, bytes]]) -> None:
    """A moderation's `input`: a text, texts, or texts and images as objects.

    Raises CallRefused.
    """
    if isinstance(given, str):
        return
    if not given:
        raise _invalid("'input' cannot be an empty array.")
    if len(given) > MAX_INPUTS:
        raise _invalid(f"'input' has at most {MAX_INPUTS} elements; send several requests.")
    if len({isinstance(element, str) for element in given}) > 1:
        raise _invalid("'input' mixes strings and objects; send elements of one kind.")
    for place, element in enumerate(given):
        if not isinstance(element, str):
            kind = _PIECES.get(bytes(element.get("type", b"")))
            if kind is None or kind not in element:
                raise _invalid(
                    f"'input[{place}]' is an object with 'type' text and 'text', "
                    "or 'type' image_url and 'image_url'."
                )


def _invalid(message: str) -> CallRefused:
    return CallRefused(Because.WRONG_TYPE, message, field="input", name="invalid_value")

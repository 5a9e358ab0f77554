"""Numbers as others write them."""

from typing import Final

_DIGITS: Final = 18
"""More than any number here needs; whoever sends more does not make us count them."""


def whole_number(text: str, least: int, most: int) -> int | None:
    """The number that ASCII digits write; None if it is none, or not from `least` to `most`."""
    if not text.isascii() or not text.isdigit():
        return None
    significant = text.lstrip("0")
    if len(significant) > _DIGITS:
        return None
    number = int(significant or "0")
    return number if least <= number <= most else None

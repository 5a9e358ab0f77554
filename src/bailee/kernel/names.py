"""The names that people give to what they administer: organisations, projects, keys, people."""

from typing import Final

from bailee.kernel.errors import InvalidInput

NAME_LONGEST: Final = 100
"""Characters of a name."""


def checked_name(name: str) -> str:
    """A name that can be used. Raises InvalidInput for one that is empty, long or unprintable."""
    if not name.strip() or len(name) > NAME_LONGEST or not name.isprintable():
        raise InvalidInput(
            f"A name has 1 to {NAME_LONGEST} printable characters. Give another.", field="name"
        )
    return name

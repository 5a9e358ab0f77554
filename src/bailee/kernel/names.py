"""The names that people give to what they administer: organisations, projects, keys, people."""

from typing import Final

from bailee.kernel.errors import InvalidInput

_LONGEST: Final = 100


def checked_name(name: str) -> str:
    """A name that can be used. Raises InvalidInput for one that is empty, long or unprintable."""
    if not name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise InvalidInput(
            f"A name has 1 to {_LONGEST} printable characters. Give another.", field="name"
        )
    return name

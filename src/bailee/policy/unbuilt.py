"""Which clauses speak of more than this release carries out, said wherever the policy is shown.

It says so in words for people; decisions do not read it.
"""

import tomllib
from functools import cache
from importlib import resources

from msgspec import Struct

from bailee.policy.show import BothLanguages


class Unbuilt(Struct, frozen=True):
    """The clauses, and what is said of them."""

    clauses: tuple[str, ...]
    text: BothLanguages


@cache
def unbuilt() -> Unbuilt:
    """What ships with this release."""
    file = resources.files("bailee.policy") / "unbuilt.toml"
    read = tomllib.loads(file.read_text())
    named = ", ".join(read["clauses"])
    texts = (read[language].replace("{clauses}", named) for language in ("english", "korean"))
    return Unbuilt(tuple(read["clauses"]), BothLanguages(*texts))

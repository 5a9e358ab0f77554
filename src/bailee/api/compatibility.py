"""What becomes of each operation of OpenAI's public description: the data behind the table.

`compatibility.toml` has one line for each operation. It says what is so and changes nothing: what
is served follows from the routes alone, and tests keep data, routes and document equal. Whoever
calls a refused operation is told the reason that stands here.
"""

import re
import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

_PARAMETER: Final = re.compile(r"\{[^}]*\}")


class Standing(StrEnum):
    """What becomes of an operation."""

    WORKS = "works"
    """Bailee does it."""
    PASSES_THROUGH = "passes through"
    """Bailee acts on what concerns it; the rest goes to the model as it came."""
    REFUSED = "refused"
    """404, for the reason that stands beside it."""


class Entry(NamedTuple):
    """One operation."""

    method: str
    path: str
    """As the description names it, below `/v1`."""
    standing: Standing
    note: str
    """What to know of it; of a refused one: why."""

    @property
    def served(self) -> bool:
        """Whether it is answered."""
        return self.standing is not Standing.REFUSED

    @property
    def name(self) -> str:
        """As in `GET /v1/files/{file_id}`."""
        return f"{self.method} {self.path}"


@cache
def _data() -> dict[str, dict[str, str]]:
    text = (resources.files("bailee.api") / "compatibility.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def entries() -> tuple[Entry, ...]:
    """Every operation, in the data's order. Raises ValueError on a line that means nothing."""
    reasons = _data()["reasons"]
    return tuple(_entry(name, said, reasons) for name, said in _data()["operations"].items())


@cache
def beyond() -> tuple[Entry, ...]:
    """What is served besides, which the description at hand does not have."""
    found = ((*name.partition(" "), note) for name, note in _data()["beyond"].items())
    return tuple(Entry(method, path, Standing.WORKS, note) for method, _, path, note in found)


def shape(path: str) -> str:
    """A path template without the names of its parameters, which differ between authors."""
    return _PARAMETER.sub("{}", path)


def why_refused(method: str, path: str) -> str | None:
    """Why a request to this path is not answered, if it is an operation that is refused."""
    for entry in entries():
        if not entry.served and entry.method == method and matches(entry.path, path):
            return entry.note
    return None


def _entry(name: str, said: str, reasons: dict[str, str]) -> Entry:
    method, _, path = name.partition(" ")
    word, _, note = said.partition(": ")
    standing = Standing(word)
    if standing is Standing.REFUSED:
        if note not in reasons:
            raise ValueError(f"{name} is refused for a reason that [reasons] does not have")
        note = reasons[note]
    return Entry(method, path, standing, note)


def matches(template: str, path: str) -> bool:
    """Whether a path is one of a template's, which has a whole segment for each parameter."""
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        w == g or (w.startswith("{") and g) for w, g in zip(wanted, given, strict=True)
    )

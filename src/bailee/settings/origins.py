"""Where a setting's value came from, and what is wrong with it."""

from typing import Literal, NamedTuple

from bailee.kernel.errors import InvalidInput


class Origin(NamedTuple):
    """The place of a value: `kind`, and its file and line, variable or flag."""

    kind: Literal["default", "file", "environment", "flag"]
    place: str

    def __str__(self) -> str:
        return self.place


DEFAULT = Origin("default", "default")


class Given(NamedTuple):
    """A value as it was written, and where."""

    value: object
    origin: Origin


class Problem(NamedTuple):
    """One wrong setting: where it is, its name, what is wrong and what is allowed."""

    place: str
    setting: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.setting}: {self.message}"


class WrongSettings(InvalidInput):
    """The settings cannot be used; `problems` names every one that is wrong. Correct them all."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        count = "one setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{count} wrong; correct what is named here and start again:{lines}")

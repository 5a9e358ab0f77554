"""Strict reading of TOML tables: every problem is noted with its place and what is allowed.

A `Table` hands out typed values and notes a `Problem` instead of raising, so that one reading
finds everything that is wrong. What it hands out after a problem is a stand-in of the right type;
whoever reads looks at the problems before using anything.
"""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from bailee.kernel.instants import Instant
from bailee.policy.history import Text

Choice = TypeVar("Choice", bound=enum.Enum)


class Problem(NamedTuple):
    """Something wrong in a policy file."""

    file: str
    key: str
    """As in `clauses.C05.parameters.abuse_monitoring_days`; empty for the file as a whole."""
    message: str
    """What is wrong and what is allowed."""

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.message}"


class Table:
    """One TOML table being read. `end` notes the keys that nobody asked for."""

    def __init__(
        self, values: Mapping[str, object], file: str, path: str, problems: list[Problem]
    ) -> None:
        self._values = values
        self._asked: set[str] = set()
        self.file = file
        self.path = path
        self.problems = problems

    def problem(self, key: str, message: str) -> None:
        """Note that `key` of this table is wrong; an empty key means the table itself."""
        self.problems.append(Problem(self.file, ".".join(filter(None, (self.path, key))), message))

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self._asked.add(key)
        return key in self._values

    def names(self) -> list[str]:
        """All keys, in the file's order; asking for them counts as knowing them."""
        self._asked.update(self._values)
        return list(self._values)

    def raw(self, key: str) -> object:
        """The value as TOML has it; None if absent."""
        self._asked.add(key)
        return self._values.get(key)

    def table(self, key: str) -> "Table":
        """A table below this one; an empty one if it is absent or something else."""
        value = self.raw(key)
        path = f"{self.path}.{key}" if self.path else key
        if not isinstance(value, dict):
            self.problem(key, "a table is needed here")
            value = {}
        return Table(value, self.file, path, self.problems)

    def text(self, key: str) -> str:
        """A text that is not blank."""
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip():
            self.problem(key, "a text is needed here, between quotation marks and not empty")
            return ""
        return value.strip()

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.raw(key)
        if not isinstance(value, bool):
            self.problem(key, "write true or false")
            return False
        return value

    def integer(self, key: str, lowest: int, highest: int) -> int:
        """A whole number between two bounds, both allowed."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            wanted = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
            self.problem(key, f"a whole number is needed here; allowed: {wanted}")
            return lowest
        return value

    def choice(self, key: str, kind: type[Choice]) -> Choice:
        """One of an enumeration's values."""
        value = self.raw(key)
        members = list(kind)
        for member in members:
            if member.value == value:
                return member
        self.problem(key, f"allowed: {', '.join(str(member.value) for member in members)}")
        return members[0]

    def instant(self, key: str) -> Instant:
        """A TOML date-time with its offset."""
        value = self.raw(key)
        if not isinstance(value, datetime) or value.tzinfo is None:
            self.problem(key, "a date-time with its offset is needed, as in 2026-11-23T00:00:00Z")
            return Instant(0)
        return Instant(int(value.timestamp()) * 1000 + value.microsecond // 1000)

    def both_languages(self) -> Text:
        """`english` and `korean` of this table: both there, each written in its own script."""
        found = Text(self.text("english"), self.text("korean"))
        if found.korean and not any("가" <= character <= "힣" for character in found.korean):
            self.problem("korean", "write this text in Korean")
        if any("가" <= character <= "힣" for character in found.english):
            self.problem("english", "write this text in English")
        return found

    def end(self) -> None:
        """Note every key that was not asked for."""
        allowed = ", ".join(sorted(self._asked)) or "none"
        for key in self._values:
            if key not in self._asked:
                self.problem(key, f"this key is not known here; allowed: {allowed}")

"""Checks a policy folder and says everything that is wrong with it, for `bailee policy lint`.

The checks are those of `parse`: what lints clean is what starts.
"""

from collections.abc import Mapping

from msgspec import Struct

from bailee.policy.parse import examine


class FoundProblem(Struct, frozen=True):
    """Something wrong, where, and what is allowed."""

    file: str
    key: str
    message: str


class LintReport(Struct, frozen=True):
    """What a policy folder holds and what is wrong with it."""

    clean: bool
    versions: list[str]
    clauses: int
    """How many clauses the newest version has, over all services."""
    endpoints: int
    """How many endpoint rules the newest version has."""
    problems: list[FoundProblem]


def lint(files: Mapping[str, str]) -> LintReport:
    """Examine a policy folder, given as texts by path relative to it. Never raises."""
    examined = examine(files)
    newest = max(examined.versions, key=lambda version: version.effective, default=None)
    return LintReport(
        clean=not examined.problems,
        versions=[version.id for version in examined.versions],
        clauses=len(newest.clauses) if newest else 0,
        endpoints=len(newest.endpoints) if newest else 0,
        problems=[FoundProblem(*problem) for problem in examined.problems],
    )

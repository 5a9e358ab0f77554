"""What a check of `bailee doctor` finds: a state, what is so, and what to do about it."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """The outcome of one check."""

    check: str
    state: Literal["ok", "warning", "problem"]
    what: str
    to_do: str = ""


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", what)


def warning(check: str, what: str, to_do: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(check, "warning", what, to_do)


def problem(check: str, what: str, to_do: str) -> Finding:
    """Something must be done."""
    return Finding(check, "problem", what, to_do)

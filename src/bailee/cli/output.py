"""Printing: tables for people, JSON for programs, errors in one place."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from bailee.kernel.errors import BaileeError, InvalidInput
from bailee.kernel.instants import Instant, to_rfc3339

_BETWEEN: Final = 2
"""Columns of a terminal between those of a table."""


def console() -> Console:
    """Where output for people goes; colours only on a terminal."""
    width = None if sys.stdout.isatty() else 160
    return Console(highlight=False, soft_wrap=True, width=width)


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    print(msgspec.json.encode(value, enc_hook=str).decode())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; no text is cut, and none is read as markup.

    No word is broken, since the next command wants identifiers whole: a terminal that is too narrow
    breaks the lines itself. To a file or program each row is one line.
    """
    lines = [[shown(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = list(zip(headings, *lines, strict=True))
    for column in columns:
        one_word = not any(" " in cell for cell in column[1:])
        table.add_column(column[0], overflow="fold", no_wrap=one_word)
    for line in lines:
        table.add_row(*(cell.replace("[", r"\[") for cell in line))
    out = console()
    longest = _longest_word if sys.stdout.isatty() else _longest_line
    needed = sum(max(map(longest, column)) + _BETWEEN for column in columns)
    out.width = max(out.width, needed)
    out.print(table)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _longest_line(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def shown(value: object) -> str:
    """A value for people: yes, no and –; a line for each of several things with fields."""
    if value is None or value in ("", [], (), {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ("\n" if isinstance(value[0], Mapping) else ", ").join(map(shown, value))
    if isinstance(value, Mapping):
        return "; ".join(f"{key.replace('_', ' ')}: {shown(item)}" for key, item in value.items())
    return str(value)


def cells(row: Mapping[str, Any], columns: Iterable[str]) -> list[object]:
    """A row's fields; what the API tells in Unix seconds is RFC 3339."""
    return [_timed(column, row.get(column)) for column in columns]


def print_fields(row: Mapping[str, Any], headings: Sequence[str] = ("field", "value")) -> None:
    """Print one thing, a line for each field."""
    lines = zip(row, cells(row, row), strict=True)
    print_table(headings, [(name.replace("_", " "), value) for name, value in lines])


def _timed(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _timed(key, item) for key, item in value.items()}
    timed = name.endswith(("_at", "_until", "_since")) or name in ("in_force", "since")
    if timed and isinstance(value, int | float) and not isinstance(value, bool):
        return instant_said(value)
    return value


def instant_said(seconds: float) -> str:
    """Unix seconds as RFC 3339; whole ones without a fraction, which nobody measured."""
    text = to_rfc3339(Instant(round(1000 * seconds)))
    return text.replace(".000Z", "Z") if isinstance(seconds, int) else text


def print_error(error: BaileeError) -> int:
    """Print what is wrong on standard error; gives the exit code: 2 for wrong use, else 1."""
    text = str(error) or type(error).__name__
    print(f"bailee: {text}", file=sys.stderr)
    return 2 if isinstance(error, InvalidInput) else 1

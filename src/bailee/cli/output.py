"""Printing: tables for people, JSON for programs, errors in one place."""

import sys
from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from bailee.kernel.errors import BaileeError, InvalidInput


def console() -> Console:
    """Where output for people goes; colours only on a terminal."""
    width = None if sys.stdout.isatty() else 160
    return Console(highlight=False, soft_wrap=True, width=width)


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    print(msgspec.json.encode(value, enc_hook=str).decode())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; no text is cut, and none is read as markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell).replace("[", r"\[") for cell in row))
    console().print(table)


def print_error(error: BaileeError) -> int:
    """Print what is wrong on standard error; gives the exit code: 2 for wrong use, else 1."""
    text = str(error) or type(error).__name__
    print(f"bailee: {text}", file=sys.stderr)
    return 2 if isinstance(error, InvalidInput) else 1

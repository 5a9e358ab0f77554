"""Every statement of a governance noun on organisations' rows says whose, besides the policies.

`tests/contracts/test_organisations_apart.py` tries the statements; this finds one that it cannot
tell from a filtered one, and one that is new.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import bailee.governance
from bailee.schema.tables import TENANT_TABLES

ACROSS: Final = "Across organisations"
TABLES: Final = "|".join(table.name for table in TENANT_TABLES)
ON_ROWS: Final = re.compile(rf"\b(?:FROM|JOIN|UPDATE|INTO)\s+(?:{TABLES})\b")
FILTERED: Final = re.compile(r"\btenant = :(?:own|tenant)\b")


def statements() -> Iterator[tuple[str, str]]:
    """Every statement on organisations' rows that works on one organisation, and where it is."""
    for file in sorted(Path(bailee.governance.__path__[0]).rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.AsyncFunctionDef):
                if (ast.get_docstring(function) or "").startswith(ACROSS):
                    continue
                for body in function.body:
                    for text in _texts(body):
                        if ON_ROWS.search(text):
                            yield f"{file.parent.name}.{function.name}", text


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def says_whose(text: str) -> bool:
    """Whether a statement names the organisation that it works on."""
    first, _, changing = text.partition(" DO UPDATE ")
    if changing and not FILTERED.search(changing):
        return False
    if first.strip().startswith("INSERT") and not re.search(r"\bSELECT\b", first):
        return ":tenant" in first
    return FILTERED.search(first) is not None


def test_every_statement_says_whose_rows_it_works_on() -> None:
    found = list(statements())
    assert len(found) > 100
    assert [where for where, text in found if not says_whose(text)] == []


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        ("SELECT name FROM projects WHERE project = :project", False),
        ("SELECT name FROM projects WHERE tenant = :own AND project = :project", True),
        ("DELETE FROM people WHERE tenant = :tenant", True),
        ("INSERT INTO people (person) VALUES (:person)", False),
        ("INSERT INTO people (person, tenant) VALUES (:person, :tenant)", True),
        ("INSERT INTO people (tenant) VALUES (:tenant) ON CONFLICT (x) DO UPDATE SET a = 1", False),
        ("INSERT INTO people (tenant) SELECT tenant FROM projects", False),
    ],
)
def test_what_says_whose_is_told_from_what_does_not(text: str, whose: bool) -> None:
    assert says_whose(text) is whose

"""How `bailee inspect` shows what it was told."""

import pytest

from bailee.cli.inspect import _print_fields


def test_fields_are_shown_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "complete": True,
        "held_for": [
            {"purpose": "abuse_monitoring", "clauses": ["C05", "C06"]},
            {"purpose": "application_state", "clauses": []},
        ],
        "lies_in": ["database", "held/us/00"],
        "until": None,
    }
    _print_fields(row, as_json=False)
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "what is",
        "complete yes",
        "held for purpose: abuse_monitoring; clauses: C05, C06",
        "purpose: application_state; clauses: –",
        "lies in database, held/us/00",
        "until –",
    ]

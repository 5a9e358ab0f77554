"""Tables: identifiers stay whole, whoever reads them."""

import sys

import pytest

from bailee.cli.output import print_fields, print_table

NAME = "agreement_a6759e0008cf6fe858c0d04074cc145a"
WORDS = "an application for the search in our own files, in both languages of the company"


def table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> list[str]:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "80")
    print_table(("id", "other", "use"), [(NAME, NAME.replace("a6", "b6"), WORDS)] * 2)
    return capsys.readouterr().out.splitlines()


def test_a_row_is_a_line_for_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = table(capsys, monkeypatch, terminal=False)
    assert len(lines) == 3
    assert all(NAME in line and WORDS in line for line in lines[1:])


def test_a_narrow_terminal_breaks_no_identifier(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = table(capsys, monkeypatch, terminal=True)
    assert sum(NAME in line for line in lines) == 2
    assert sum(NAME.replace("a6", "b6") in line for line in lines) == 2
    words = [word for line in lines for word in line.split()]
    assert all(words.count(word) >= 2 for word in WORDS.split())


@pytest.mark.parametrize("name", ["created_at", "grace_until", "failing_since", "in_force"])
def test_instants_are_read_by_people(capsys: pytest.CaptureFixture[str], name: str) -> None:
    print_fields({name: 1_795_737_600, "epoch": 20_784})
    printed = capsys.readouterr().out
    assert "2026-11-27T00:00:00Z" in printed
    assert "20784" in printed

"""Documents that stay true: links resolve, commands exist, what is generated is current."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.core
import typer.main

from bailee.cli.main import app
from bailee.settings import Settings
from bailee.settings.building import described, is_structure

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "verifier").glob("*.md")]
)


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_links_resolve(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if re.match(r"(?:https|mailto):", target):
            continue
        found = (document.parent / path) if path else document
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(target)
    assert broken == []


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_paths() -> set[str]:
    def below(group: typer.core.TyperGroup, path: str) -> set[str]:
        found: set[str] = set()
        for name, command in group.commands.items():
            here = f"{path} {name}".strip()
            found.add(here)
            if isinstance(command, typer.core.TyperGroup):
                found |= below(command, here)
        return found

    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return below(group, "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_commands_exist(document: Path) -> None:
    known = command_paths()
    groups = {path.split()[0] for path in known if " " in path}
    unknown = set()
    for said in re.findall(
        r"(?:`|\(|^|/)bailee ([a-z][a-z -]*)", document.read_text("utf-8"), re.MULTILINE
    ):
        words = said.split()
        path = " ".join(words[:2]) if words[0] in groups and len(words) > 1 else words[0]
        if path not in known:
            unknown.add(path)
    assert unknown == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    said = set(re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE))
    assert said <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_settings_that_are_named_exist(document: Path) -> None:
    sections = {f.name: f.kind for f in described(Settings) if is_structure(f.kind)}
    text = document.read_text("utf-8")
    wrong = set()
    for section, name in re.findall(r"`([a-z]+)\.([a-z0-9_]+)(?:=[^`]*)?`", text):
        if section in sections and name not in {f.name for f in described(sections[section])}:
            wrong.add(f"{section}.{name}")
    modules = {"settings.rules", "settings.reading", "settings.structure"}
    assert wrong - modules == set()


@pytest.mark.parametrize(
    "generator", sorted((ROOT / "tools").glob("make_*_reference.py")), ids=lambda p: str(p.name)
)
def test_references_are_current(generator: Path) -> None:
    checked = subprocess.run(
        [sys.executable, str(generator), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_examples_in_python_parse(document: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", document.read_text("utf-8"), re.DOTALL):
        ast.parse(block)


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text("utf-8")))
    assert listed == {path.name for path in folder.glob("0*.md")}

"""Documents that stay true: links resolve, commands exist, what is generated is current."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.core
import typer.main

from bailee.cli.main import app
from bailee.custody.catalogue.entries import packaged_catalogue
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


def said_commands(text: str) -> Iterator[list[str]]:
    """Every `bailee …` in shell blocks and between backticks, as words behind `bailee`."""
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"`([^`\n]+)`", outside)
    for line in lines:
        for said in re.findall(r"(?:^|[ /(])bailee ((?:[^;|&#)]|\$\()+)", line):
            try:
                yield shlex.split(said, comments=True)
            except ValueError:  # a quotation mark that the rest of the line closes
                yield said.replace('"', "").split()


def refusal_of(words: list[str]) -> str | None:
    """What is wrong with a command line; None where it parses."""
    command: Any = typer.main.get_command(app)
    while words and isinstance(command, typer.core.TyperGroup):
        if words[0] not in command.commands:
            return f"{words[0]} is no command"
        command, words = command.commands[words[0]], words[1:]
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    places = sum(1 for one in command.params if one.param_type_name == "argument")
    endless = any(one.nargs < 0 for one in command.params)
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name in ("--help", "-h"):
            continue
        if not word.startswith("-"):
            places -= 1
        elif name not in options:
            return f"{command.name} has no {name}"
        elif not (equals or options[name].is_flag) and not words:
            return f"{name} has no value"
        elif not (equals or options[name].is_flag):
            words.pop(0)
    return f"{command.name} has too many words" if places < 0 and not endless else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_command_lines_parse(document: Path) -> None:
    said = list(said_commands(document.read_text("utf-8")))
    refused = {" ".join(words): refusal_of(list(words)) for words in said}
    assert {line: why for line, why in refused.items() if why is not None} == {}


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("`bailee keys create --project PROJECT --expires-in-days 9`", True),
        ("`bailee serve --set model.enabled=false --set region=eu`", True),
        ('```sh\nexport K="$(bailee admin bootstrap --organisation Acme)"\n```', True),
        ("`bailee verify a.json b.json`", True),
        ("`bailee keys create --colour blue`", False),
        ("`bailee keys invent`", False),
        ("`bailee inspect kept one two`", False),
        ('```sh\neval "$(bailee env --unsett)"\n```', False),
    ],
)
def test_a_wrong_command_line_is_found(line: str, *, right: bool) -> None:
    (words,) = said_commands(line)
    assert (refusal_of(words) is None) is right


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [
            (page.parent / target.partition("#")[0]).resolve()
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
            if not re.match(r"(?:https|mailto):|#", target)
        ]
    assert set(DOCUMENTS) <= reached


def test_the_data_folder_is_described_as_it_is_catalogued() -> None:
    page = (ROOT / "docs" / "operating" / "data-folder.md").read_text("utf-8")
    said = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    catalogue = packaged_catalogue()
    folders = {f"{name.partition('/')[0]}/" for name in catalogue.names("files") if "/" in name}
    assert folders - {"trust/"} <= said
    assert {f"objects/{key}" for key in catalogue.names("objects")} <= said


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

"""Measures that keep the tree readable, and words that do not belong in it."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 500
FUNCTION_LINES = 70
SYSTEM_ONLY = {"time", "secrets", "random", "uuid"}
"""Modules that `drivers/system` alone may import: clocks and randomness have one door."""


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the tree that is kept, or about to be."""
    listed = subprocess.run(
        [
            shutil.which("git") or "git",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.decode().split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def sources(*folders: str) -> list[Path]:
    wanted = tuple(ROOT / folder for folder in folders)
    return [p for p in tracked() if p.suffix == ".py" and any(p.is_relative_to(w) for w in wanted)]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_modules_are_short_and_say_what_they_promise() -> None:
    wrong = []
    for path in sources("src", "tools", "verifier"):
        text = path.read_text("utf-8")
        if (lines := text.count("\n")) > MODULE_LINES:
            wrong.append(f"{name(path)}: {lines} lines, at most {MODULE_LINES}")
        if not ast.get_docstring(ast.parse(text)):
            wrong.append(f"{name(path)}: no docstring")
    assert wrong == []


def test_functions_are_short() -> None:
    wrong = []
    for path in sources("src", "tools", "verifier"):
        for function in functions(ast.parse(path.read_text("utf-8"))):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES:
                wrong.append(f"{name(path)}:{function.lineno} {function.name}: {lines} lines")
    assert wrong == []


def test_clocks_and_randomness_have_one_door() -> None:
    wrong = []
    for path in sources("src"):
        if path.parent.name in ("system", "memory") and path.parents[1].name == "drivers":
            continue  # the door itself, and the simulation's seeded generators
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            wrong += [f"{name(path)}:{getattr(node, 'lineno', 0)} {used}" for used in _uses(node)]
    assert wrong == []


def _uses(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in SYSTEM_ONLY)
    if isinstance(node, ast.ImportFrom) and node.module in SYSTEM_ONLY and node.level == 0:
        yield node.module or ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        called = f"{node.value.id}.{node.attr}"
        if called in ("os.environ", "os.getenv", "os.urandom", "datetime.now", "datetime.utcnow"):
            yield called


REGISTRIES = ("py" + "pi.", "pythonhosted", "npm" + "js.", "debian.org", "index-url", "find-links")
BANNED = {
    "a registry's address": re.compile("|".join(map(re.escape, REGISTRIES))),
    "a path of one machine": re.compile(r"/(?:work|home/\w+|Users/\w+)/"),
    "an issue's number": re.compile(r"(?:\bissue |\bissues? ?)#\d|\(#\d+\)", re.IGNORECASE),
    "a note to come back": re.compile(r"\b(?:TO" + "DO|FIX" + r"ME|XX" + r"X)\b"),
}
EXEMPT = {"tests/tidy/test_sources.py", "tools/lock.sh"}


@pytest.mark.parametrize("what", BANNED)
def test_words_that_do_not_belong_here(what: str) -> None:
    wrong = []
    for path in tracked():
        if name(path) in EXEMPT:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{name(path)}:{number} {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if BANNED[what].search(line)
        ]
    assert wrong == []


def test_locks_have_hashes_and_no_addresses() -> None:
    for lock in sorted(ROOT.glob("requirements*.lock")):
        text = lock.read_text("utf-8")
        assert "://" not in text, f"{lock.name} holds an address"
        pinned = re.findall(r"^[a-z0-9._-]+(?:\[[^\]]*\])?==[^ ]+", text, re.MULTILINE)
        blocks = text.replace("\\\n", " ").splitlines()
        for line in (line for line in blocks if line and not line.startswith("#")):
            assert " --hash=sha256:" in line, f"{lock.name}: {line[:60]} has no hash"
        assert pinned, f"{lock.name} pins nothing"


def test_locks_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    asked = {
        "requirements.lock": project["project"]["dependencies"] + groups["build"],
        "requirements-dev.lock": project["project"]["dependencies"] + groups["dev"],
        "requirements-tour.lock": project["project"]["dependencies"]
        + project["project"]["optional-dependencies"]["tour"],
        "requirements-finetuning.lock": project["project"]["dependencies"]
        + project["project"]["optional-dependencies"]["finetuning"],
    }
    for lock, requirements in asked.items():
        text = (ROOT / lock).read_text("utf-8")
        locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE))
        wanted = {re.split(r"[\[<>=!~ ]", one)[0].lower().replace("_", "-") for one in requirements}
        assert wanted <= locked, f"{lock} lacks {sorted(wanted - locked)}: run make lock"

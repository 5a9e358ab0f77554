"""Time, randomness and the environment are touched in `drivers/system` alone.

Everything else gets them through ports, so that a simulation can own them.
"""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "bailee"
ALLOWED = SOURCE / "drivers" / "system"
MODULES = {"time", "secrets", "random", "uuid"}
NAMES = {
    "os.urandom",
    "os.getrandom",
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.putenv",
    "os.unsetenv",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}
EXCEPTIONS = {
    # Chooses which faults a simulated disk has, from a seed.
    ("drivers/memory/files.py", "random"),
}


def guarded_uses(source: str) -> set[str]:
    """What a module touches of the guarded things."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {node.module} & MODULES | names & NAMES
        elif isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            found |= {name for name in NAMES if dotted == name or dotted.endswith(f".{name}")}
    return found


def modules() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if not path.is_relative_to(ALLOWED)]


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_only_the_system_driver_touches_guarded_things(path: Path) -> None:
    name = path.relative_to(SOURCE).as_posix()
    uses = {use for use in guarded_uses(path.read_text()) if (name, use) not in EXCEPTIONS}
    assert uses == set(), "take it through a port: clock, randomness, or the settings"


@pytest.mark.parametrize(
    ("source", "uses"),
    [
        ("import time", {"time"}),
        ("from time import monotonic", {"time"}),
        ("import os\nos.urandom(3)", {"os.urandom"}),
        ("from os import environ", {"os.environ"}),
        ("import datetime\ndatetime.datetime.now()", {"datetime.now"}),
        ("from datetime import datetime\ndatetime.fromisoformat('x')", set()),
        ("import os\nos.fsync(1)\nself.time.now()", set()),
    ],
)
def test_the_lint_finds_what_it_looks_for(source: str, uses: set[str]) -> None:
    assert guarded_uses(source) == uses

"""Generated files are what their generators make of the policy as it is."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]


def _tool(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference" / "policy.md").read_text("utf-8")
    assert written == _tool("make_policy_reference").reference(), "run the generator again"


def test_decisions_are_those_of_the_vectors() -> None:
    written = (ROOT / "tests" / "vectors" / "policy.json").read_text("utf-8")
    assert written == _tool("make_policy_vectors").document(), "a decision has changed"

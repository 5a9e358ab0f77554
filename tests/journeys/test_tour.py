"""The tour: a short one with every check on each run, the whole one at full size."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHORT_REQUESTS = 48
"""Seven half hours instead of 75, with all the kills and all the checks."""


def tour(folder: Path, *arguments: str, timeout_s: float) -> tuple[int, dict[str, Any], str]:
    command = (sys.executable, "-m", "bailee", "tour", "--json", "--data", str(folder), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def check(code: int, found: dict[str, Any], story: str) -> None:
    assert code == 0, story
    assert found["opened_before"] >= 1
    assert found["opened_after"] == found["overdue"] == found["lost"] == 0
    assert found["answered"] == found["records"]
    assert found["min_age_s"] >= 2_588_400
    assert found["max_age_s"] <= 2_592_000
    assert found["receipts_verified"] == found["destroyed_epochs"] + found["answered"]
    assert story.count("SIGKILL") == 7


@pytest.mark.journey
@pytest.mark.timeout(300)
def test_a_short_tour(tmp_path: Path) -> None:
    code, found, story = tour(tmp_path / "data", "--requests", str(SHORT_REQUESTS), timeout_s=280)
    check(code, found, story)
    assert found["answered"] == SHORT_REQUESTS
    assert found["destroyed_epochs"] >= 7


@pytest.mark.journey
@pytest.mark.soak
@pytest.mark.timeout(450)
def test_the_whole_tour(tmp_path: Path) -> None:
    code, found, story = tour(tmp_path / "data", timeout_s=400)
    check(code, found, story)
    assert found["records"] >= 500
    assert found["destroyed_epochs"] >= 72

"""The canary: 2,000 calls on each run, 100,000 at full size."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.journey


def canary(folder: Path, prompts: int, timeout_s: float) -> tuple[int, dict[str, Any], str]:
    command = (sys.executable, "-m", "bailee", "canary", "--json", "--prompts", str(prompts))
    done = subprocess.run(
        (*command, "--data", str(folder)),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def check(code: int, found: dict[str, Any], story: str, prompts: int) -> None:
    assert code == 0, story
    assert found["zdr_sealed_places"] == []
    assert found["prompts"] == prompts
    assert found["zdr_hits"] == found["clear_hits"] == found["zdr_sealed"] == 0
    assert found["recorded"] == found["sealed"] > prompts // 20
    assert found["found"] == found["planted"] > 10
    assert found["unrecorded_records"] == 0
    assert found["local_model"]
    assert found["kills"] == 9


@pytest.mark.timeout(800)
def test_nothing_is_left_of_2000_calls(tmp_path: Path) -> None:
    check(*canary(tmp_path / "canary", 2000, 750), prompts=2000)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_is_left_of_100000_calls(tmp_path: Path) -> None:
    check(*canary(tmp_path / "canary", 100_000, 7000), prompts=100_000)

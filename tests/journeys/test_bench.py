"""The measurements run and end in one JSON line with the figures that they name.

Small, for correctness: no figure is compared with anything.
"""

import json
import subprocess
import sys
from typing import Any

import pytest


def _last_line(*arguments: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "bailee", "bench", *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_log() -> None:
    figures = _last_line("log", "--entries", "2000")
    assert figures["entries"] == 2000
    assert figures["entries_per_s"] > 0
    assert 0 < figures["checkpoint_p50_ms"] <= figures["checkpoint_p99_ms"]


def test_seal() -> None:
    figures = _last_line("seal", "--records", "300")
    assert figures["records"] == 300
    assert figures["records_per_s"] > 0
    assert 0 < figures["overhead_bytes"] < 5000
    assert 0 < figures["stored_ratio"] < 2


def test_batch() -> None:
    figures = _last_line("batch", "--lines", "200", "--calls", "50")
    assert figures["status"] == "completed"
    assert figures["completed"] == figures["delivered"] == figures["lines"] == 200
    assert figures["ratio"] > 0


@pytest.mark.soak
def test_batch_at_full_size() -> None:
    figures = _last_line("batch", "--lines", "10000")
    assert figures["completed"] == figures["delivered"] == 10_000
    assert figures["ratio"] > 1


@pytest.mark.soak
def test_gateway() -> None:
    """Needs wrk and nginx, which `make bench` installs."""
    figures = _last_line("gateway", "--seconds", "1")
    assert figures["errors"] == ""
    assert figures["rps_durable"] > 0
    assert figures["rps_sealed"] > 0
    assert figures["rps_plain"] > 0
    assert figures["gateway_cpu_us_per_request_durable"] > 0
    assert figures["gateway_cpu_us_per_request_plain"] > 0
    assert figures["gateway_cpu_us_per_request_sealed"] > 0
    assert figures["ratio_nginx"] == pytest.approx(
        figures["rps_durable"] / figures["rps_nginx"], abs=0.01
    )

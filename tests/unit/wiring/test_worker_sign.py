"""The worker's sign of life: fresh, old, and absent."""

import asyncio
import contextlib
import os
from pathlib import Path

from bailee.drivers.system import SystemClock
from bailee.kernel.instants import Instant
from bailee.wiring.worker_sign import SILENT_S, keep_saying, worker_problem

NOW = SystemClock().now()


async def test_a_worker_that_lives_says_so(tmp_path: Path) -> None:
    sign = tmp_path / "worker.sign"
    assert "has not started" in (worker_problem(sign, NOW) or "")
    old_s = NOW / 1000 - 3600
    sign.touch()
    os.utime(sign, (old_s, old_s))
    assert "silent for 3600 s" in (worker_problem(sign, NOW) or "")
    saying = asyncio.ensure_future(keep_saying(sign, SystemClock()))
    await asyncio.sleep(0)
    assert worker_problem(sign, SystemClock().now()) is None
    saying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await saying


def test_silence_is_noticed_after_its_time_and_not_before(tmp_path: Path) -> None:
    sign = tmp_path / "worker.sign"
    sign.touch()
    os.utime(sign, (NOW / 1000, NOW / 1000))
    silent_ms = int(SILENT_S * 1000)
    assert worker_problem(sign, Instant(NOW + silent_ms)) is None
    assert worker_problem(sign, Instant(NOW + silent_ms + 1000)) is not None

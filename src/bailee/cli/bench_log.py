"""Measuring the log: from entries committed in the database's outbox to a durable checkpoint."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bailee.wiring.bench_log import LogUnderMeasurement, opened_log

Tell = Callable[[str], None]

STEADY_ENTRIES_PER_S: Final = 2000
STEADY_S: Final = 5


def measure_log(entries: int, tell: Tell) -> dict[str, Any]:
    """All figures of `bailee bench log`."""
    with (
        tempfile.TemporaryDirectory(prefix="bailee-bench-") as folder,
        opened_log(Path(folder)) as log,
    ):
        return asyncio.run(_measure(log, entries, tell))


async def _measure(log: LogUnderMeasurement, entries: int, tell: Tell) -> dict[str, Any]:
    await log.open()
    try:
        tell(f"sequencing {entries} entries")
        seconds = await log.burst(entries)
        tell(f"{STEADY_ENTRIES_PER_S} entries a second for {STEADY_S} s")
        waits_ms = sorted(await log.steady(STEADY_ENTRIES_PER_S, STEADY_S))
    finally:
        await log.close()
    return {
        "entries": entries,
        "entries_per_s": round(entries / seconds),
        "checkpoint_p50_ms": round(waits_ms[len(waits_ms) // 2]),
        "checkpoint_p99_ms": round(waits_ms[len(waits_ms) * 99 // 100]),
    }

"""Whether the worker lives: it leaves a sign every few seconds, and gateways look at how old it is.

Promises: a worker that was killed, or whose loop stands still, is noticed within `SILENT_S`. Says
nothing about whether there is work or how it goes. Where several workers share the work, one that
lives is enough.
"""

from pathlib import Path
from typing import Final

from bailee.kernel.instants import SECOND_MS, Instant
from bailee.ports.clock import Clock

EVERY_S: Final = 5.0
SILENT_S: Final = 20.0
_NS_PER_MS: Final = 1_000_000


async def keep_saying(sign: Path, clock: Clock) -> None:
    """Leave a sign of life, until cancelled."""
    while True:
        _say(sign)
        await clock.sleep_s(EVERY_S)


def _say(sign: Path) -> None:
    sign.touch(mode=0o600)


def worker_problem(sign: Path, now: Instant) -> str | None:
    """Why batches and fine-tuning jobs do not go on; None: the worker lives.

    `now` is of the machine's clock, as file times are.
    """
    try:
        said = sign.stat().st_mtime_ns // _NS_PER_MS
    except FileNotFoundError:
        return "the worker has not started; batches and fine-tuning jobs wait"
    silent_s = (now - said) // SECOND_MS
    if silent_s <= SILENT_S:
        return None
    return f"the worker has been silent for {silent_s} s; batches and fine-tuning jobs wait"

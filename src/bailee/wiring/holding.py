"""Under which name a process holds leases, and those of its predecessor that was killed.

Promises: what a process held that has ended is free as soon as its successor in the same data
folder starts, however it ended; what a living one holds stays its own. Whether it lives is told by
a lock that the kernel gives back with the process. Where that cannot be told, leases lapse by
themselves.
"""

import fcntl
import os
from pathlib import Path

from bailee.ports.leases import Leases
from bailee.ports.randomness import Randomness
from bailee.wiring.places import Places

_RANDOM_BYTES = 8


async def become_holder(
    places: Places, node: str, part: str, leases: Leases, randomness: Randomness
) -> str:
    """This process's name as a holder of leases, unique; call it before any lease is acquired.

    `part` is what the process does in its installation, as in `clerk`.
    """
    ours = f"{node}/{part}/"
    if _alone(places.lock_of(part)):
        await leases.release_of(ours)
    return ours + randomness.random_bytes(_RANDOM_BYTES).hex()


def _alone(lock: Path) -> bool:
    """Whether no other process is this part; if so, none becomes it while this one lives."""
    # Never closed: the lock is to last for as long as the process.
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True

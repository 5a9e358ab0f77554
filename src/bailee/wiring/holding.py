"""Under which name a process holds leases, and those of its predecessors that were killed.

Promises: what a process held that has ended is free as soon as one like it starts in the same data
folder, however it ended; what a living one holds stays its own, however many there are. Whether
one lives is told by a lock that the kernel gives back with the process. Of data folders elsewhere
nothing is known; leases that their processes held lapse by themselves.
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

    `part` is what the process does in its installation, as in `clerk`. Each process takes a place
    among those of its part, and its name tells which.
    """
    ours: str | None = None
    place = -1
    while True:
        place += 1
        file = places.lock_of(part, place)
        if ours is not None and not file.exists():
            return ours + randomness.random_bytes(_RANDOM_BYTES).hex()
        lock = _locked(file)
        if lock is None:
            continue
        # Whoever held leases from this place is dead, and nobody takes it meanwhile.
        name = f"{node}/{part}/{place}/"
        await leases.release_of(name)
        if ours is None:
            ours = name  # and the lock stays for as long as the process
        else:
            os.close(lock)


def _locked(file: Path) -> int | None:
    """A descriptor that holds a file's lock; None while another process does."""
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor

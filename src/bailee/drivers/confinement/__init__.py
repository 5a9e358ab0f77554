"""Giving up what a process must not have: the keyring's folder, the keeper's memory, core files.

`confine` is for every process but the keeper; `protect_keeper` is for the keeper, and
`protect_memory`, its milder half, for whoever handles content. Each reports what it found and did,
so that start-up can say whether G2 is enforced here; none of them raises because a kernel lacks
something. What root may still do from outside is in the threat model, not here.
"""

from bailee.drivers.confinement.landlock import (
    ConfinementReport,
    all_but,
    confine,
    enforcement_of,
    landlock_abi,
)
from bailee.drivers.confinement.memory import (
    ProtectionReport,
    active_swaps,
    protect_keeper,
    protect_memory,
)

__all__ = [
    "ConfinementReport",
    "ProtectionReport",
    "active_swaps",
    "all_but",
    "confine",
    "enforcement_of",
    "landlock_abi",
    "protect_keeper",
    "protect_memory",
]

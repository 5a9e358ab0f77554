"""Every port in memory, with faults on demand: what simulations and unit tests are built on.

State and the view of it are apart: a `Disk`, a `Bucket` or a `Database` outlives a crash, while
the drivers that show it (`MemoryFiles`, `MemoryObjects`, `MemoryLedger`, …) belong to one
simulated process, whose `Faults` can end it before or after any call.
"""

from bailee.drivers.memory.clock import ManualClock
from bailee.drivers.memory.database import Database, MemoryLeases, MemoryOutbox
from bailee.drivers.memory.faults import Faults, SimulatedCrash
from bailee.drivers.memory.files import Disk, MemoryFiles
from bailee.drivers.memory.ledger import MemoryLedger
from bailee.drivers.memory.objects import Bucket, MemoryObjects
from bailee.drivers.memory.offload import InlineOffload
from bailee.drivers.memory.randomness import SeededRandomness
from bailee.drivers.memory.rate_limit import MemoryRateLimit

__all__ = [
    "Bucket",
    "Database",
    "Disk",
    "Faults",
    "InlineOffload",
    "ManualClock",
    "MemoryFiles",
    "MemoryLeases",
    "MemoryLedger",
    "MemoryObjects",
    "MemoryOutbox",
    "MemoryRateLimit",
    "SeededRandomness",
    "SimulatedCrash",
]

"""The operating system's clock, randomness, threads and environment: the only place for them."""

from bailee.drivers.system.clock import SharedClock, SystemClock
from bailee.drivers.system.environment import environment, process_id
from bailee.drivers.system.offload import ThreadOffload
from bailee.drivers.system.randomness import SystemRandomness

__all__ = [
    "SharedClock",
    "SystemClock",
    "SystemRandomness",
    "ThreadOffload",
    "environment",
    "process_id",
]

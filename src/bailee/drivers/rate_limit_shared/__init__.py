"""Counts shared by all processes of one machine through a memory-mapped file."""

from bailee.drivers.rate_limit_shared.leased import LeasedRateLimit
from bailee.drivers.rate_limit_shared.table import SharedRateLimit

__all__ = ["LeasedRateLimit", "SharedRateLimit"]

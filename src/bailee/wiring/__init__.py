"""Builds every object: the sole importer of drivers.

The functions here are what the command line calls (`cli.administration.Wiring`).
"""

from bailee.wiring.administration import administration, first_start, probe_database
from bailee.wiring.clerk_process import run_clerk
from bailee.wiring.gateway_process import run_gateway
from bailee.wiring.keeper_process import run_keeper
from bailee.wiring.model_process import run_model_runner
from bailee.wiring.preparation import prepare

__all__ = [
    "administration",
    "first_start",
    "prepare",
    "probe_database",
    "run_clerk",
    "run_gateway",
    "run_keeper",
    "run_model_runner",
]

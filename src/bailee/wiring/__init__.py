"""Builds every object: the sole importer of drivers.

What the command line calls (`cli.administration.Wiring`) is found here by name and imported when
it is asked for: each process loads its own parts and no others.
"""

from importlib import import_module
from typing import Any, Final

_HOMES: Final = {
    "administration": "operating",
    "first_start": "operating",
    "import_desk": "importing",
    "prepare": "preparation",
    "probe_database": "operating",
    "run_clerk": "entrances",
    "run_gateway": "entrances",
    "run_keeper": "keeper_process",
    "run_model_runner": "model_process",
    "run_worker": "entrances",
    "services_desk": "importing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"bailee.wiring.{_HOMES[name]}"), name)

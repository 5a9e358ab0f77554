"""A misspelt field of Bailee's own API is refused: left out, it would mean another thing."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import bailee.api.bailee_v1 as own

_READ = re.compile(r"body_of\(request, (\w+)\)")
BODIES = sorted(
    (module.name, name)
    for module in pkgutil.iter_modules(own.__path__)
    for name in set(_READ.findall(Path(own.__path__[0], f"{module.name}.py").read_text()))
)


def test_the_bodies_are_found() -> None:
    assert len(BODIES) > 25


@pytest.mark.parametrize(("module", "name"), BODIES)
def test_an_unknown_field_is_refused(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(f"{own.__name__}.{module}"), name)
    assert kind.__struct_config__.forbid_unknown_fields

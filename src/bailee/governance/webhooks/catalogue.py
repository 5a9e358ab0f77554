"""The types of events that can be asked for, with what each tells, as data.

`event_types.toml` names every type of the audit log; a test keeps the two equal.
"""

import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple


class EventType(NamedTuple):
    """A type, and what it tells."""

    english: str
    korean: str


@cache
def event_types() -> dict[str, EventType]:
    """What there is, by type."""
    data = resources.files("bailee.governance.webhooks").joinpath("event_types.toml")
    document = tomllib.loads(data.read_text("utf-8"))
    return {name: EventType(row["english"], row["korean"]) for name, row in document.items()}

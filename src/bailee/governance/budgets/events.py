"""What is announced of budgets: identifiers and amounts, no addresses."""

from collections.abc import Callable
from typing import NamedTuple


class AlertReached(NamedTuple):
    """A month's spending has reached a threshold, for the first time in that month."""

    alert: str
    """As people see its identifier."""
    month: str
    threshold_cents: int


Announce = Callable[[AlertReached], None]
"""Takes note of an event; called after commit, must not raise."""

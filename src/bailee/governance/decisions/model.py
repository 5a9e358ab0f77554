"""What is counted of decisions."""

from typing import Final, NamedTuple

from bailee.kernel.ids import ProjectId, TenantId
from bailee.policy.model import Facts

KEPT_DAYS: Final = 31
"""How long counts are kept after the day that they are of."""
STORE: Final = {None: "absent", False: "false", True: "true"}
"""How a request's `store` is stored."""


class DecisionKey(NamedTuple):
    """What a decision is counted under."""

    tenant: TenantId
    project: ProjectId
    day: int
    """Days since the POSIX epoch."""
    policy: str
    """The version that governed."""
    facts: Facts
    """Their instant says nothing: day and version do."""


class Tally:
    """A count that grows in memory."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0

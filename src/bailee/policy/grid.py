"""Every combination of facts that a decision can tell apart, and what a decision comes to.

The grid leaves out what changes no outcome: the region, which a decision passes on, the instant
within a version, and calls that use several features, each of which a decision looks at alone. An
outcome is a decision without its texts: periods count from the start of the epoch, so that outcomes
at different instants can be compared.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

from bailee.kernel.ids import Purpose, Region
from bailee.kernel.instants import DAY_MS, HOUR_MS, Instant, epoch_start
from bailee.policy.decide import HELD_PURPOSES, decide
from bailee.policy.history import PolicyHistory
from bailee.policy.model import Decision, Facts, Feature, RetentionMode

Value = str | bool | None

DIMENSIONS: Final[dict[str, tuple[Value, ...]]] = {
    "retention_mode": tuple(mode.value for mode in RetentionMode),
    "store": (None, False, True),
    "protected_health": (False, True),
    "sharing_consent": (False, True),
    "improvement_opt_out": (False, True),
    "reject_store": (False, True),
    "feature": (None, *(feature.value for feature in Feature)),
}
"""What about a caller and a call decides, besides service, endpoint and instant."""

KEPT: Final = "kept."
CITED: Final = "cited."
ANSWERED: Final = "answered"
CLASSIFIED: Final = "classified"
STORE: Final = "store"
UNTIL_DELETED: Final = "until_deleted"
NOTHING: Final = "nothing"
YES: Final = "yes"


class Cell(NamedTuple):
    """One combination, in the order of `DIMENSIONS`."""

    retention_mode: str
    store: bool | None
    protected_health: bool
    sharing_consent: bool
    improvement_opt_out: bool
    reject_store: bool
    feature: str | None


Outcome = dict[str, str]
"""By aspect: `answered` (`yes`, or the refusal's name), `kept.<purpose>` (`30 d`, `until_deleted`,
`nothing`), `cited.<purpose>` (clauses), `classified`, `store` (`kept`, `left_out`, `nothing`)."""


def cells() -> Iterator[Cell]:
    """The whole grid of one endpoint."""
    return (Cell(*values) for values in product(*DIMENSIONS.values()))  # type: ignore[arg-type]


def facts_of(cell: Cell, service: str, endpoint: str, at: Instant) -> Facts:
    """The facts of a cell. The region stands for all of them."""
    return Facts(
        service=service,
        endpoint=endpoint,
        region=Region("us"),
        submitted_at=at,
        retention_mode=RetentionMode(cell.retention_mode),
        sharing_consent=cell.sharing_consent,
        improvement_opt_out=cell.improvement_opt_out,
        protected_health=cell.protected_health,
        store_requested=cell.store,
        reject_store=cell.reject_store,
        features=() if cell.feature is None else (Feature(cell.feature),),
    )


def outcome_of(
    policies: PolicyHistory, facts: Facts, held: frozenset[Purpose] = HELD_PURPOSES
) -> Outcome:
    """What a call comes to. Raises InvalidInput as `decide`."""
    return outcome(decide(policies, facts, held))


def outcome(decision: Decision) -> Outcome:
    """What a decision comes to."""
    found = {
        ANSWERED: YES if decision.refusal is None else decision.refusal,
        CLASSIFIED: ", ".join(decision.classifiers) or NOTHING,
        STORE: "kept" if decision.store else "left_out" if decision.store_left_out else NOTHING,
    }
    for purpose in Purpose:
        found[KEPT + purpose.value] = NOTHING
        found[CITED + purpose.value] = NOTHING
    begin = epoch_start(decision.epoch)
    for handling in decision.handlings:
        period = UNTIL_DELETED if handling.until is None else _period(handling.until - begin)
        found[KEPT + handling.purpose.value] = period
        found[CITED + handling.purpose.value] = ", ".join(handling.clauses)
    return found


def _period(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, DAY_MS)
    if not rest:
        return f"{days} d"
    return f"{milliseconds / HOUR_MS:g} h"


def period_ms(value: str) -> int | None:
    """How long a value of `kept.<purpose>` keeps; None: until it is deleted."""
    if value == UNTIL_DELETED:
        return None
    if value == NOTHING:
        return 0
    number, unit = value.split()
    return int(float(number) * (DAY_MS if unit == "d" else HOUR_MS))

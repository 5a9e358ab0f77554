"""Finds where a later version of a policy would keep more, or for longer, than the one before.

Decisions never let a later version lengthen what was submitted before it (C04). This goes
further: Bailee's policy only ever grows stricter about keeping, so that nobody need compare dates
to know that what they were promised still holds.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from bailee.policy.history import EndpointRule, Improvement, PolicyVersion, Rules, State


class Lengthening(NamedTuple):
    """One place where a version keeps more than the one before."""

    version: str
    key: str
    message: str


def lengthenings(versions: list[PolicyVersion]) -> list[Lengthening]:
    """All of them, over versions sorted by service and effective instant."""
    found: list[Lengthening] = []
    for before, after in pairwise(versions):
        if before.service != after.service:
            continue
        for key, message in _between(before, after):
            found.append(Lengthening(after.id, key, f"{message} ({before.id})"))
    return found


def _between(before: PolicyVersion, after: PolicyVersion) -> Iterator[tuple[str, str]]:
    yield from _rules(before.rules, after.rules)
    for endpoint, rule in after.endpoints.items():
        earlier = before.endpoints.get(endpoint)
        if earlier is not None:
            yield from _endpoint(endpoint, earlier, rule)


def _rules(before: Rules, after: Rules) -> Iterator[tuple[str, str]]:
    days = (
        ("clauses.C05", before.abuse_monitoring_days, after.abuse_monitoring_days),
        ("clauses.C02", before.improvement_days, after.improvement_days),
        ("clauses.C10", before.stored_days, after.stored_days),
    )
    for key, earlier, later in days:
        if later > earlier:
            yield key, f"keeps for {later} days; allowed: up to the {earlier} days of before"
    loosened = (Improvement.OPT_IN, Improvement.UNLESS_OPTED_OUT)
    if (before.improvement, after.improvement) == loosened:
        yield "clauses.C02", "allows improvement without an opt-in, which was needed before"


def _endpoint(
    endpoint: str, before: EndpointRule, after: EndpointRule
) -> Iterator[tuple[str, str]]:
    order = (State.NONE, State.WHEN_STORED, State.UNTIL_DELETED)
    if after.abuse_monitoring and not before.abuse_monitoring:
        yield "endpoint_table", f"{endpoint} is kept for abuse monitoring and was not before"
    if order.index(after.state) > order.index(before.state):
        yield "endpoint_table", f"{endpoint} keeps more application state than before"
    if after.store_default and not before.store_default:
        yield "endpoint_table", f"{endpoint} stores unless told otherwise and did not before"
    if after.sharing and not before.sharing:
        yield "endpoint_table", f"{endpoint} may be shared and could not be before"

"""Replaying the facts of past decisions under a draft: what would have been otherwise.

The facts are counts without content (`Counted`). Each is decided as it was, by the version that
governed, and as it would have been had the draft been in force; a difference is reported with how
many calls and projects it concerns, and in which direction it goes. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from bailee.kernel.ids import ProjectId, Purpose
from bailee.kernel.instants import Instant
from bailee.policy.decide import HELD_PURPOSES
from bailee.policy.difference import changes_of
from bailee.policy.grid import ANSWERED, KEPT, YES, outcome_of, period_ms
from bailee.policy.history import PolicyHistory, PolicyVersion, history
from bailee.policy.model import Facts
from bailee.policy.words import value_said

KEEPS_LESS: Final = "keeps_less"
KEEPS_MORE: Final = "keeps_more"
REFUSED: Final = "refused"
ANSWERS: Final = "answered"
OTHERWISE: Final = "otherwise"


class Counted(NamedTuple):
    """How often one project's calls had the same facts."""

    project: ProjectId
    facts: Facts
    """At an instant at which the version that governed them was in force."""
    calls: int


class Simulated(Struct, frozen=True):
    """One aspect of past decisions that would have been otherwise."""

    aspect: str
    before: str
    after: str
    direction: str
    """`keeps_less`, `keeps_more`, `refused`, `answered` or `otherwise`."""
    calls: int
    projects: int
    endpoints: list[str]
    english: str
    korean: str


class Simulation(Struct, frozen=True):
    """What would have been otherwise under a draft."""

    version: str
    service: str
    calls: int
    """How many calls were replayed."""
    projects: int
    calls_that_differ: int
    projects_that_differ: int
    changes: list[Simulated]
    """The most frequent first."""


def simulate(
    policies: PolicyHistory,
    version: PolicyVersion,
    counted: Iterable[Counted],
    held: frozenset[Purpose] = HELD_PURPOSES,
) -> Simulation:
    """Replay what was counted of the version's service as if the version had been in force."""
    # In force since always, and nothing follows it.
    others = [
        other
        for service, policy in policies.services.items()
        if service != version.service
        for other in policy.versions
    ]
    after = history([*others, version._replace(effective=Instant(0))])
    calls: dict[tuple[str, str, str], int] = defaultdict(int)
    projects: dict[tuple[str, str, str], set[ProjectId]] = defaultdict(set)
    endpoints: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    replayed, replayed_projects = 0, set[ProjectId]()
    differing, differing_projects = 0, set[ProjectId]()
    for project, facts, number in counted:
        if facts.service != version.service:
            continue
        replayed += number
        replayed_projects.add(project)
        changes = changes_of(outcome_of(policies, facts, held), outcome_of(after, facts, held))
        if changes:
            differing += number
            differing_projects.add(project)
        for change in changes:
            calls[change] += number
            projects[change].add(project)
            endpoints[change].add(facts.endpoint)
    found = [
        _said(change, calls[change], len(projects[change]), sorted(endpoints[change]))
        for change in sorted(calls, key=lambda change: (-calls[change], change))
    ]
    return Simulation(
        version=version.id,
        service=version.service,
        calls=replayed,
        projects=len(replayed_projects),
        calls_that_differ=differing,
        projects_that_differ=len(differing_projects),
        changes=found,
    )


def _said(
    change: tuple[str, str, str], calls: int, projects: int, endpoints: list[str]
) -> Simulated:
    aspect, before, after = change
    return Simulated(
        aspect=aspect,
        before=before,
        after=after,
        direction=_direction(aspect, before, after),
        calls=calls,
        projects=projects,
        endpoints=endpoints,
        english=f"{value_said(aspect, before, 'english')} → {value_said(aspect, after, 'english')}",
        korean=f"{value_said(aspect, before, 'korean')} → {value_said(aspect, after, 'korean')}",
    )


def _direction(aspect: str, before: str, after: str) -> str:
    if aspect == ANSWERED:
        if before == YES:
            return REFUSED
        return ANSWERS if after == YES else OTHERWISE
    if aspect.startswith(KEPT):
        old, new = period_ms(before), period_ms(after)
        longer = old is not None and (new is None or new > old)
        return KEEPS_MORE if longer else KEEPS_LESS
    return OTHERWISE

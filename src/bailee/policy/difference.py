"""What changes for whom, from when: the difference that a version makes to a policy history.

Texts, parameters and endpoint rules are compared as they read. *Effects* are compared as they are
decided: over every combination of facts (`grid`), for calls from the version's instant on and for
what was submitted before it and is still held. Decisions differ exactly where an effect says so,
and nowhere else; that is a property that is tested.

Deliberately leaves out reasons: a reason cites its version, so that every reason changes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from bailee.kernel.ids import Purpose
from bailee.kernel.instants import EPOCH_LENGTH_MS, Instant, to_rfc3339
from bailee.policy.decide import HELD_PURPOSES
from bailee.policy.grid import DIMENSIONS, Cell, Outcome, Value, cells, facts_of, outcome_of
from bailee.policy.history import (
    Clause,
    EndpointRule,
    PolicyHistory,
    PolicyVersion,
    Text,
    history,
)
from bailee.policy.show import BothLanguages
from bailee.policy.words import sentence

FROM_THEN_ON: Final = "submitted_from_then_on"
BEFORE: Final = "submitted_before"
_PARTS: Final = ("title", "text", "assumption")


class TextChange(Struct, frozen=True):
    """A clause's title, text or assumption that reads differently; null where there is none."""

    clause: str
    part: str
    before: BothLanguages | None
    after: BothLanguages | None


class SettingChange(Struct, frozen=True):
    """A parameter of a clause, or a setting of an endpoint's rule; null where there is none."""

    place: str
    """As in `C10` or `/v1/responses`."""
    name: str
    before: str | int | bool | None
    after: str | int | bool | None


class Effect(Struct, frozen=True):
    """One aspect of decisions that becomes another, for the named endpoints and callers."""

    what: str
    """`submitted_from_then_on`, or `submitted_before`: what is held already."""
    aspect: str
    """As `grid.Outcome` names it."""
    before: str
    after: str
    endpoints: list[str]
    conditions: dict[str, list[str | bool | None]]
    """By fact: the values for which it holds; a fact that is absent does not matter."""
    english: str
    korean: str

    def covers(self, endpoint: str, cell: Cell) -> bool:
        """Whether it speaks of this combination."""
        values = cell._asdict()
        return endpoint in self.endpoints and all(
            values[name] in allowed for name, allowed in self.conditions.items()
        )


class Difference(Struct, frozen=True):
    """Everything that a version changes."""

    service: str
    version: str
    follows: str | None
    """The version in force before it; null: there is none."""
    effective: str
    texts: list[TextChange]
    parameters: list[SettingChange]
    endpoints: list[SettingChange]
    effects: list[Effect]


def difference(
    before: PolicyHistory, version: PolicyVersion, held: frozenset[Purpose] = HELD_PURPOSES
) -> Difference:
    """What `version` changes in a history that does not have it."""
    previous = before.version_at(version.service, version.effective)
    after = history([*_versions(before), version])
    return Difference(
        service=version.service,
        version=version.id,
        follows=None if previous is None else previous.id,
        effective=to_rfc3339(version.effective),
        texts=list(_texts(previous, version)),
        parameters=list(_parameters(previous, version)),
        endpoints=list(_endpoints(previous, version)),
        effects=_effects(before, after, version, previous, held),
    )


def _versions(policies: PolicyHistory) -> list[PolicyVersion]:
    return [version for policy in policies.services.values() for version in policy.versions]


def _texts(before: PolicyVersion | None, after: PolicyVersion) -> Iterator[TextChange]:
    earlier = {} if before is None else before.clauses
    for clause_id in sorted(earlier.keys() | after.clauses.keys()):
        for part in _PARTS:
            old = _part(earlier.get(clause_id), part)
            new = _part(after.clauses.get(clause_id), part)
            if old != new:
                yield TextChange(clause_id, part, old, new)


def _part(clause: Clause | None, part: str) -> BothLanguages | None:
    text: Text | None = None if clause is None else getattr(clause, part)
    return None if text is None else BothLanguages(text.english, text.korean)


def _parameters(before: PolicyVersion | None, after: PolicyVersion) -> Iterator[SettingChange]:
    earlier = {} if before is None else before.clauses
    for clause_id in sorted(earlier.keys() | after.clauses.keys()):
        old = earlier[clause_id].parameters if clause_id in earlier else {}
        new = after.clauses[clause_id].parameters if clause_id in after.clauses else {}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield SettingChange(clause_id, name, old.get(name), new.get(name))


def _endpoints(before: PolicyVersion | None, after: PolicyVersion) -> Iterator[SettingChange]:
    earlier = {} if before is None else before.endpoints
    for endpoint in sorted(earlier.keys() | after.endpoints.keys()):
        old, new = _settings(earlier.get(endpoint)), _settings(after.endpoints.get(endpoint))
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield SettingChange(endpoint, name, old.get(name), new.get(name))


def _settings(rule: EndpointRule | None) -> Mapping[str, str | bool]:
    if rule is None:
        return {}
    return {
        "abuse_monitoring": rule.abuse_monitoring,
        "state": rule.state.value,
        "store_default": rule.store_default,
        "zero_retention": rule.zero_retention.value,
        "classified": ", ".join(rule.classified),
        "sharing": rule.sharing,
    }


class _Change(NamedTuple):
    what: str
    aspect: str
    before: str
    after: str


Box = tuple[tuple[str, tuple[Value, ...]], ...]
"""Conditions, each a fact with its values."""


def _effects(
    before: PolicyHistory,
    after: PolicyHistory,
    version: PolicyVersion,
    previous: PolicyVersion | None,
    held: frozenset[Purpose],
) -> list[Effect]:
    endpoints = list(dict.fromkeys([*(previous.endpoints if previous else ()), *version.endpoints]))
    moments = [(FROM_THEN_ON, version.effective)]
    if previous is not None and version.effective >= EPOCH_LENGTH_MS:
        moments.append((BEFORE, Instant(version.effective - EPOCH_LENGTH_MS)))
    found: dict[tuple[_Change, Box], list[str]] = defaultdict(list)
    known: dict[object, list[tuple[_Change, Box]]] = {}
    for endpoint in endpoints:
        # Endpoints whose rules are the same come to the same.
        rules = (_rule(previous, endpoint), _rule(version, endpoint))
        if rules not in known:
            known[rules] = [
                (change, box)
                for what, at in moments
                for change, changed in _compared(
                    before, after, version.service, endpoint, what, at, held
                ).items()
                for box in _boxes(changed)
            ]
        for key in known[rules]:
            found[key].append(endpoint)
    since = to_rfc3339(version.effective)
    return [_effect(change, box, named, since) for (change, box), named in found.items()]


def _rule(version: PolicyVersion | None, endpoint: str) -> EndpointRule | None:
    rule = None if version is None else version.endpoints.get(endpoint)
    return None if rule is None else rule._replace(endpoint="")


def _compared(
    before: PolicyHistory,
    after: PolicyHistory,
    service: str,
    endpoint: str,
    what: str,
    at: Instant,
    held: frozenset[Purpose],
) -> dict[_Change, set[Cell]]:
    """By change: the combinations that it concerns."""
    changed: dict[_Change, set[Cell]] = defaultdict(set)
    for cell in cells():
        facts = facts_of(cell, service, endpoint, at)
        for aspect, old, new in changes_of(
            outcome_of(before, facts, held), outcome_of(after, facts, held)
        ):
            changed[_Change(what, aspect, old, new)].add(cell)
    return changed


def changes_of(before: Outcome, after: Outcome) -> list[tuple[str, str, str]]:
    """The aspects in which two outcomes differ, with their values."""
    return [(aspect, old, after[aspect]) for aspect, old in before.items() if old != after[aspect]]


def _boxes(wanted: set[Cell]) -> list[Box]:
    """Conditions that together speak of exactly these combinations, of each once."""
    return list(_cut(frozenset(wanted), tuple(DIMENSIONS)))


def _cut(wanted: frozenset[tuple[Value, ...]], names: tuple[str, ...]) -> Iterator[Box]:
    if not names:
        yield ()
        return
    name, rest = names[0], names[1:]
    by_rest: dict[frozenset[tuple[Value, ...]], list[Value]] = defaultdict(list)
    for value in DIMENSIONS[name]:
        below = frozenset(cell[1:] for cell in wanted if cell[0] is value or cell[0] == value)
        if below:
            by_rest[below].append(value)
    for below, values in by_rest.items():
        condition = () if len(values) == len(DIMENSIONS[name]) else ((name, tuple(values)),)
        for box in _cut(below, rest):
            yield (*condition, *box)


def _effect(change: _Change, box: Box, endpoints: list[str], since: str) -> Effect:
    said = sentence(change.what, change.aspect, change.before, change.after, box, endpoints, since)
    return Effect(
        *change,
        endpoints=endpoints,
        conditions={name: list(values) for name, values in box},
        english=said.english,
        korean=said.korean,
    )

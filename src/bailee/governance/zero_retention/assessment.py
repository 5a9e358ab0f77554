"""How likely misuse is, from listed facts, by rules that are data. Pure; it never decides.

The rules are `assessment.toml`. Whoever applies is told every fact, what it contributes and why;
nothing else is looked at.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from bailee.governance.zero_retention.model import Assessment, Facts, Likelihood, Reason
from bailee.kernel.errors import InvalidInput

OPERATORS_OWN: Final = "operator"
"""The category of what an operator set on the machine, which nobody can apply for."""


class Rule(NamedTuple):
    """Points, and why."""

    points: int
    english: str
    korean: str


class AgeRule(NamedTuple):
    """A rule for accounts younger than some days; None: for all others."""

    below_days: int | None
    rule: Rule


class Rules(NamedTuple):
    """The whole data file."""

    version: str
    medium: int
    """The least points of a medium likelihood."""
    high: int
    account_age: tuple[AgeRule, ...]
    verified_domain: Mapping[str, Rule]
    """`none` and `some`."""
    flags: Mapping[str, Rule]
    """`unknown`, `none` and `some`."""
    categories: Mapping[str, Rule]


@cache
def packaged_rules() -> Rules:
    """The rules that ship with Bailee."""
    data = resources.files("bailee.governance.zero_retention").joinpath("assessment.toml")
    document = tomllib.loads(data.read_text("utf-8"))
    return Rules(
        version=document["version"],
        medium=document["likelihood"]["medium"],
        high=document["likelihood"]["high"],
        account_age=tuple(
            AgeRule(row.get("below_days"), _rule(row)) for row in document["account_age"]
        ),
        verified_domain=_rules(document["verified_domain"]),
        flags=_rules(document["flags"]),
        categories=_rules(document["categories"]),
    )


def assess(facts: Facts, rules: Rules) -> Assessment:
    """What the facts say, with what each of them contributes.

    Raises:
        InvalidInput: the rules have no such category of use.
    """
    category = rules.categories.get(facts.category)
    if category is None:
        raise InvalidInput(f"`category` is one of {', '.join(rules.categories)}.", field="category")
    flags = "unknown" if facts.flags is None else "some" if facts.flags else "none"
    reasons = (
        _reason("account_age", str(facts.account_age_days), _by_age(facts, rules)),
        _reason(
            "verified_domain",
            str(facts.verified_domains),
            rules.verified_domain["some" if facts.verified_domains else "none"],
        ),
        _reason("flags", "" if facts.flags is None else str(facts.flags), rules.flags[flags]),
        _reason("category", facts.category, category),
    )
    points = sum(reason.points for reason in reasons)
    likelihood = Likelihood.LOW
    if points >= rules.medium:
        likelihood = Likelihood.HIGH if points >= rules.high else Likelihood.MEDIUM
    return Assessment(rules.version, likelihood, points, reasons)


def _by_age(facts: Facts, rules: Rules) -> Rule:
    return next(
        row.rule
        for row in rules.account_age
        if row.below_days is None or facts.account_age_days < row.below_days
    )


def _reason(fact: str, value: str, rule: Rule) -> Reason:
    return Reason(fact, value, rule.points, rule.english, rule.korean)


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(row["points"], row["english"], row["korean"])


def _rules(table: Mapping[str, Mapping[str, Any]]) -> dict[str, Rule]:
    return {name: _rule(row) for name, row in table.items()}

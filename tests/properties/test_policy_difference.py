"""What a draft changes is what its difference says, over every combination of facts."""

import re
import tomllib
from functools import cache
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bailee.kernel.instants import EPOCH_LENGTH_MS, Instant
from bailee.policy.decide import EVERY_PURPOSE, HELD_PURPOSES
from bailee.policy.difference import BEFORE, FROM_THEN_ON, Difference, changes_of, difference
from bailee.policy.drafting import DraftTexts, check
from bailee.policy.grid import Outcome, cells, facts_of, outcome_of
from bailee.policy.history import PolicyVersion, history
from bailee.policy.load import packaged_files, packaged_policy
from bailee.policy.model import Facts
from bailee.policy.parameters import NEEDED, PARAMETERS, Option, Switch, Whole

POLICY = packaged_policy()
CURRENT = POLICY.services["api"].versions[-1]
TEXT = packaged_files()["versions/2026-11-23.toml"]
TABLE = packaged_files()["endpoints/1.toml"]


def values_of(kind: object, present: Any) -> list[str]:
    """What a parameter may be, as TOML has it; only what keeps no more than the present value."""
    match kind:
        case Whole(lowest, highest):
            return [str(value) for value in (lowest, (lowest + highest) // 2, present)]
        case Switch():
            return ["true", "false"]
        case Option(choices):
            kept = [f'"{one.value}"' for one in choices]
            return kept if present != "opt_in" else ['"opt_in"']
    return [repr(present).replace("'", '"')]


CHANGEABLE = [
    (clause, name, values)
    for clause, parameters in PARAMETERS.items()
    for name, kind in parameters.items()
    if ((present := CURRENT.clauses[clause].parameters.get(name)) is not None or clause == "C16")
    and len(set(values := values_of(kind, present))) > 1
]
"""By clause and name; those of C16 may also be absent now."""


@st.composite
def drafts(draw: st.DrawFn) -> PolicyVersion:
    """The current version with some parameters changed, and now and then its endpoint table."""
    text = TEXT.replace('id = "2026-11-23"', 'id = "next"')
    text = text.replace("effective = 2026-11-23T00", "effective = 2027-02-01T00")
    for clause, name, values in draw(
        st.lists(st.sampled_from(CHANGEABLE), min_size=1, max_size=3, unique_by=lambda one: one[1])
    ):
        value = draw(st.sampled_from(values))
        text, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        if not found:
            absent = f"[clauses.{clause}.parameters]\n"
            text = text.replace(absent, f"{absent}{name} = {value}\n")
    table = None
    if draw(st.booleans()):
        text = text.replace("endpoint_table = 1", "endpoint_table = 2")
        changed = draw(st.sampled_from(["/v1/embeddings", "/v1/completions", "/v1/files"]))
        lines = [line for line in TABLE.splitlines() if not line.startswith(f'"{changed}" =')]
        table = "\n".join(lines)
    checked = check(packaged_files(), DraftTexts(text, table))
    assert checked.problems == []
    assert checked.version is not None
    return checked.version


@cache
def before(facts: Facts, every: bool) -> Outcome:
    """What a call comes to under the policy that there is."""
    return outcome_of(POLICY, facts, EVERY_PURPOSE if every else HELD_PURPOSES)


@settings(deadline=None, max_examples=8)
@given(drafts(), st.booleans())
def test_a_draft_changes_exactly_what_its_difference_says(
    draft: PolicyVersion, every: bool
) -> None:
    held = EVERY_PURPOSE if every else HELD_PURPOSES
    said = difference(POLICY, draft, held)
    _parameters_agree(said, draft)
    after = history([*POLICY.services["api"].versions, draft])
    moments = {
        FROM_THEN_ON: draft.effective,
        BEFORE: Instant(draft.effective - EPOCH_LENGTH_MS),
    }
    for (what, at), endpoint in product(moments.items(), _endpoints(draft)):
        effects = [one for one in said.effects if one.what == what and endpoint in one.endpoints]
        for cell in cells():
            facts = facts_of(cell, "api", endpoint, at)
            really = changes_of(before(facts, every), outcome_of(after, facts, held))
            told = [
                (effect.aspect, effect.before, effect.after)
                for effect in effects
                if effect.covers(endpoint, cell)
            ]
            assert sorted(told) == sorted(really), (endpoint, cell, what)


def _endpoints(draft: PolicyVersion) -> list[str]:
    """One endpoint, the last, of each kind of rule."""
    kinds = {
        tuple(
            rule and rule._replace(endpoint="")
            for rule in (CURRENT.endpoints.get(one), draft.endpoints.get(one))
        ): one
        for one in [*CURRENT.endpoints, *draft.endpoints]
    }
    return list(kinds.values())


def _parameters_agree(difference: Difference, draft: PolicyVersion) -> None:
    said = {(one.place, one.name): (one.before, one.after) for one in difference.parameters}
    for clause_id, clause in draft.clauses.items():
        for name, value in clause.parameters.items():
            earlier = CURRENT.clauses[clause_id].parameters.get(name)
            assert said.get((clause_id, name), (value, value)) == (earlier, value)
    assert all(earlier != value for earlier, value in said.values())


def test_every_parameter_that_decisions_read_is_changed_by_these_drafts() -> None:
    known = {name for _, name, _ in CHANGEABLE}
    fixed = {"abuse_monitoring_days", "improvement_days", "improvement"}
    assert {name for names in NEEDED.values() for name in names} <= known | fixed
    assert tomllib.loads(TEXT)["id"] == CURRENT.id

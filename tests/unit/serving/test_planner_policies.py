"""Plans follow the policy history, and count each call by the facts that decided it."""

from collections import Counter
from typing import cast

import pytest
from tests.fixtures.policy_office import version_text

from bailee.governance.decisions.model import Tally
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import EPOCH_LENGTH_MS, Instant, from_rfc3339
from bailee.policy.decide import Decider
from bailee.policy.drafting import DraftTexts, check
from bailee.policy.headers import HANDLING_HEADER
from bailee.policy.history import history
from bailee.policy.load import packaged_files, packaged_policy
from bailee.policy.model import BackendTerms, Facts, RetentionMode
from bailee.ports.backend import Backend
from bailee.serving.call import CHAT_COMPLETIONS, Call, parse
from bailee.serving.caller import Caller
from bailee.serving.errors import CallRefused
from bailee.serving.routing import Planner, Route, ServedModel

NOW = from_rfc3339("2027-01-31T23:40:00Z")
CALLER = Caller(bytes(8), TenantId(b"t" * 16), ProjectId(b"p" * 16), Region("us"), 0)
TERMS = BackendTerms(Region("us"), 0, False, True, True)
MODEL = ServedModel("m", 0, "us", (Route("b", cast("Backend", None), "m", TERMS),))


def call() -> Call:
    body = b'{"model": "m", "store": true, "messages": [{"role": "user", "content": "x"}]}'
    return parse(CHAT_COMPLETIONS, body)


class Counts:
    """What was counted, by facts."""

    def __init__(self) -> None:
        self.tallies: dict[tuple[Facts, str], Tally] = {}

    def __call__(self, tenant: TenantId, project: ProjectId, facts: Facts, policy: str, /) -> Tally:
        return self.tallies.setdefault((facts._replace(submitted_at=Instant(0)), policy), Tally())

    @property
    def by_policy(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for (facts, policy), tally in self.tallies.items():
            found[policy, facts.retention_mode.value] += tally.calls
        return found


def planner(counts: Counts, decider: Decider) -> Planner:
    return Planner(
        {"m": MODEL}, decider, salt_of=lambda _: "", keeps_application_state=True, tally_of=counts
    )


def test_a_plan_does_not_outlive_a_history_that_lacked_a_version() -> None:
    decider, counts = Decider(packaged_policy()), Counts()
    plans = planner(counts, decider)
    first = plans.plan(CALLER, call(), NOW)
    assert plans.plan(CALLER, call(), NOW) is first
    text = version_text("2027-02", "2027-02-01T00:00:00Z", stored_days="14")
    version = check(packaged_files(), DraftTexts(text)).version
    assert version is not None
    decider.replace(history([*packaged_policy().services["api"].versions, version]))
    shortened = plans.plan(CALLER, call(), NOW)
    assert shortened.decision.policy_version == first.decision.policy_version == "2026-11-23"
    assert dict(shortened.headers)[HANDLING_HEADER] != dict(first.headers)[HANDLING_HEADER]
    later = plans.plan(CALLER, call(), Instant(NOW + EPOCH_LENGTH_MS))
    assert later.decision.policy_version == "2027-02"
    assert counts.by_policy == {("2026-11-23", "default"): 3, ("2027-02", "default"): 1}


def test_refused_calls_and_those_without_a_plan_are_counted() -> None:
    counts = Counts()
    plans = planner(counts, Decider(packaged_policy()))
    zero = CALLER._replace(retention_mode=RetentionMode.ZERO_DATA_RETENTION, reject_store=True)
    for _ in range(2):
        with pytest.raises(CallRefused):
            plans.plan(zero, call(), NOW)
    assert plans.decide_counted(CALLER, "/v1/files", NOW).allowed
    plans.decide(CALLER, "/v1/models", NOW)
    assert counts.by_policy == {
        ("2026-11-23", "zero_data_retention"): 2, ("2026-11-23", "default"): 1
    }  # fmt: skip

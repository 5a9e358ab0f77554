"""What holds for every decision, whatever the policy's figures and the caller's facts."""

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import http_sf
from hypothesis import given
from hypothesis import strategies as st

from bailee.kernel.ids import Purpose, Region
from bailee.kernel.instants import DAY_MS, EPOCH_LENGTH_MS, Instant, from_rfc3339
from bailee.policy.decide import EVERY_PURPOSE, Decider, backend_refusals, decide
from bailee.policy.headers import handling_header
from bailee.policy.history import Improvement, PolicyHistory, Rules, assemble, history
from bailee.policy.load import packaged_policy
from bailee.policy.model import BackendTerms, Decision, Facts, Refusal, RetentionMode
from bailee.policy.texts import packaged_reasons

POLICY = packaged_policy()
decided = partial(decide, held=EVERY_PURPOSE)
VERSIONS = POLICY.services["api"].versions
LAST_INSTANT = from_rfc3339("2100-01-01T00:00:00Z")

days = st.integers(1, 90)
instants = st.one_of(
    st.integers(0, LAST_INSTANT),
    st.sampled_from([version.effective for version in VERSIONS]).flatmap(
        lambda border: st.integers(max(0, border - 2 * EPOCH_LENGTH_MS), border + EPOCH_LENGTH_MS)
    ),
).map(Instant)
facts = st.builds(
    Facts,
    service=st.sampled_from(["api", "api", "api", "assistant"]),
    endpoint=st.sampled_from([*VERSIONS[-1].endpoints, "/v1/elsewhere"]),
    region=st.sampled_from([Region("us"), Region("ap-northeast-2"), Region("2")]),
    submitted_at=instants,
    retention_mode=st.sampled_from(RetentionMode),
    sharing_consent=st.booleans(),
    improvement_opt_out=st.booleans(),
    protected_health=st.booleans(),
    store_requested=st.sampled_from([None, False, True]),
    reject_store=st.booleans(),
)
terms = st.builds(
    BackendTerms,
    region=st.sampled_from([None, Region("us"), Region("ap-northeast-2"), Region("2")]),
    retention_days=st.none() | st.integers(0, 60),
    trains=st.booleans(),
    business_associate=st.booleans(),
    zero_retention=st.booleans(),
)


class Later(NamedTuple):
    """A version after the packaged ones, with any figures at all, longer ones included."""

    half_hours: int
    rules: Rules


later_versions = st.lists(
    st.builds(
        Later,
        half_hours=st.integers(1, 50 * 48),
        rules=st.builds(
            VERSIONS[-1].rules._replace,
            abuse_monitoring_days=days,
            improvement=st.sampled_from(Improvement),
            improvement_days=days,
            stored_days=days,
            classify_input=st.booleans(),
            classify_output=st.booleans(),
        ),
    ),
    max_size=3,
    unique_by=lambda later: later.half_hours,
)


def policies_with(later: list[Later]) -> PolicyHistory:
    current = VERSIONS[-1]
    added = [
        assemble(
            version_id=f"later-{one.half_hours}",
            service=current.service,
            effective=Instant(current.effective + one.half_hours * EPOCH_LENGTH_MS),
            summary=current.summary,
            clauses=current.clauses,
            endpoint_table=current.endpoint_table,
            endpoints=current.endpoints,
            rules=one.rules,
            texts=packaged_reasons(),
        )
        for one in later
    ]
    return history([*VERSIONS, *added])


@given(later_versions, facts)
def test_a_decision_has_reasons_that_cite_the_governing_version(
    later: list[Later], call: Facts
) -> None:
    policies = policies_with(later)
    decision = decided(policies, call)
    assert decision.reasons
    for reason in decision.reasons:
        version = policies.version(reason.version)
        assert version is not None
        assert reason.version == decision.policy_version
        assert reason.clause in version.clauses
        assert reason.english
        assert reason.korean
        assert "{" not in (reason.english + reason.korean).replace(call.endpoint, "")


@given(later_versions, facts, st.frozensets(st.sampled_from(Purpose)))
def test_what_is_not_held_is_left_out_and_nothing_else_changes(
    later: list[Later], call: Facts, held: frozenset[Purpose]
) -> None:
    policies = policies_with(later)
    full, held_now = decided(policies, call), decide(policies, call, held)
    optional = {Purpose.APPLICATION_STATE, Purpose.TRAINING} - held
    assert held_now.handlings == tuple(
        handling for handling in full.handlings if handling.purpose not in optional
    )
    assert held_now.allowed == full.allowed
    assert held_now.store == (full.store and Purpose.APPLICATION_STATE in held)


@given(later_versions, facts)
def test_the_same_facts_give_the_same_decision(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    assert decided(policies, call) == decided(policies, Facts(*call))


@given(later_versions, st.lists(facts, min_size=1, max_size=8), st.integers(1, 3))
def test_remembering_changes_nothing(later: list[Later], calls: list[Facts], capacity: int) -> None:
    policies = policies_with(later)
    decider = Decider(policies, held=EVERY_PURPOSE, capacity=capacity)
    for call in [*calls, *calls]:
        assert decider.decide(call) == decided(policies, call)


@given(later_versions, facts)
def test_later_versions_change_no_decision_but_to_shorten_it(
    later: list[Later], call: Facts
) -> None:
    policies = policies_with(later)
    added = [
        version
        for version in policies.services["api"].versions
        if version.effective > call.submitted_at or version in VERSIONS
    ]
    alone = history([version for version in added if version.effective <= call.submitted_at])
    before, after = decided(alone, call), decided(history(added), call)
    assert after._replace(handlings=()) == before._replace(handlings=())
    for old, new in zip(before.handlings, after.handlings, strict=True):
        assert new._replace(until=old.until) == old
        if new.until is None:
            assert old.until is None
        else:
            assert old.until is None or new.until <= old.until


@given(later_versions, facts)
def test_zero_retention_never_holds(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    decision = decided(policies, call._replace(retention_mode=RetentionMode.ZERO_DATA_RETENTION))
    assert decision.handlings == ()
    assert not decision.store


@given(later_versions, facts)
def test_zero_retention_changes_no_classifier(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)

    def classifiers(mode: RetentionMode) -> tuple[bool, tuple[str, ...]]:
        decision = decided(policies, call._replace(retention_mode=mode))
        return decision.allowed, decision.classifiers

    zero, default = (
        classifiers(RetentionMode.ZERO_DATA_RETENTION),
        classifiers(RetentionMode.DEFAULT),
    )
    if zero[0] and default[0]:
        assert zero == default


@given(later_versions, facts)
def test_training_needs_consent(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    decision = decided(policies, call)
    version = policies.version(decision.policy_version)
    assert version is not None
    if any(handling.purpose is Purpose.TRAINING for handling in decision.handlings):
        assert not call.protected_health
        if version.rules.improvement is Improvement.OPT_IN:
            assert call.sharing_consent
        else:
            assert not call.improvement_opt_out


@given(facts)
def test_since_2023_03_01_nothing_trains_without_an_opt_in(call: Facts) -> None:
    decision = decided(POLICY, call._replace(sharing_consent=False))
    if call.submitted_at >= from_rfc3339("2023-03-01T00:00:00Z"):
        assert all(handling.purpose is not Purpose.TRAINING for handling in decision.handlings)


@given(later_versions, facts)
def test_nothing_with_a_deadline_outlives_thirty_days(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    for handling in decided(policies, call).handlings:
        if handling.purpose is Purpose.ABUSE_MONITORING:
            assert handling.until is not None
        if handling.until is not None:
            assert handling.until <= call.submitted_at + 30 * DAY_MS


@given(facts)
def test_the_packaged_policy_keeps_for_thirty_days_to_the_epoch(call: Facts) -> None:
    for handling in decided(POLICY, call).handlings:
        if handling.until is not None:
            assert call.submitted_at + 30 * DAY_MS - handling.until < EPOCH_LENGTH_MS


@given(facts)
def test_modified_abuse_monitoring_keeps_no_abuse_record(call: Facts) -> None:
    facts_then = call._replace(retention_mode=RetentionMode.MODIFIED_ABUSE_MONITORING)
    assert all(
        handling.purpose is not Purpose.ABUSE_MONITORING
        for handling in decided(POLICY, facts_then).handlings
    )


@given(later_versions, facts)
def test_content_stays_in_its_region(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    decision = decided(policies, call)
    assert decision.region == call.region
    assert all(handling.region == call.region for handling in decision.handlings)


@given(later_versions, facts)
def test_a_refused_call_holds_and_runs_nothing(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    decision = decided(policies, call)
    assert decision.allowed == (decision.refusal is None)
    if decision.refusal is not None:
        assert decision.refusal in {refusal.value for refusal in Refusal}
        assert (decision.handlings, decision.classifiers, decision.store) == ((), (), False)


@given(later_versions, facts)
def test_a_backend_that_declares_nothing_is_refused(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    assert backend_refusals(decided(policies, call), call, BackendTerms())


@given(later_versions, facts, terms)
def test_an_accepted_backend_breaks_no_clause(
    later: list[Later], call: Facts, declared: BackendTerms
) -> None:
    policies = policies_with(later)
    decision = decided(policies, call)
    if backend_refusals(decision, call, declared):
        return
    assert decision.allowed
    assert declared.region == call.region
    purposes = {handling.purpose for handling in decision.handlings}
    assert not declared.trains or Purpose.TRAINING in purposes
    assert not call.protected_health or declared.business_associate
    if call.retention_mode is RetentionMode.ZERO_DATA_RETENTION:
        assert declared.zero_retention
    if not declared.zero_retention:
        assert declared.retention_days is not None
        kept = declared.retention_days * DAY_MS
        assert not kept or Purpose.ABUSE_MONITORING in purposes
        for handling in decision.handlings:
            if handling.purpose is Purpose.ABUSE_MONITORING and handling.until is not None:
                assert (
                    call.submitted_at - call.submitted_at % EPOCH_LENGTH_MS + kept <= handling.until
                )


@given(facts, terms)
def test_declaring_better_terms_never_loses_a_backend(call: Facts, declared: BackendTerms) -> None:
    decision = decided(POLICY, call)
    better = declared._replace(
        region=decision.region, trains=False, business_associate=True, zero_retention=True
    )
    broken = {reason.clause for reason in backend_refusals(decision, call, declared)}
    assert {reason.clause for reason in backend_refusals(decision, call, better)} <= broken
    if decision.allowed:
        assert not backend_refusals(decision, call, better)


@given(later_versions, facts)
def test_an_independent_parser_reads_the_handling_back(later: list[Later], call: Facts) -> None:
    policies = policies_with(later)
    decision = decided(policies, call)
    parsed: Any = http_sf.parse(handling_header(decision).encode("ascii"), tltype="dictionary")
    assert _read(parsed) == _expected(decision)
    assert http_sf.ser(parsed) == handling_header(decision)


def _read(parsed: Any) -> dict[str, object]:
    read: dict[str, object] = {}
    for key, value in parsed.items():
        if isinstance(value[0], list):
            until = value[1]["until"]
            if isinstance(until, datetime):
                until = int(until.timestamp())
            clauses = tuple(str(token) for token, _ in value[0])
            read[key] = (
                clauses,
                str(until) if isinstance(until, http_sf.Token) else until,
                value[1]["region"],
            )
        else:
            read[key] = value[0]
    return read


def _expected(decision: Decision) -> dict[str, object]:
    expected: dict[str, object] = {
        handling.purpose.value: (
            handling.clauses,
            "on-delete" if handling.until is None else handling.until // 1000,
            handling.region,
        )
        for handling in decision.handlings
    } or {"none": True}
    if decision.store_left_out:
        expected["application_state"] = False
    return expected

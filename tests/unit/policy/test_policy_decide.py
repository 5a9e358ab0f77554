"""Decisions about particular calls, each as the policy's text promises it."""

from functools import partial

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import Purpose, Region
from bailee.kernel.instants import (
    DAY_MS,
    EPOCH_LENGTH_MS,
    Instant,
    epoch_deadline,
    epoch_of,
    from_rfc3339,
)
from bailee.policy.decide import EVERY_PURPOSE, Decider, decide, refusal
from bailee.policy.history import PolicyHistory, history
from bailee.policy.load import packaged_policy
from bailee.policy.model import Decision, Facts, Feature, Refusal, RetentionMode

POLICY = packaged_policy()
decided = partial(decide, held=EVERY_PURPOSE)
US = Region("us")
NOW = from_rfc3339("2026-12-01T10:17:23.456Z")
CHAT = Facts("api", "/v1/chat/completions", US, NOW)
ZERO = RetentionMode.ZERO_DATA_RETENTION
MODIFIED = RetentionMode.MODIFIED_ABUSE_MONITORING


def purposes(decision: Decision) -> set[Purpose]:
    return {handling.purpose for handling in decision.handlings}


def clauses(decision: Decision) -> set[str]:
    return {reason.clause for reason in decision.reasons}


def test_a_chat_completion_is_kept_for_abuse_monitoring_until_its_epoch_s_deadline() -> None:
    decision = decided(POLICY, CHAT)
    (handling,) = decision.handlings
    assert decision.allowed
    assert handling.purpose is Purpose.ABUSE_MONITORING
    assert handling.until == epoch_deadline(epoch_of(NOW)) == from_rfc3339("2026-12-31T10:00:00Z")
    assert handling.clauses == ("C05", "C06", "C15")
    assert handling.region == decision.region == US
    assert decision.classifiers == ("input", "output")
    assert decision.policy_version == "2026-11-23"
    assert {"C02", "C04", "C05", "C09", "C11", "C15"} <= clauses(decision)
    assert refusal(decision) is None


@pytest.mark.parametrize(
    ("instant", "version"),
    [
        ("2023-02-28T23:59:59.999Z", "before-2023-03-01"),
        ("2023-03-01T00:00:00Z", "2023-03-01"),
        ("2026-11-22T23:59:59.999Z", "2023-03-01"),
        ("2026-11-23T00:00:00Z", "2026-11-23"),
        ("1970-01-01T00:00:00Z", "before-2023-03-01"),
    ],
)
def test_the_version_in_force_at_submission_governs(instant: str, version: str) -> None:
    decision = decided(POLICY, CHAT._replace(submitted_at=from_rfc3339(instant)))
    assert decision.policy_version == version
    assert {reason.version for reason in decision.reasons} == {version}


def test_before_2023_03_01_improvement_was_allowed_unless_opted_out() -> None:
    before = CHAT._replace(submitted_at=from_rfc3339("2023-02-28T12:00:00Z"))
    assert Purpose.TRAINING in purposes(decided(POLICY, before))
    opted_out = decided(POLICY, before._replace(improvement_opt_out=True, sharing_consent=True))
    assert Purpose.TRAINING not in purposes(opted_out)


def test_since_2023_03_01_improvement_needs_an_opt_in() -> None:
    assert Purpose.TRAINING not in purposes(decided(POLICY, CHAT))
    assert Purpose.TRAINING in purposes(decided(POLICY, CHAT._replace(sharing_consent=True)))


@pytest.mark.parametrize("endpoint", ["/v1/files", "/v1/batches", "/v1/fine_tuning/jobs"])
def test_what_serves_its_owner_alone_is_not_shared(endpoint: str) -> None:
    decision = decided(POLICY, CHAT._replace(endpoint=endpoint, sharing_consent=True))
    assert Purpose.TRAINING not in purposes(decision)


@pytest.mark.parametrize(
    ("endpoint", "asked", "kept"),
    [
        ("/v1/chat/completions", None, False),
        ("/v1/chat/completions", False, False),
        ("/v1/chat/completions", True, True),
        ("/v1/responses", None, True),
        ("/v1/responses", False, False),
        ("/v1/completions", True, False),
    ],
)
def test_store_keeps_the_exchange_for_its_owner(
    endpoint: str, asked: bool | None, kept: bool
) -> None:
    decision = decided(POLICY, CHAT._replace(endpoint=endpoint, store_requested=asked))
    assert decision.store is kept
    assert (Purpose.APPLICATION_STATE in purposes(decision)) is kept
    assert not decision.store_left_out
    for handling in decision.handlings:
        assert handling.until == epoch_deadline(epoch_of(NOW))


def test_files_are_kept_until_their_owner_deletes_them() -> None:
    decision = decided(POLICY, CHAT._replace(endpoint="/v1/files"))
    until = {handling.purpose: handling.until for handling in decision.handlings}
    assert until[Purpose.APPLICATION_STATE] is None
    assert until[Purpose.ABUSE_MONITORING] == epoch_deadline(epoch_of(NOW))


def test_zero_retention_holds_nothing_and_classifies_still() -> None:
    decision = decided(POLICY, CHAT._replace(retention_mode=ZERO, sharing_consent=True))
    assert decision.allowed
    assert decision.handlings == ()
    assert decision.classifiers == ("input", "output")
    assert {"C08", "C09"} <= clauses(decision)


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/responses"])
def test_zero_retention_treats_store_as_false(endpoint: str) -> None:
    facts = CHAT._replace(endpoint=endpoint, retention_mode=ZERO, store_requested=True)
    decision = decided(POLICY, facts)
    assert decision.allowed
    assert (decision.store, decision.store_left_out) == (False, True)


def test_zero_retention_refuses_store_where_the_project_wants_that() -> None:
    facts = CHAT._replace(retention_mode=ZERO, store_requested=True, reject_store=True)
    refused = refusal(decided(POLICY, facts))
    assert refused is not None
    assert refused.name == Refusal.ZERO_RETENTION_STORE.value
    assert refused.reason.clause == "C08"
    silent = decided(POLICY, facts._replace(endpoint="/v1/responses", store_requested=None))
    assert silent.allowed
    assert silent.store_left_out


def test_zero_retention_refuses_what_cannot_work_without_keeping() -> None:
    decision = decided(POLICY, CHAT._replace(endpoint="/v1/files", retention_mode=ZERO))
    refused = refusal(decision)
    assert refused is not None
    assert refused.name == "zero_retention_endpoint"
    assert "/v1/files" in refused.reason.english
    assert "/v1/files" in refused.reason.korean
    assert (decision.handlings, decision.classifiers) == ((), ())


def test_modified_abuse_monitoring_keeps_state_and_no_abuse_record() -> None:
    facts = CHAT._replace(retention_mode=MODIFIED, store_requested=True)
    assert purposes(decided(POLICY, facts)) == {Purpose.APPLICATION_STATE}
    assert decided(POLICY, facts._replace(store_requested=False)).handlings == ()


@pytest.mark.parametrize("endpoint", ["/v1/moderations", "/v1/models"])
def test_what_keeps_nothing_keeps_nothing(endpoint: str) -> None:
    assert decided(POLICY, CHAT._replace(endpoint=endpoint)).handlings == ()


def test_protected_health_is_refused_what_the_agreement_does_not_cover() -> None:
    protected = CHAT._replace(protected_health=True)
    assert decided(POLICY, protected).allowed
    names = [
        decided(POLICY, protected._replace(endpoint="/v1/files")).refusal,
        decided(POLICY, protected._replace(store_requested=True)).refusal,
    ]
    assert names == ["protected_health_endpoint", "protected_health_store"]
    silent = decided(POLICY, protected._replace(endpoint="/v1/responses"))
    assert (silent.allowed, silent.store, silent.store_left_out) == (True, False, True)


def test_everything_that_the_agreement_does_not_cover_is_named_in_one_refusal() -> None:
    every = tuple(Feature)
    protected = CHAT._replace(protected_health=True, features=every, store_requested=True)
    said = refusal(decided(POLICY, protected))
    assert said is not None
    assert (said.name, said.reason.clause) == ("protected_health_features", "C16")
    for text in (said.reason.english, said.reason.korean):
        assert all(f"`{name}`" in text for name in ("store", *(one.value for one in every)))
    files = refusal(decided(POLICY, protected._replace(endpoint="/v1/files")))
    assert files is not None
    assert "`/v1/files`, `background`" in files.reason.english
    assert decided(POLICY, protected._replace(protected_health=False)).allowed


def test_the_policy_says_which_features_the_agreement_covers() -> None:
    newest = POLICY.services["api"].versions[-1]
    rules = newest.rules._replace(protected_health_features=frozenset({Feature.FILES}))
    covering = history([newest._replace(rules=rules)])
    named = CHAT._replace(protected_health=True, features=(Feature.FILES,))
    assert decided(covering, named).allowed
    assert not decided(POLICY, named).allowed


def test_protected_health_never_serves_improvement() -> None:
    for instant in (NOW, from_rfc3339("2022-06-01T00:00:00Z")):
        facts = CHAT._replace(protected_health=True, sharing_consent=True, submitted_at=instant)
        assert Purpose.TRAINING not in purposes(decided(POLICY, facts))


def test_an_endpoint_that_the_policy_does_not_know_is_refused_without_repeating_it() -> None:
    refused = refusal(decided(POLICY, CHAT._replace(endpoint="/v1/secret-of-a-customer")))
    assert refused is not None
    assert refused.name == "unknown_endpoint"
    assert "secret" not in refused.reason.english + refused.reason.korean


def test_a_service_without_a_policy_is_not_governed_by_the_api_s() -> None:
    refused = refusal(decided(POLICY, CHAT._replace(service="assistant")))
    assert refused is not None
    assert (refused.name, refused.reason.clause) == ("service_without_policy", "C11")


def test_a_service_s_own_policy_is_cited() -> None:
    current = POLICY.services["api"].versions[-1]
    own = current._replace(id="assistant-1", service="assistant")
    policies = history([*POLICY.services["api"].versions, own])
    assert decided(policies, CHAT._replace(service="assistant")).policy_version == "assistant-1"
    assert decided(policies, CHAT).policy_version == "2026-11-23"


def test_no_policy_at_all_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="1970"):
        decided(PolicyHistory({}), CHAT)


def with_later(days: int, begins: Instant) -> PolicyHistory:
    versions = POLICY.services["api"].versions
    rules = versions[-1].rules._replace(abuse_monitoring_days=days)
    later = versions[-1]._replace(id="later", effective=begins, rules=rules)
    return history([*versions, later])


def test_a_later_version_shortens_from_its_own_instant_on() -> None:
    begin = Instant(epoch_of(NOW) * EPOCH_LENGTH_MS)
    soon = Instant(begin + 5 * DAY_MS)
    (handling,) = decided(with_later(20, soon), CHAT).handlings
    assert handling.until == begin + 20 * DAY_MS
    late = Instant(begin + 25 * DAY_MS)
    (handling,) = decided(with_later(20, late), CHAT).handlings
    assert handling.until == late


def test_a_later_version_never_lengthens() -> None:
    later = with_later(90, Instant(NOW - NOW % EPOCH_LENGTH_MS + DAY_MS))
    assert decided(later, CHAT) == decided(POLICY, CHAT)


def test_the_memory_gives_what_deciding_gives() -> None:
    decider = Decider(POLICY, held=EVERY_PURPOSE, capacity=2)
    half_hour = EPOCH_LENGTH_MS
    calls = [
        CHAT,
        CHAT._replace(submitted_at=Instant(NOW + 1)),
        CHAT._replace(retention_mode=ZERO),
        CHAT._replace(sharing_consent=True),
        CHAT._replace(submitted_at=Instant(NOW + half_hour)),
        CHAT._replace(submitted_at=Instant(NOW - half_hour)),
        CHAT,
        CHAT._replace(submitted_at=from_rfc3339("2023-02-28T23:59:59.999Z")),
        CHAT._replace(submitted_at=from_rfc3339("2023-03-01T00:00:00Z")),
    ]
    for facts in calls:
        assert decider.decide(facts) == decided(POLICY, facts)
    assert decider.decide(CHAT) is decider.decide(CHAT._replace(submitted_at=Instant(NOW + 1)))


def test_a_decision_promises_only_what_the_installation_holds() -> None:
    facts = CHAT._replace(store_requested=True, sharing_consent=True)
    monitored = frozenset({Purpose.ABUSE_MONITORING})
    decision = decide(POLICY, facts, monitored)
    assert purposes(decision) == {Purpose.ABUSE_MONITORING}
    assert (decision.store, decision.store_left_out) == (False, True)
    texts = POLICY.services["api"].versions[-1].reasons
    assert texts["store_left_out_not_held"] in decision.reasons
    assert texts["improvement_not_held"] in decision.reasons
    files = decide(POLICY, CHAT._replace(endpoint="/v1/files"), monitored)
    assert purposes(files) == {Purpose.ABUSE_MONITORING}
    assert texts["state_not_held"] in files.reasons

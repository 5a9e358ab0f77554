"""The packaged policy: all clauses, both languages, and the endpoints that the API promises."""

import re

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import from_rfc3339
from bailee.policy.history import (
    CLAUSE_IDS,
    EndpointRule,
    Improvement,
    PolicyVersion,
    State,
    ZeroRetention,
)
from bailee.policy.load import packaged_policy
from bailee.policy.texts import packaged_reasons, parse_reasons

VERSIONS = packaged_policy().services["api"].versions
FIRST, OPT_IN, CURRENT = VERSIONS

_POLITE = re.compile(r"(?:니다|시오)$")


def test_the_current_version_has_the_twenty_clauses() -> None:
    assert tuple(CURRENT.clauses) == CLAUSE_IDS


def test_versions_begin_when_they_are_said_to() -> None:
    assert [(version.id, version.effective) for version in VERSIONS] == [
        ("before-2023-03-01", 0),
        ("2023-03-01", from_rfc3339("2023-03-01T00:00:00Z")),
        ("2026-11-23", from_rfc3339("2026-11-23T00:00:00Z")),
    ]


def test_improvement_was_opt_out_and_is_opt_in() -> None:
    assert [version.rules.improvement for version in VERSIONS] == [
        Improvement.UNLESS_OPTED_OUT,
        Improvement.OPT_IN,
        Improvement.OPT_IN,
    ]


def test_only_the_first_version_s_retention_is_an_assumption() -> None:
    assumed = {
        (version.id, clause.id)
        for version in VERSIONS
        for clause in version.clauses.values()
        if clause.assumption
    }
    assert assumed == {("before-2023-03-01", "C02"), ("before-2023-03-01", "C05")}


def test_a_clause_that_was_not_rewritten_keeps_its_date() -> None:
    assert OPT_IN.clauses["C01"] is FIRST.clauses["C01"]
    assert OPT_IN.clauses["C01"].effective == 0
    assert CURRENT.clauses["C05"].effective == CURRENT.effective


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.id)
def test_korean_is_written_in_the_polite_formal_register(version: PolicyVersion) -> None:
    texts = [version.summary.korean]
    texts += [clause.text.korean for clause in version.clauses.values()]
    texts += [c.assumption.korean for c in version.clauses.values() if c.assumption]
    texts += [reason.korean for reason in version.reasons.values()]
    for text in texts:
        assert text.endswith("."), text
        for sentence in re.split(r"\.\s+", text.rstrip(".")):
            assert _POLITE.search(sentence), sentence


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.id)
def test_stated_figures_stand_in_both_languages(version: PolicyVersion) -> None:
    for clause in version.clauses.values():
        for value in clause.parameters.values():
            if not isinstance(value, bool) and re.search(r"\d", str(value)):
                assert str(value) in clause.text.english, (clause.id, value)
                assert str(value) in clause.text.korean, (clause.id, value)


KEEPS = {
    # endpoint: abuse monitoring, application state, zero retention, as the API's table has it
    "/v1/chat/completions": (True, State.WHEN_STORED, ZeroRetention.STORE_OFF),
    "/v1/responses": (True, State.WHEN_STORED, ZeroRetention.STORE_OFF),
    "/v1/conversations": (True, State.UNTIL_DELETED, ZeroRetention.REFUSED),
    "/v1/conversations/{id}/items": (True, State.UNTIL_DELETED, ZeroRetention.REFUSED),
    "/v1/completions": (True, State.NONE, ZeroRetention.ALLOWED),
    "/v1/embeddings": (True, State.NONE, ZeroRetention.ALLOWED),
    "/v1/moderations": (False, State.NONE, ZeroRetention.ALLOWED),
    "/v1/files": (True, State.UNTIL_DELETED, ZeroRetention.REFUSED),
    "/v1/uploads": (True, State.UNTIL_DELETED, ZeroRetention.REFUSED),
    "/v1/batches": (True, State.UNTIL_DELETED, ZeroRetention.REFUSED),
    "/v1/fine_tuning/jobs": (True, State.UNTIL_DELETED, ZeroRetention.REFUSED),
    "/v1/models": (False, State.NONE, ZeroRetention.ALLOWED),
    "/v1/models/{model}": (False, State.NONE, ZeroRetention.ALLOWED),
}


@pytest.mark.parametrize("endpoint", KEEPS)
def test_endpoints_keep_what_the_api_says(endpoint: str) -> None:
    rule = CURRENT.endpoints[endpoint]
    assert (rule.abuse_monitoring, rule.state, rule.zero_retention) == KEEPS[endpoint]


def test_store_is_off_for_chat_and_on_for_responses() -> None:
    assert not CURRENT.endpoints["/v1/chat/completions"].store_default
    assert CURRENT.endpoints["/v1/responses"].store_default


def test_files_batches_and_fine_tuning_are_never_shared() -> None:
    def isolated(rule: EndpointRule) -> bool:
        return any(word in rule.endpoint for word in ("files", "uploads", "batches", "fine_tun"))

    rules = [rule for rule in CURRENT.endpoints.values() if isolated(rule)]
    assert rules
    assert not any(rule.sharing for rule in rules)


def test_ending_something_is_never_refused_under_zero_retention() -> None:
    ending = [
        rule
        for rule in CURRENT.endpoints.values()
        if rule.endpoint.startswith("DELETE ") or rule.endpoint.endswith("/cancel")
    ]
    assert len(ending) >= 6
    assert all(rule.zero_retention is ZeroRetention.NOTHING_STORED for rule in ending)


def test_every_reason_cites_a_clause_that_every_version_has() -> None:
    for text in packaged_reasons().values():
        for version in VERSIONS:
            assert text.clause in version.clauses


def test_reasons_with_different_parameters_per_language_are_refused() -> None:
    with pytest.raises(InvalidInput, match="same parameters"):
        parse_reasons('[a]\nclause = "C01"\nenglish = "{x}"\nkorean = "가"')

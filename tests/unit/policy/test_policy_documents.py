"""What explain, show and the reference say is what decisions do."""

import json
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import Region
from bailee.kernel.instants import from_rfc3339
from bailee.policy.decide import EVERY_PURPOSE, decide
from bailee.policy.explain import Question, explain, facts_of
from bailee.policy.headers import handling_header
from bailee.policy.load import packaged_policy
from bailee.policy.model import Facts, RetentionMode
from bailee.policy.show import digest, ids, show, show_at

POLICY = packaged_policy()
decided = partial(decide, held=EVERY_PURPOSE)
NOW = from_rfc3339("2026-12-01T10:17:23.456Z")
ROOT = Path(__file__).parents[3]


def test_a_question_becomes_facts() -> None:
    question = msgspec.json.decode(
        b'{"endpoint":"/v1/responses","submitted_at":"2022-01-01T00:00:00Z","region":"eu-1",'
        b'"retention_mode":"zero_data_retention","store":true,"reject_store":true}',
        type=Question,
    )
    facts = facts_of(question, NOW)
    assert facts.submitted_at == from_rfc3339("2022-01-01T00:00:00Z")
    assert facts.retention_mode is RetentionMode.ZERO_DATA_RETENTION
    assert (facts.store_requested, facts.reject_store, facts.region) == (True, True, "eu-1")
    assert facts_of(Question("/v1/files"), NOW) == Facts("api", "/v1/files", Region("us"), NOW)


@pytest.mark.parametrize(
    "question",
    [
        Question("/v1/files", submitted_at="yesterday"),
        Question("/v1/files", submitted_at="2026-11-23T00:00:00"),
        Question("/v1/files", submitted_at="1969-12-31T23:59:59Z"),
        Question("/v1/files", region=""),
        Question("/v1/files", region='us"'),
        Question("/v1/files", region="u" * 33),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(question: Question) -> None:
    with pytest.raises(InvalidInput):
        facts_of(question, NOW)


def test_an_explanation_is_the_decision() -> None:
    facts = facts_of(Question("/v1/chat/completions", sharing_consent=True, store=True), NOW)
    decision = decided(POLICY, facts)
    told = json.loads(msgspec.json.encode(explain(POLICY, facts, EVERY_PURPOSE)))
    assert told["policy_version"] == decision.policy_version
    assert [handling["purpose"] for handling in told["handlings"]] == [
        handling.purpose.value for handling in decision.handlings
    ]
    assert {handling["until"] for handling in told["handlings"]} == {"2026-12-31T10:00:00.000Z"}
    assert told["epoch_starts_at"] == "2026-12-01T10:00:00.000Z"
    assert told["headers"]["bailee-handling"] == handling_header(decision)
    for shown, reason in zip(told["reasons"], decision.reasons, strict=True):
        clause = POLICY.services["api"].versions[-1].clauses[reason.clause]
        assert shown["text"] == {"english": reason.english, "korean": reason.korean}
        assert shown["title"]["korean"] == clause.title.korean


def test_a_version_is_shown_in_full() -> None:
    shown = show(POLICY, "2023-03-01")
    assert shown.superseded == "2026-11-23T00:00:00.000Z"
    assert [clause.id for clause in shown.clauses][:2] == ["C01", "C02"]
    assert len(shown.endpoints) == len(POLICY.services["api"].versions[1].endpoints)
    assert show_at(POLICY, "api", NOW).superseded is None
    first = show(POLICY, "before-2023-03-01")
    assert [clause.id for clause in first.clauses if clause.assumption] == ["C02", "C05"]


def test_a_version_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="before-2023-03-01, 2023-03-01, 2026-11-23"):
        show(POLICY, "2030-01-01")
    with pytest.raises(NotFound, match="services: api"):
        show_at(POLICY, "assistant", NOW)


def test_a_digest_covers_everything_but_what_follows() -> None:
    versions = POLICY.services["api"].versions
    assert len({digest(version) for version in versions}) == len(ids(POLICY))
    current = versions[-1]
    changed = current._replace(summary=current.summary._replace(korean="다릅니다."))
    assert digest(changed) != digest(current)
    assert digest(current) == digest(packaged_policy().services["api"].versions[-1])

"""The page's data, the decision and the headers agree, for every clause, version and language."""

import re
import tomllib
from pathlib import Path
from typing import Any

import http_sf
import pytest

from bailee.kernel.ids import Purpose, Region
from bailee.kernel.instants import DAY_MS, epoch_start, from_rfc3339, to_rfc3339
from bailee.policy.decide import EVERY_PURPOSE, decide
from bailee.policy.drafting import DraftTexts, check
from bailee.policy.explain import explain
from bailee.policy.grid import cells, facts_of
from bailee.policy.history import PolicyVersion, history
from bailee.policy.load import packaged_files, packaged_policy
from bailee.policy.parameters import stated
from bailee.policy.show import ShownVersion, show

EXAMPLE = Path(__file__).parents[3] / "examples" / "consumer_chat" / "policy"
DAYS = {
    "abuse_monitoring": ("C05", "abuse_monitoring_days"),
    "application_state": ("C10", "stored_days"),
    "training": ("C02", "improvement_days"),
}


def _example() -> PolicyVersion:
    texts = DraftTexts(
        (EXAMPLE / "versions" / "chat-1.toml").read_text("utf-8"),
        (EXAMPLE / "endpoints" / "1001.toml").read_text("utf-8"),
    )
    checked = check(packaged_files(), texts)
    assert checked.problems == []
    assert checked.version is not None
    return checked.version


VERSIONS = [*packaged_policy().services["api"].versions, _example()]
POLICIES = history(VERSIONS)
IDS = [version.id for version in VERSIONS]


@pytest.mark.parametrize("version", VERSIONS, ids=IDS)
def test_every_clause_reads_on_the_page_as_the_code_has_it(version: PolicyVersion) -> None:
    page = show(POLICIES, version.id)
    assert [clause.id for clause in page.clauses] == list(version.clauses)
    for shown in page.clauses:
        clause = version.clauses[shown.id]
        assert shown.parameters == dict(clause.parameters)
        for language in ("english", "korean"):
            text = getattr(shown.text, language)
            assert getattr(shown.title, language)
            assert "{" not in text
            for name in stated(shown.id, clause.parameters):
                assert str(clause.parameters[name]) in text, (shown.id, language, name)


@pytest.mark.parametrize("version", VERSIONS, ids=IDS)
def test_page_decision_and_headers_agree_for_every_call(version: PolicyVersion) -> None:
    page = show(POLICIES, version.id)
    texts = {clause.id: clause for clause in page.clauses}
    at = version.effective
    rules = {rule._replace(endpoint=""): endpoint for endpoint, rule in version.endpoints.items()}
    cited = set()
    for endpoint in rules.values():
        for cell in cells():
            facts = facts_of(cell, version.service, endpoint, at)
            said = explain(POLICIES, facts, EVERY_PURPOSE)
            decision = decide(POLICIES, facts, EVERY_PURPOSE)
            assert said.policy_version == said.headers["bailee-policy"] == version.id
            for reason, explained in zip(decision.reasons, said.reasons, strict=True):
                clause = texts[reason.clause]
                assert explained.title == clause.title
                assert (explained.text.english, explained.text.korean) == reason[2:4]
                cited.add(reason.clause)
            members: Any = http_sf.parse(
                said.headers["bailee-handling"].encode(), tltype="dictionary"
            )
            held = {str(name) for name in members if name in DAYS and members[name][0] is not False}
            assert held == {one.purpose.value for one in decision.handlings}
            for one in decision.handlings:
                _agrees(page, one.purpose, one.until, epoch_start(decision.epoch), members)
                assert set(one.clauses) <= texts.keys()
                cited |= set(one.clauses)
    assert {"C02", "C04", "C05", "C08", "C09", "C10", "C11", "C15", "C16"} <= cited


def _agrees(
    page: ShownVersion, purpose: Purpose, until: int | None, begin: int, members: Any
) -> None:
    clause, name = DAYS[purpose.value]
    days = next(one for one in page.clauses if one.id == clause).parameters[name]
    value = members[purpose.value]
    if until is None:
        assert purpose is Purpose.APPLICATION_STATE
        assert str(value[1]["until"]) == "on-delete"
        return
    # A later version can bring it forward.
    assert until <= begin + int(days) * DAY_MS
    assert value[1]["until"].timestamp() * 1000 == until // 1000 * 1000


def test_the_api_and_the_example_cite_their_own_policies() -> None:
    example = VERSIONS[-1]
    (cell, *_) = cells()
    at = example.effective
    chat = explain(POLICIES, facts_of(cell, "chat", "/v1/chat/completions", at))
    api = explain(POLICIES, facts_of(cell, "api", "/v1/chat/completions", at))
    assert (chat.policy_version, api.policy_version) == ("chat-1", "2026-11-23")
    assert "`chat`" in next(one.text.english for one in chat.reasons if one.clause == "C11")
    kept = {one.purpose: one.until for one in chat.handlings}
    begin = from_rfc3339(chat.epoch_starts_at)
    assert kept["application_state"] == to_rfc3339(type(at)(begin + 7 * DAY_MS))
    refused = explain(POLICIES, facts_of(cell, "chat", "/v1/files", at))
    assert refused.refusal == "unknown_endpoint"
    assert Region("us") == facts_of(cell, "chat", "/v1/files", at).region


def test_the_example_names_the_half_hour_to_set() -> None:
    text = (EXAMPLE / "versions" / "chat-1.toml").read_text("utf-8")
    assert tomllib.loads(text)["id"] == "chat-1"
    assert len(re.findall(r"(?m)^effective = ", text)) == 1

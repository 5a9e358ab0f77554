"""Drafts are checked against the published history, and differences said in both languages."""

import re

from bailee.kernel.ids import ProjectId, Region
from bailee.kernel.instants import DAY_MS, EPOCH_LENGTH_MS, HOUR_MS, Instant, from_rfc3339
from bailee.policy.difference import BEFORE, FROM_THEN_ON, difference
from bailee.policy.drafting import DraftTexts, check, earliest, packaged_rules, timely
from bailee.policy.history import PolicyVersion
from bailee.policy.load import packaged_files, packaged_policy
from bailee.policy.model import Facts, RetentionMode
from bailee.policy.simulation import KEEPS_LESS, REFUSED, Counted, simulate

FILES, POLICY = packaged_files(), packaged_policy()
TEXT = (
    FILES["versions/2026-11-23.toml"]
    .replace('id = "2026-11-23"', 'id = "2027-02"')
    .replace("effective = 2026-11-23", "effective = 2027-02-01")
)
AT = from_rfc3339("2026-12-01T10:10:00Z")


def drafted(text: str, endpoints: str | None = None) -> PolicyVersion:
    checked = check(FILES, DraftTexts(text, endpoints))
    assert checked.problems == []
    assert checked.version is not None
    return checked.version


def problems(text: str, endpoints: str | None = None) -> dict[str, str]:
    checked = check(FILES, DraftTexts(text, endpoints))
    return {problem.key: problem.message for problem in checked.problems}


def test_a_draft_that_changes_nothing_has_no_effects() -> None:
    said = difference(POLICY, drafted(TEXT))
    assert (said.parameters, said.endpoints, said.effects, said.texts) == ([], [], [], [])
    assert said.follows == "2026-11-23"


def test_a_shorter_period_is_said_for_what_comes_and_for_what_is_held() -> None:
    said = difference(POLICY, drafted(TEXT.replace("stored_days = 30", "stored_days = 14")))
    responses = [one for one in said.effects if one.endpoints == ["/v1/responses"]]
    assert [(one.what, one.aspect, one.before, one.after) for one in responses] == [
        (FROM_THEN_ON, "kept.application_state", "30 d", "14 d"),
        (BEFORE, "kept.application_state", "30 d", "14 d"),
    ]
    assert responses[0].conditions == {
        "retention_mode": ["default", "modified_abuse_monitoring"],
        "store": [None, True],
        "protected_health": [False],
    }
    assert "`/v1/responses`" in responses[0].english
    assert "30 days → 14 days" in responses[0].english
    assert re.search(r"30일 → 14일", responses[0].korean)
    assert {change.clause for change in said.texts} == {"C10"}


def test_all_problems_are_named_at_once_with_their_places() -> None:
    wrong = (
        TEXT.replace("stored_days = 30", "stored_days = 31")
        .replace("grant_hours = 8", "grant_hours = 9")
        .replace('title.korean = "API 데이터"', 'title.korean = "API data"')
    )
    assert {
        "clauses.C10.parameters.stored_days",
        "clauses.C07.parameters.grant_hours",
        "clauses.C01.title.korean",
    } <= problems(wrong).keys()


def test_what_is_published_is_not_drafted_again() -> None:
    assert "id" in problems(FILES["versions/2026-11-23.toml"])
    assert "endpoint_table" in problems(TEXT, FILES["endpoints/1.toml"])


def test_a_draft_that_keeps_more_is_refused() -> None:
    table = FILES["endpoints/1.toml"].replace(
        '"/v1/moderations" = { abuse_monitoring = false',
        '"/v1/moderations" = { abuse_monitoring = true',
    )
    found = problems(TEXT.replace("endpoint_table = 1", "endpoint_table = 2"), table)
    assert "was not before" in found["endpoint_table"]


def test_an_endpoint_table_of_its_own() -> None:
    kept = [
        line for line in FILES["endpoints/1.toml"].splitlines() if not line.startswith('"/v1/batch')
    ]
    version = drafted(TEXT.replace("endpoint_table = 1", "endpoint_table = 2"), "\n".join(kept))
    said = difference(POLICY, version)
    refused = [one for one in said.effects if one.after == "unknown_endpoint"]
    assert {endpoint for one in refused for endpoint in one.endpoints} == {
        "/v1/batches", "/v1/batches/{id}", "/v1/batches/{id}/cancel"
    }  # fmt: skip


def test_text_that_is_not_toml_or_too_long() -> None:
    assert "not TOML" in problems("id = ")[""]
    assert "at most" in problems("#" * 300_000)[""]


def test_notice_is_given_ahead_and_the_first_of_a_service_begins_at_once() -> None:
    first = earliest(POLICY, "api", AT)
    assert packaged_rules().notice_ms == 14 * DAY_MS
    assert first % EPOCH_LENGTH_MS == 0
    assert 0 <= first - (AT + 14 * DAY_MS) < EPOCH_LENGTH_MS
    assert earliest(POLICY, "chat", AT) == from_rfc3339("2026-12-01T10:00:00Z")
    version = drafted(TEXT)
    assert timely(POLICY, version, AT) is None
    late = timely(POLICY, version, Instant(version.effective - 14 * DAY_MS + HOUR_MS))
    assert late is not None
    assert late.key == "effective"


def test_a_simulation_counts_calls_and_projects_in_each_direction() -> None:
    kept = [
        line for line in FILES["endpoints/1.toml"].splitlines() if not line.startswith('"/v1/batch')
    ]
    text = TEXT.replace("stored_days = 30", "stored_days = 14")
    version = drafted(text.replace("endpoint_table = 1", "endpoint_table = 2"), "\n".join(kept))
    one, other = ProjectId(b"1" * 16), ProjectId(b"2" * 16)
    responses = Facts("api", "/v1/responses", Region("us"), AT)
    zero = responses._replace(retention_mode=RetentionMode.ZERO_DATA_RETENTION)
    said = simulate(
        POLICY,
        version,
        [
            Counted(one, responses, 3),
            Counted(other, responses, 4),
            Counted(other, zero, 100),
            Counted(one, responses._replace(endpoint="/v1/batches"), 2),
            Counted(one, responses._replace(service="elsewhere"), 1000),
        ],
    )
    assert (said.calls, said.projects) == (109, 2)
    assert (said.calls_that_differ, said.projects_that_differ) == (9, 2)
    changes = {(one.aspect, one.direction): (one.calls, one.projects) for one in said.changes}
    assert ("kept.application_state", KEEPS_LESS) in changes
    by_value = {(c.aspect, c.before, c.after): (c.calls, c.projects) for c in said.changes}
    assert by_value["kept.application_state", "30 d", "14 d"] == (7, 2)
    assert changes["answered", REFUSED] == (2, 1)

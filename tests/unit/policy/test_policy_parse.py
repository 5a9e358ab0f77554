"""Policy files are parsed strictly: whatever is wrong is named with its place and the allowed."""

import pytest

from bailee.policy.history import Rules
from bailee.policy.lengthening import lengthenings
from bailee.policy.lint import lint
from bailee.policy.load import packaged_files, packaged_policy
from bailee.policy.parse import PolicyProblems, examine, parse

CURRENT = "versions/2026-11-23.toml"
OPT_IN = "versions/2023-03-01.toml"
FIRST = "versions/before-2023-03-01.toml"
ENDPOINTS = "endpoints/1.toml"


def edited(path: str, old: str, new: str) -> dict[str, str]:
    """The packaged folder with one change."""
    files = packaged_files()
    assert files[path].count(old) >= 1
    files[path] = files[path].replace(old, new, 1)
    return files


CASES = {
    "unknown key in a version": (
        (CURRENT, 'service = "api"', 'service = "api"\nauthor = "x"'),
        (CURRENT, "author", "allowed: clauses, effective, endpoint_table, id, service, summary"),
    ),
    "unknown key in a clause": (
        (CURRENT, "[clauses.C03]", "[clauses.C03]\nseverity = 3"),
        (CURRENT, "clauses.C03.severity", "allowed:"),
    ),
    "unknown clause": (
        (CURRENT, "[clauses.C20]", "[clauses.C21]"),
        (CURRENT, "clauses.C21", "C01 to C20"),
    ),
    "missing language": (
        (CURRENT, 'title.korean = "API 데이터"\n', ""),
        (CURRENT, "clauses.C01.title.korean", "a text is needed"),
    ),
    "english where korean belongs": (
        (CURRENT, 'title.korean = "API 데이터"', 'title.korean = "API data"'),
        (CURRENT, "clauses.C01.title.korean", "in Korean"),
    ),
    "korean where english belongs": (
        (CURRENT, 'title.english = "API data"', 'title.english = "API 데이터"'),
        (CURRENT, "clauses.C01.title.english", "in English"),
    ),
    "clause without a text": (
        (CURRENT, 'english = "A customer can reserve', 'note = "A customer can reserve'),
        (CURRENT, "clauses.C19.english", "a text is needed"),
    ),
    "parameter that the text does not state": (
        (CURRENT, "lasts at most {grant_hours} hours", "lasts at most eight hours"),
        (CURRENT, "clauses.C07.english", "does not state the parameter {grant_hours}"),
    ),
    "stated parameter that there is not": (
        (CURRENT, "at most {grant_hours} hours", "at most {grant_hours} or {hours} hours"),
        (CURRENT, "clauses.C07.english", "{hours} is not a parameter to be stated"),
    ),
    "brace that is none": (
        (CURRENT, "at most {grant_hours} hours", "at most {grant_hours} } hours"),
        (CURRENT, "clauses.C07.english", "braces"),
    ),
    "unknown parameter": (
        (CURRENT, "grant_hours = 8", "grant_hours = 8\ngrant_days = 1"),
        (CURRENT, "clauses.C07.parameters.grant_days", "allowed: grant_hours"),
    ),
    "parameter of a wrong type": (
        (CURRENT, "grant_hours = 8", 'grant_hours = "8"'),
        (CURRENT, "clauses.C07.parameters.grant_hours", "allowed: 1 to 8"),
    ),
    "truth is not a number": (
        (CURRENT, "grant_hours = 8", "grant_hours = true"),
        (CURRENT, "clauses.C07.parameters.grant_hours", "whole number"),
    ),
    "parameter beyond its bounds": (
        (CURRENT, "abuse_monitoring_days = 30", "abuse_monitoring_days = 31"),
        (CURRENT, "clauses.C05.parameters.abuse_monitoring_days", "allowed: 30"),
    ),
    "promise that custody does not keep": (
        (CURRENT, "abuse_monitoring_days = 30", "abuse_monitoring_days = 20"),
        (CURRENT, "clauses.C05.parameters.abuse_monitoring_days", "allowed: 30"),
    ),
    "option that there is not": (
        (CURRENT, 'improvement = "opt_in"', 'improvement = "always"'),
        (CURRENT, "clauses.C02.parameters.improvement", "opt_in, unless_opted_out"),
    ),
    "word of a wrong form": (
        (CURRENT, 'minimum_tls = "1.2"', 'minimum_tls = "1.1"'),
        (CURRENT, "clauses.C14.parameters.minimum_tls", "form"),
    ),
    "missing parameter that decisions read": (
        (CURRENT, 'covers = "zero_retention_endpoints"\n', ""),
        (CURRENT, "clauses.C16.parameters.covers", "decisions read it"),
    ),
    "instant without an offset": (
        (CURRENT, "effective = 2026-11-23T00:00:00Z", "effective = 2026-11-23T00:00:00"),
        (CURRENT, "effective", "with its offset"),
    ),
    "instant inside an epoch": (
        (CURRENT, "effective = 2026-11-23T00:00:00Z", "effective = 2026-11-23T00:10:00Z"),
        (CURRENT, "effective", "border of an epoch"),
    ),
    "two versions at one instant": (
        (CURRENT, "effective = 2026-11-23T00:00:00Z", "effective = 2023-03-01T00:00:00Z"),
        (CURRENT, "effective", "each instant has one version"),
    ),
    "beginning without a policy": (
        (FIRST, "effective = 1970-01-01T00:00:00Z", "effective = 2000-01-01T00:00:00Z"),
        (FIRST, "effective", "1970-01-01"),
    ),
    "id that is not the file's name": (
        (CURRENT, 'id = "2026-11-23"', 'id = "2026-11-24"'),
        (CURRENT, "id", "2026-11-23"),
    ),
    "reference to a version that there is not": (
        (OPT_IN, 'as_in = "before-2023-03-01"', 'as_in = "2022-01-01"'),
        (OPT_IN, "clauses.C01.as_in", "earlier: before-2023-03-01"),
    ),
    "reference to a later version": (
        (FIRST, "[clauses.C15]", '[clauses.C15]\nas_in = "2023-03-01"'),
        (FIRST, "clauses.C15.as_in", "earlier: none"),
    ),
    "reference beside a text": (
        (OPT_IN, 'as_in = "before-2023-03-01"', 'as_in = "before-2023-03-01"\nenglish = "x"'),
        (OPT_IN, "clauses.C01.english", "allowed: as_in"),
    ),
    "version without a clause that decisions cite": (
        (OPT_IN, '[clauses.C15]\nas_in = "before-2023-03-01"', ""),
        (OPT_IN, "clauses.C15", "decisions cite it"),
    ),
    "endpoint table that there is not": (
        (CURRENT, "endpoint_table = 1", "endpoint_table = 7"),
        (CURRENT, "endpoint_table", "endpoints/7.toml"),
    ),
    "endpoint that is no path": (
        (ENDPOINTS, '"/v1/completions"', '"completions"'),
        (ENDPOINTS, "completions", "a path below /v1"),
    ),
    "endpoint that keeps under zero retention": (
        (
            ENDPOINTS,
            'state = "until_deleted", zero_retention = "refused"',
            'state = "until_deleted", zero_retention = "allowed"',
        ),
        (ENDPOINTS, "/v1/conversations.zero_retention", "refused under zero retention"),
    ),
    "endpoint with an unknown side": (
        (ENDPOINTS, 'classified = ["input", "output"]', 'classified = ["inside"]'),
        (ENDPOINTS, "/v1/chat/completions.classified", '"input", "output"'),
    ),
    "opt-out after opt-in": (
        (CURRENT, 'improvement = "opt_in"', 'improvement = "unless_opted_out"'),
        (CURRENT, "clauses.C02", "opt-in, which was needed before"),
    ),
    "no TOML": ((CURRENT, "[clauses.C03]", "[clauses.C03"), (CURRENT, "", "not TOML")),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wrong_policy_is_refused_with_its_place_and_what_is_allowed(case: str) -> None:
    (path, old, new), (file, key, message) = CASES[case]
    problems = examine(edited(path, old, new)).problems
    assert [
        problem
        for problem in problems
        if problem.file == file and problem.key == key and message in problem.message
    ], problems


@pytest.mark.parametrize("path", [FIRST, OPT_IN, CURRENT])
def test_of_a_version_without_a_date_that_alone_is_said(path: str) -> None:
    files = packaged_files()
    lines = files[path].splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("effective = "))
    lines[at] = 'effective = "2027-01-15T00:00:00Z"'
    examined = examine({**files, path: "\n".join(lines)})
    (problem,) = examined.problems
    assert (problem.file, problem.key) == (path, "effective")
    assert len(examined.versions) == 2, "it is no version"


def test_every_problem_is_reported_at_once() -> None:
    files = edited(CURRENT, "grant_hours = 8", "grant_hours = 9")
    files[ENDPOINTS] = files[ENDPOINTS].replace("sharing = true", "sharing = 1", 1)
    files["notes.txt"] = "x"
    with pytest.raises(PolicyProblems) as raised:
        parse(files)
    assert {problem.file for problem in raised.value.problems} == {CURRENT, ENDPOINTS, "notes.txt"}
    assert "clauses.C07.parameters.grant_hours" in str(raised.value)


def test_a_folder_without_a_policy_for_the_api_is_refused() -> None:
    assert examine({}).problems


def test_a_later_version_that_keeps_more_is_named() -> None:
    files = packaged_files()
    files["endpoints/2.toml"] = files[ENDPOINTS].replace(
        '"/v1/moderations" = { abuse_monitoring = false',
        '"/v1/moderations" = { abuse_monitoring = true',
    )
    files[CURRENT] = files[CURRENT].replace("endpoint_table = 1", "endpoint_table = 2")
    (problem,) = examine(files).problems
    assert (problem.file, problem.key) == (CURRENT, "endpoint_table")
    assert "/v1/moderations" in problem.message


RULES = packaged_policy().services["api"].versions[-1].rules


@pytest.mark.parametrize(
    ("shorter", "clause"),
    [
        (RULES._replace(abuse_monitoring_days=20), "C05"),
        (RULES._replace(improvement_days=20), "C02"),
        (RULES._replace(stored_days=20), "C10"),
    ],
)
def test_a_later_version_that_keeps_for_longer_is_named(shorter: Rules, clause: str) -> None:
    *_, before, after = packaged_policy().services["api"].versions
    assert lengthenings([before, after]) == []
    (found,) = lengthenings([before._replace(rules=shorter), after])
    assert (found.version, found.key) == (after.id, f"clauses.{clause}")
    assert "up to the 20 days" in found.message


def test_a_service_of_its_own_has_a_policy_of_its_own() -> None:
    files = packaged_files()
    files["versions/chat-1.toml"] = (
        files[FIRST]
        .replace('id = "before-2023-03-01"', 'id = "chat-1"')
        .replace('service = "api"', 'service = "chat"')
        .replace("effective = 1970-01-01T00:00:00Z", "effective = 2026-01-01T00:00:00Z")
    )
    history = parse(files)
    assert list(history.services) == ["api", "chat"]
    assert [version.id for version in history.services["chat"].versions] == ["chat-1"]


def test_lint_says_what_the_parser_says() -> None:
    report = lint(packaged_files())
    assert report.clean
    assert report.versions == ["before-2023-03-01", "2023-03-01", "2026-11-23"]
    assert report.clauses == 20
    broken = lint(edited(CURRENT, "grant_hours = 8", "grant_hours = 9"))
    assert not broken.clean
    assert [problem.key for problem in broken.problems] == ["clauses.C07.parameters.grant_hours"]

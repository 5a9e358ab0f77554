"""What a refused step says: the next thing that can be done, and never the command just given."""

import re
from importlib import resources

import pytest

from bailee.governance.agreements.countries import COUNTRIES
from bailee.governance.agreements.errors import terminating, wrong_state
from bailee.governance.agreements.model import (
    Agreement,
    Ended,
    Kind,
    Language,
    State,
    Step,
    may,
)
from bailee.governance.agreements.templates import packaged_library, parse
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import DAY_MS, Instant

COMMANDS = {
    "submit": {Step.FILL, Step.SUBMIT},
    "review": {Step.BEGIN_REVIEW, Step.ACCEPT, Step.DECLINE},
    "sign": {Step.SIGN},
    "countersign": {Step.COUNTERSIGN},
    "terminate": {Step.TERMINATE},
}
"""Which steps the commands take."""


def agreement(kind: Kind, state: State) -> Agreement:
    return Agreement(
        agreement=bytes(16),
        tenant=TenantId(bytes(16)),
        kind=kind,
        version="2026-11-26",
        text_digest=bytes(32),
        language=Language.ENGLISH,
        state=state,
        form={},
        created_at=Instant(0),
    )


def assessed(kind: Kind) -> bool:
    return packaged_library().versions(kind)[-1].review


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (kind, state)
        for kind in Kind
        for state in State
        if assessed(kind) or state not in (State.IN_REVIEW, State.ACCEPTED, State.DECLINED)
    ],
)
def test_what_is_advised_can_be_done(kind: Kind, state: State) -> None:
    reviewed = assessed(kind)
    for step in Step:
        if may(step, state, reviewed=reviewed):
            continue
        said = str(wrong_state(agreement(kind, state), step, reviewed=reviewed))
        advised = re.findall(r"`bailee agreements (\w+)( \w+)?`", said)
        assert advised or state is State.COUNTERSIGNED, said
        for command, anew in advised:
            possible = any(may(one, state, reviewed=reviewed) for one in COMMANDS[command])
            assert possible or anew == f" {kind.value}", said


@pytest.mark.parametrize(
    ("kind", "state", "steps", "command"),
    [
        (Kind.DATA_PROCESSING_ADDENDUM, State.SUBMITTED, {Step.ACCEPT, Step.COUNTERSIGN}, "sign"),
        (Kind.ENTERPRISE_AGREEMENT, State.SUBMITTED, {Step.FILL, Step.SUBMIT}, "terminate"),
        (Kind.ENTERPRISE_AGREEMENT, State.ACCEPTED, {Step.ACCEPT, Step.DECLINE}, "terminate"),
        (Kind.ENTERPRISE_AGREEMENT, State.ACCEPTED, {Step.COUNTERSIGN}, "sign"),
        (Kind.ENTERPRISE_AGREEMENT, State.SIGNED, {Step.ACCEPT, Step.DECLINE}, "terminate"),
        (Kind.ENTERPRISE_AGREEMENT, State.SIGNED, {Step.SIGN}, "countersign"),
    ],
)
def test_what_is_advised_leads_where_was_wanted(
    kind: Kind, state: State, steps: set[Step], command: str
) -> None:
    for step in steps:
        said = str(wrong_state(agreement(kind, state), step, reviewed=assessed(kind)))
        assert re.findall(r"`bailee agreements (\w+)", said) == [command], said


def test_a_notice_names_the_agreement_and_what_to_do() -> None:
    row = agreement(Kind.ENTERPRISE_AGREEMENT, State.EXECUTED)
    noticed = row._replace(
        ended=Ended("user_1", Instant(0), "enough"), in_force_until=Instant(60 * DAY_MS)
    )
    said = str(terminating(noticed))
    for words in (
        "enterprise agreement agreement_00",
        "1970-03-02T00:00:00.000Z",
        "submit enterprise_agreement",
    ):
        assert words in said


@pytest.mark.parametrize("kind", Kind)
def test_the_text_says_how_much_notice_is_given(kind: Kind) -> None:
    template = packaged_library().versions(kind)[-1]
    (term,) = [one.words for one in template.sections if "개정, 종료" in one.title.korean]
    days = template.termination_notice_days
    assert f" {days} days' notice" in term.english
    assert f" {days}일 전에 " in term.korean
    days = template.newer_text_notice_days
    assert f"notice of at least {days} days" in term.english
    assert f"최소 {days}일의 기간을 두고 통지" in term.korean
    if kind is not Kind.ENTERPRISE_AGREEMENT:
        assert "in writing through the service" in term.english
        assert "서비스를 통하여 서면으로 통지하여" in term.korean


@pytest.mark.parametrize("name", ["newer_text_notice_days", "termination_notice_days"])
@pytest.mark.parametrize("days", ["0", '"30"', "true"])
def test_a_notice_is_a_number_of_days(name: str, days: str) -> None:
    file = "enterprise_agreement-2026-11-26.toml"
    packaged = resources.files("bailee.governance.agreements").joinpath("templates", file)
    text, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {days}", packaged.read_text())
    assert changed == 1
    with pytest.raises(InvalidInput, match="a notice has one day or more"):
        parse(text.encode(), file)


@pytest.mark.parametrize("value", ["ZZ", "kr", "Korea", "K"])
def test_a_country_is_one_that_has_a_code(value: str) -> None:
    template = packaged_library().versions(Kind.ENTERPRISE_AGREEMENT)[-1]
    with pytest.raises(InvalidInput, match="ISO 3166-1"):
        template.checked({"country_of_law": value}, complete=False)
    assert template.checked({"country_of_law": "KR"}, complete=False) == {"country_of_law": "KR"}
    assert len(COUNTRIES) == 249

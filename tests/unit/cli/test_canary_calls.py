"""What a canary sends and accepts: nothing is left out, and each shortcoming is noticed."""

from pathlib import Path

import msgspec
import pytest

from bailee.api.compatibility import entries, shape
from bailee.cli.canary.calls import ANSWERS, KINDS, WITHOUT_CONTENT, Way, calls
from bailee.cli.canary.result import Result, shortcomings
from bailee.cli.canary.search import Found
from bailee.cli.canary.traces import files_below, forms

GOOD = Result(
    prompts=2000,
    sinks=1500,
    zdr_hits=0,
    clear_hits=0,
    zdr_sealed=0,
    unrecorded_records=0,
    local_model=True,
    recorded=400,
    sealed=400,
    planted=14,
    found=14,
    kills=6,
    seconds=50.0,
)


def test_every_operation_that_takes_content_is_called() -> None:
    """An operation that is newly served needs a `Kind`, or to be named as one without content."""
    served = {
        shape(entry.name)
        for entry in entries()
        if entry.served and entry.method == "POST" and "/organization/" not in entry.path
    }
    called = {kind.operation for kind in KINDS} | set(WITHOUT_CONTENT)
    assert {shape(operation) for operation in called} == served


def test_every_way_is_gone_with_a_word_of_its_own() -> None:
    made = calls("mark", 500, local_model=True)
    assert {call.way for call in made} == set(Way) == set(ANSWERS)
    assert {(call.kind.operation, call.way) for call in made} == {
        (kind.operation, way) for kind in KINDS for way in kind.ways
    }
    assert len({call.content for call in made}) == 500
    for call in made:
        if call.way not in (Way.BAD_JSON, Way.BAD_TYPE) and call.kind.within is None:
            assert call.content.encode() in call.kind.body(call.content, call.way)


def test_without_a_local_model_nothing_is_asked_of_it() -> None:
    assert {call.way for call in calls("mark", 500, local_model=False)} == set(Way) - {Way.LOCAL}


def test_a_good_result_is_accepted() -> None:
    assert shortcomings(GOOD) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"zdr_hits": 1},
        {"clear_hits": 1},
        {"zdr_sealed": 1},
        {"unrecorded_records": 1},
        {"recorded": 0, "sealed": 0},
        {"sealed": 399},
        {"found": 13},
        {"sinks": 14},
    ],
    ids=str,
)
def test_a_shortcoming_is_noticed(wrong: dict[str, int]) -> None:
    assert len(shortcomings(msgspec.structs.replace(GOOD, **wrong))) == 1


def test_a_mark_is_found_in_each_form_and_told_from_others(tmp_path: Path) -> None:
    for number, data in enumerate(forms(b"canary0123456789").values()):
        (tmp_path / str(number)).write_bytes(b"x" + data + b"y")
    (tmp_path / "other").write_bytes(b"canary9876543210")
    found = Found()
    found.look(files_below(tmp_path), [b"canary0123456789", b"canary9876543210"])
    assert len(found.places) == len(forms(b"")) + 1
    assert found.places_of(b"canary9876543210") == {str(tmp_path / "other")}
    assert len(found.places_of(b"canary0123456789")) == len(forms(b""))

"""What a tour accepts: each figure that is not as promised is noticed."""

from pathlib import Path

import msgspec
import pytest

from bailee.cli.house import empty_folder
from bailee.cli.tour.evidence import load_verifier
from bailee.cli.tour.passage import Passage
from bailee.cli.tour.result import Result, half_hours_of, shortcomings
from bailee.drivers.system import SharedClock
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import Instant

GOOD = Result(
    answered=510,
    records=510,
    opened_before=1,
    opened_after=0,
    destroyed_epochs=75,
    max_age_s=2_592_000,
    min_age_s=2_588_400,
    receipts_verified=75,
    overdue=0,
    lost=0,
    seconds=50.0,
)


def test_what_was_promised_is_accepted() -> None:
    assert shortcomings(GOOD, 510) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"answered": 511},
        {"answered": 499, "records": 499},
        {"opened_before": 0},
        {"opened_after": 1},
        {"destroyed_epochs": 71},
        {"max_age_s": 2_592_000.001},
        {"min_age_s": 2_588_399.999},
        {"receipts_verified": 74},
        {"overdue": 1},
        {"lost": 1},
    ],
)
def test_each_figure_that_is_not_as_promised_is_noticed(wrong: dict[str, float]) -> None:
    found = msgspec.convert(msgspec.to_builtins(GOOD) | wrong, Result)
    assert len(shortcomings(found, 510)) == 1


def test_a_shorter_tour_asks_for_its_share() -> None:
    assert half_hours_of(510) == 75
    shorter = msgspec.structs.replace(GOOD, answered=60, records=60, destroyed_epochs=8)
    assert shortcomings(shorter, 60) == []
    assert shortcomings(shorter, 510) != []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(InvalidInput, match="not empty"):
        empty_folder(tmp_path)


def test_time_never_goes_back_and_stands_still_when_asked(tmp_path: Path) -> None:
    passage = Passage(SharedClock.create(tmp_path / "clock", Instant(1000)))
    passage.jump(Instant(500))
    assert passage.now() == 1000
    with passage.standing_at(Instant(2000)):
        assert passage.now() == 2000
    with pytest.raises(ValueError, match="back"), passage.standing_at(Instant(1999)):
        pass


def test_the_verifier_is_found() -> None:
    assert load_verifier().__code__.co_filename.endswith("bailee_verify.py")

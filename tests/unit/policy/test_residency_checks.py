"""What a region consists of, and who may look at its content."""

import pytest

from bailee.kernel.errors import Forbidden, InvalidInput
from bailee.kernel.ids import Region
from bailee.policy.residency import STORES, Part, require_complete, require_reviewer

US, EU = Region("us"), Region("eu")


def test_a_complete_region_may_serve() -> None:
    require_complete(US, [Part(name, US) for name in STORES])


def test_everything_that_is_missing_or_elsewhere_is_named_at_once() -> None:
    parts = [Part("keeper", US), Part("journals", EU), Part("classifier x", None)]
    with pytest.raises(InvalidInput) as refused:
        require_complete(US, parts)
    said = str(refused.value)
    for what in (
        "it has no database",
        "it has no object store",
        "its journals is of `eu`",
        "its classifier x is of no declared region",
    ):
        assert what in said
    assert "keeper" not in said


def test_reviewers_see_their_regions_alone() -> None:
    require_reviewer(frozenset({US, EU}), EU)
    with pytest.raises(Forbidden):
        require_reviewer(frozenset({US}), EU)
    with pytest.raises(Forbidden):
        require_reviewer(frozenset(), US)

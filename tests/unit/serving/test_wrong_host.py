"""Whoever comes to the wrong region's host is sent to the right one."""

import pytest

from bailee.kernel.ids import Region
from bailee.kernel.regions import region_mark
from bailee.serving.errors import Because, CallRefused
from bailee.serving.residency import Residency

US, EU = Region("us"), Region("eu")
HERE = Residency(
    US, {US: ("us.example", "localhost:9443"), EU: ("eu.example:443", "localhost:9444")}
)


def key_of(region: Region, kind: str = "bailee") -> str:
    return f"sk-{kind}-{region_mark(region).hex()}{'0' * 12}-" + "A" * 43


def host_named(host: str | None, key: str | None = None) -> str | None:
    """Where a request is sent; None: it may stay."""
    try:
        HERE.check_host(host, key and f"Bearer {key}")
    except CallRefused as refused:
        return str(refused).rpartition(" ")[2]
    return None


@pytest.mark.parametrize(
    "host",
    [None, "us.example", "US.example:443", "us.example:8443", "localhost:9443", "localhost",
     "[::1]", "[::1]:9444", "10.0.0.1:9444", "eu.example.evil"],
)  # fmt: skip
def test_names_of_this_region_or_of_nobody_may_stay(host: str | None) -> None:
    assert host_named(host, key_of(US)) is None
    assert host_named(host, key_of(EU)) is None


@pytest.mark.parametrize("host", ["eu.example", "eu.example:443", "EU.EXAMPLE", "localhost:9444"])
def test_another_regions_name_is_sent_where_the_key_belongs(host: str) -> None:
    assert host_named(host, key_of(US)) == "us.example"
    assert host_named(host, key_of(EU)) == "eu.example"
    assert host_named(host) == "us.example"


@pytest.mark.parametrize("kind", ["bailee", "admin"])
def test_a_key_of_another_region_is_sent_there(kind: str) -> None:
    with pytest.raises(CallRefused, match=r"Please make your request to eu\.example$") as refused:
        HERE.check_unknown(key_of(EU, kind))
    assert refused.value.because is Because.WRONG_REGION
    HERE.check_unknown(key_of(US, kind))
    HERE.check_unknown(key_of(Region("fr"), kind))
    HERE.check_unknown("nonsense")


def test_one_region_alone_sends_nobody_away() -> None:
    alone = Residency(US)
    alone.check_host("eu.example", f"Bearer {key_of(EU)}")
    alone.check_unknown(key_of(EU))
    with pytest.raises(CallRefused, match="nothing of it is stored or processed here"):
        alone.check(EU)

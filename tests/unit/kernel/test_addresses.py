"""Which addresses are public."""

import pytest

from bailee.kernel.addresses import is_loopback, is_numeric, is_public

PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8")
PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - judged, not bound
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)
    assert not is_loopback(address)


@pytest.mark.parametrize("address", [*PRIVATE, "example.org", "", "1.2.3", "0x7f000001"])
def test_not_public(address: str) -> None:
    assert not is_public(address)


def test_loopback_and_numeric() -> None:
    assert [one for one in PRIVATE if is_loopback(one)] == ["127.0.0.1", "::1"]
    assert is_loopback("::ffff:127.0.0.1")
    assert is_numeric("::1")
    assert not is_numeric("localhost")

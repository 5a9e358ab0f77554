"""Whether a network address is public: what somebody else may make this machine connect to."""

import ipaddress
from typing import Final

_TRANSLATED: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # RFC 6052
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # RFC 8215
)


def is_loopback(address: str) -> bool:
    """Whether this is a numeric address of this machine itself."""
    found = _parsed(address)
    return found is not None and found.is_loopback


def is_public(address: str) -> bool:
    """Whether this is a numeric address that anybody on the internet reaches.

    Private, shared, link-local, documentation and multicast addresses are not; nor are IPv6
    addresses that carry such an IPv4 address inside, nor those that translate IPv4.
    """
    found = _parsed(address)
    if found is None or not found.is_global or found.is_multicast:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if any(found in network for network in _TRANSLATED):
            return False
        inner = found.sixtofour
        return (inner is None or inner.is_global) and found.teredo is None
    return True


def is_numeric(host: str) -> bool:
    """Whether a host is written as an address."""
    return _parsed(host) is not None


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found

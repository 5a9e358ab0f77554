"""Sends whoever comes to the wrong region's host to the right one, before a body is read.

Promises: a request that names another region's host is refused, and so is a key that was made in
another region; both as OpenAI refuses them (`incorrect_hostname`), naming the right host. Another
region's keys are known by their mark alone, and only after this region's were looked through: a
mark says where to go, never that the key exists. An address that is nobody's host (this machine's
name, an IP address) is taken for this region's own.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bailee.kernel.ids import Region
from bailee.kernel.regions import mark_of, region_mark
from bailee.serving.errors import Because, CallRefused

_PUBLIC_ID: Final = re.compile(r"sk-(?:bailee|admin)-([0-9a-f]{16})-")


class Residency:
    """One region among others."""

    def __init__(
        self,
        region: Region,
        hosts: Mapping[Region, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """`hosts` are every region's, with a port where it matters, the first one to be named."""
        self.region: Final = region
        named = {name: tuple(map(_usual, own)) for name, own in hosts.items()}
        self._own = named.get(region, ())
        others = {other: names for other, names in named.items() if other != region}
        self._foreign = {name: other for other, names in others.items() for name in names}
        self._marks = {region_mark(other): names[0] for other, names in others.items()}

    def check_host(self, host: str | None, authorization: str | None) -> None:
        """Return unless `host` (as in the header) is another region's.

        Raises CallRefused (WRONG_REGION) naming the host of the key's region.
        """
        if not self._foreign or host is None:
            return
        named = _usual(host.strip().lower())
        name = named.rpartition(":")[0] if _has_port(named) else named
        if named in self._own:
            return
        foreign = self._foreign.get(named)
        if foreign is None and name not in self._own:
            foreign = self._foreign.get(name)
        if foreign is None:
            return
        raise _elsewhere(self._host_of(authorization or "") or self._own[0])

    def check_unknown(self, credential: str) -> None:
        """Return unless a key that this region does not know was made in another.

        Raises CallRefused (WRONG_REGION) naming that region's host.
        """
        host = self._host_of(credential) if self._marks else None
        if host is not None:
            raise _elsewhere(host)

    def check(self, region: Region) -> None:
        """Return if content of `region` may be decided on here. Raises CallRefused."""
        if region != self.region:
            raise CallRefused(
                Because.WRONG_REGION,
                f"The project's region is `{region}`, and this server's is `{self.region}`: "
                "nothing of it is stored or processed here.",
            )

    def _host_of(self, text: str) -> str | None:
        """The host of the other region in which a key was made, as its mark says."""
        found = _PUBLIC_ID.search(text)
        return None if found is None else self._marks.get(mark_of(found[1]))


def _usual(host: str) -> str:
    """A host as clients send it: without the port that HTTPS has anyway."""
    return host.removesuffix(":443")


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _elsewhere(host: str) -> CallRefused:
    return CallRefused(
        Because.WRONG_REGION,
        "Attempted to access resource with incorrect regional hostname. Please make your request "
        f"to {host}",
    )

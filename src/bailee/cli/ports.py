"""Choosing ports for servers that this process starts, stops and starts again.

A port chosen here stays the process's own until it ends: outgoing connections never take it, for
it lies below the range they are given, and no other process that chooses here gets it, for the
choice is announced in Linux's abstract socket namespace, which forgets it with the process. It
does not keep strangers from listening there on purpose.
"""

import socket
from pathlib import Path
from typing import Final

from bailee.drivers.system import SystemRandomness
from bailee.kernel.errors import Unavailable

_LOWEST: Final = 10_000
_OUTGOING_FROM: Final = 32_768
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES: Final = 1000


def free_port() -> int:
    """A TCP port of loopback, this process's until it ends. Raises Unavailable if none is left."""
    count = _outgoing_from() - _LOWEST
    for _ in range(_TRIES):
        port = _LOWEST + int.from_bytes(SystemRandomness().random_bytes(4), "big") % count
        if _claim(port):
            return port
    raise Unavailable(
        f"no port between {_LOWEST} and {_LOWEST + count} is free; end what uses them"
    )


def _claim(port: int) -> bool:
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0bailee-port-{port}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return False
    claim.detach()  # and never closed: it is to last for as long as the process
    return True


def _outgoing_from() -> int:
    try:
        lowest = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _OUTGOING_FROM
    return lowest if lowest > _LOWEST + _TRIES else _OUTGOING_FROM

"""Where a backend is: its address, its transport and the head of every request sent to it.

Promises that content leaves in the clear only over loopback: `https` verifies the certificate and
asks for TLS 1.2 or newer, `http` is refused for any other host. It does not connect.
"""

import ipaddress
import ssl
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_USER_AGENT: Final = b"bailee"


class Target(NamedTuple):
    """A backend's address, as configured."""

    host: str
    port: int
    base_path: str
    """As in `/v1`; empty or beginning with `/`, never ending with it."""
    tls: ssl.SSLContext | None
    """None: plain HTTP, and the peer must prove to be loopback."""


def parse_target(url: str, authorities_file: str | None = None) -> Target:
    """Read a base URL such as `https://api.example.com/v1`.

    `authorities_file` replaces the system's certificate authorities. Raises InvalidInput for a
    URL that cannot be used and for plain HTTP to anything but loopback.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidInput(
            "a backend's url is https://host[:port][/path]; correct it", field="backend.url"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput(
            "a backend's url has no user, password, query or fragment; "
            "give the credential by its own setting",
            field="backend.url",
        )
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError:
        raise InvalidInput("a backend's port is 1 to 65535", field="backend.url") from None
    if parts.scheme == "http" and not may_be_loopback(parts.hostname):
        raise InvalidInput(
            "plain HTTP to a backend is allowed on loopback alone (clause C14); use https",
            field="backend.url",
        )
    tls = _tls_context(authorities_file) if parts.scheme == "https" else None
    return Target(parts.hostname, port, parts.path.rstrip("/"), tls)


def may_be_loopback(host: str) -> bool:
    """Whether `host` is written as a loopback address, or as `localhost`."""
    return host == "localhost" or is_loopback_address(host)


def is_loopback_address(address: str) -> bool:
    """Whether `address` is a numeric address of this machine's loopback interface."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def request_head(target: Target, method: str, path: str, credential: Secret | None) -> bytes:
    """A request's head (RFC 9112) up to and with `content-length: `, whose value is missing."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != _DEFAULT_PORTS["https" if target.tls else "http"]:
        host = f"{host}:{target.port}"
    lines = [
        f"{method} {target.base_path}{path} HTTP/1.1".encode(),
        b"host: " + host.encode("idna" if not host.isascii() else "ascii"),
        b"user-agent: " + _USER_AGENT,
        b"accept-encoding: identity",
    ]
    if credential:
        lines.append(b"authorization: Bearer " + bytes(credential))
    lines.extend((b"content-type: application/json", b"content-length: "))
    return b"\r\n".join(lines)


def _tls_context(authorities_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context

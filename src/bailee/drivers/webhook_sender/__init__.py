"""Webhook messages over HTTP/1.1 and TLS, one connection for each.

The host is resolved here, every address is judged, and the connection goes to an address that was
judged: a name that is resolved to something else a moment later changes nothing. A host of which
any address is private is refused.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httptools

from bailee.kernel.addresses import is_loopback, is_public
from bailee.ports.webhook_sender import SendFailure

_PORTS: Final = {"http": 80, "https": 443}
_HEAD_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 16 * 1024


class HttpsSender:
    """A driver of `ports.webhook_sender`.

    `allow_private` lets messages go to private and loopback addresses. `authorities_file` (PEM)
    replaces the system's certificate authorities.
    """

    def __init__(
        self, *, allow_private: bool, timeout_s: float, authorities_file: str | None = None
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context(cafile=authorities_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.set_alpn_protocols(["http/1.1"])

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """See the port."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(urlsplit(url), headers, body)
        except TimeoutError:
            raise SendFailure("timeout") from None
        except ssl.SSLError:
            raise SendFailure("certificate") from None
        except (OSError, ValueError):
            raise SendFailure("unreachable") from None

    async def _send(self, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> int:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        addresses = await self._addresses(host, port, encrypted=parts.scheme == "https")
        reader, writer = await self._connect(addresses, host, port, parts.scheme)
        try:
            writer.write(_head(parts, headers, len(body)) + body)
            await writer.drain()
            return await _status(reader)
        finally:
            writer.transport.abort()

    async def _addresses(self, host: str, port: int, *, encrypted: bool) -> list[str]:
        """Where the host is, if it may be there."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not self._allow_private and not all(map(is_public, addresses)):
            raise SendFailure("private_address")
        if not encrypted and not all(map(is_loopback, addresses)):
            raise SendFailure("unreachable")
        return addresses

    async def _connect(
        self, addresses: list[str], host: str, port: int, scheme: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = self._tls if scheme == "https" else None
        failure: OSError = OSError("no address")
        for address in addresses:
            try:
                return await asyncio.open_connection(
                    address, port, ssl=tls, server_hostname=host if tls else None
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
        raise failure


class _Answer:
    """What is read of an answer: its status."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0

    def on_headers_complete(self) -> None:
        """What the parser calls."""
        status = self.parser.get_status_code()
        if status >= 200:
            self.status = status


def _head(parts: SplitResult, headers: Mapping[str, str], size_bytes: int) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"host: {_host(parts)}",
        "user-agent: bailee",
        "accept: */*",
        "connection: close",
        "content-type: application/json",
        f"content-length: {size_bytes}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        named = f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        named = host
    return named if parts.port in (None, _PORTS[parts.scheme]) else f"{named}:{parts.port}"


async def _status(reader: asyncio.StreamReader) -> int:
    answer, read_bytes = _Answer(), 0
    while not answer.status:
        data = await reader.read(_READ_BYTES)
        read_bytes += len(data)
        if not data or read_bytes > _HEAD_BYTES:
            raise SendFailure("not_http")
        try:
            answer.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not answer.status:
                raise SendFailure("not_http") from None
    return answer.status

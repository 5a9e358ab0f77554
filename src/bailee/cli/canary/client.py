"""A client that can misbehave: HTTP/1.1 over TLS by hand, one connection for each call.

SDKs do not cut their requests short. Nothing is tried twice.
"""

import asyncio
import ssl
from typing import Final, NamedTuple

from bailee.cli.canary.calls import Call, Way
from bailee.cli.house import House

_TIMEOUT_S: Final = 30.0
_HEAD_BYTES: Final = 1 << 16


class Answer(NamedTuple):
    """What came back."""

    status: int
    """0: nothing."""
    headers: dict[str, str]
    body: bytes
    ended: bool
    """It came to its end."""


_NOTHING: Final = Answer(0, {}, b"", False)


class Client:
    """Makes calls to one installation."""

    def __init__(self, house: House, trust: ssl.SSLContext) -> None:
        self._port = house.settings.server.port
        self._trust = trust

    async def make(self, call: Call, key: str, name: str = "") -> Answer:
        """Make a call in its way; `name` is the thing's that its path or body names."""
        content, way = call.content, call.way
        path = call.kind.path_of(name)
        body = call.kind.body(content, way).replace(b"{id}", name.encode())
        headers = {
            "authorization": f"Bearer {content if way is Way.WRONG_KEY else key}",
            "content-type": call.kind.media,
        }
        if way is Way.STRANGE_HEADERS:
            headers |= dict.fromkeys(("x-request-id", "user-agent", "referer", "cookie"), content)
        if way is Way.UNKNOWN_PATH:
            path = f"/v1/{content}?q={content}"
        return await self.send(
            *("POST", path, headers, body),
            leaves_early=way is Way.LEAVING_EARLY,
            leaves=way is Way.LEAVING,
        )

    async def get(self, path: str, key: str | None = None) -> Answer:
        """Ask for a path."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return await self.send("GET", path, headers, b"")

    async def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *,
        leaves: bool = False,
        leaves_early: bool = False,
    ) -> Answer:
        """Send a request; `leaves`: hang up after the first of an answer's body, `leaves_early`:
        in the middle of one's own."""
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head += f"content-length: {len(body) + leaves_early}\r\n\r\n"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    *("127.0.0.1", self._port),
                    ssl=self._trust,
                    server_hostname="localhost",
                    limit=_HEAD_BYTES,
                )
                try:
                    writer.write(head.encode() + body)
                    await writer.drain()
                    return _NOTHING if leaves_early else await _read(reader, leaves=leaves)
                finally:
                    writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return _NOTHING


async def _read(reader: asyncio.StreamReader, *, leaves: bool) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    status = int(first.split(" ")[1])
    body, ended = b"", False
    try:
        if leaves:
            body = await reader.read(1)
        elif "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
            ended = True
        else:
            body = await reader.read()
            ended = body.endswith(b"0\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError):
        ended = False  # the process was killed
    return Answer(status, headers, body, ended)

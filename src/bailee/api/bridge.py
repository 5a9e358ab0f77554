"""From RSGI to ASGI: how the operations off the hot path run in the same server.

HTTP alone, no lifespan and no websockets. A body that is stated to be over the limit is refused
before the ASGI application sees it, any other as soon as it is. Headers that every answer has are
added unless the application set them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final

from bailee.api.application import (
    Headers,
    Protocol_,
    Scope,
    StreamTransport,
    incomplete,
    shown_certificates,
    too_large,
)
from bailee.kernel.numbers import whole_number

Message = MutableMapping[str, Any]
AsgiApplication = Callable[[Any, Any, Any], Awaitable[None]]
"""Frameworks each type scope, receive and send in their own way."""

_IDLE_S: Final = 60.0
"""How long the next piece of a body may take."""
SHOWN_CERTIFICATES: Final = "bailee.shown_certificates"
"""Where the ASGI scope holds what the client showed (`serving.client_certificates`)."""
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


class AsgiBridge:
    """Answers RSGI requests with an ASGI application.

    A body arrives at the application in the pieces in which it came. `longer` names the paths (as
    prefixes) whose bodies may have another limit.
    """

    def __init__(
        self,
        application: AsgiApplication,
        *,
        body_limit_bytes: int,
        longer: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._application = application
        self._body_limit_bytes = body_limit_bytes
        self._longer = longer

    async def __call__(self, scope: Scope, protocol: Protocol_, headers: Headers) -> None:
        """Answer one request. Raises CallRefused (BODY_TOO_LARGE, BODY_INCOMPLETE)."""
        limit_bytes = self._limit(scope.path)
        stated = scope.headers.get("content-length")
        if stated is not None and stated.isdigit() and whole_number(stated, 0, limit_bytes) is None:
            raise too_large(limit_bytes)
        receive = _Receive(protocol, limit_bytes, reads=scope.method not in ("GET", "HEAD"))
        answer = _Answer(protocol, headers)
        asgi = asgi_scope(scope)
        asgi[SHOWN_CERTIFICATES] = shown_certificates(scope)
        asgi["bailee.request_id"] = dict(headers).get("x-request-id", "")
        await self._application(asgi, receive, answer.send)

    def _limit(self, path: str) -> int:
        for prefix, limit_bytes in self._longer.items():
            if path.startswith(prefix):
                return limit_bytes
        return self._body_limit_bytes


def asgi_scope(scope: Scope) -> Message:
    """The ASGI scope of an RSGI request (ASGI HTTP specification 2.3)."""
    client_host, _, client_port = scope.client.rpartition(":")
    server_host, _, server_port = scope.server.rpartition(":")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": scope.http_version,
        "server": (server_host, int(server_port or 0)),
        "client": (client_host, int(client_port or 0)),
        "scheme": scope.scheme,
        "method": scope.method,
        "root_path": "",
        "path": scope.path,
        "raw_path": scope.path.encode(),
        "query_string": scope.query_string.encode("latin-1"),
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in scope.headers.items()
        ],
        "state": {},
    }


class _Receive:
    """The application's `receive`: the body as it arrives, then the client's leaving."""

    def __init__(self, protocol: Protocol_, limit_bytes: int, *, reads: bool) -> None:
        self._protocol = protocol
        self._limit_bytes = limit_bytes
        self._left_bytes = limit_bytes
        self._parts = aiter(protocol) if reads else None
        self._begun = False

    async def __call__(self) -> Message:
        if self._parts is None:
            if not self._begun:
                self._begun = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.ensure_future(self._protocol.client_disconnect())
            return {"type": "http.disconnect"}
        self._begun = True
        try:
            async with asyncio.timeout(_IDLE_S):
                part = await anext(self._parts)
        except StopAsyncIteration:
            self._parts = None
            return {"type": "http.request", "body": b"", "more_body": False}
        except (RuntimeError, OSError, TimeoutError):
            raise incomplete() from None
        self._left_bytes -= len(part)
        if self._left_bytes < 0:
            raise too_large(self._limit_bytes)
        return {"type": "http.request", "body": bytes(part), "more_body": True}


class _Answer:
    """The application's `send`: one whole answer, or a stream if there is more than one body."""

    def __init__(self, protocol: Protocol_, headers: Headers) -> None:
        self._protocol = protocol
        self._base = headers
        self._status = 500
        self._headers: Headers = []
        self._transport: StreamTransport | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            own = [
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
            names = {name for name, _ in own}
            self._headers = [pair for pair in self._base if pair[0] not in names] + own
            return
        body = bytes(message.get("body", b""))
        if self._transport is None and not message.get("more_body", False):
            headers = [pair for pair in self._headers if pair[0] != "content-length"]
            self._protocol.response_bytes(self._status, headers, body)
            return
        if self._transport is None:
            self._transport = self._protocol.response_stream(self._status, self._headers)
        if body:
            await self._transport.send_bytes(body)

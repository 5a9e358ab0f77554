"""The text runner's HTTP/1.1 server, for one client that is known: the gateway's backend driver.

Whole bodies of stated length, kept connections, one request at a time on each; whoever does not
bring the key is refused before a byte of the body is read. A client that goes away ends what was
being done for it. There is no log, no page, and nothing is kept of a request once it is answered.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from bailee.drivers.text_runner.answers import Answer, Refused, error
from bailee.kernel.redacted import Secret

BASE: Final = "/v1"
_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_BODY_BYTES: Final = 1 << 30
"""What the gateway lets through is its own setting; this bounds nonsense alone."""

Answers = Callable[[bytes], Awaitable[Answer]]


class _Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]


class TextServer:
    """Serves the given paths."""

    def __init__(self, paths: Mapping[str, Answers], models: list[str], api_key: Secret) -> None:
        """`paths` are as in `/embeddings`; each takes a body and may raise Refused."""
        self._paths = {BASE + path: answers for path, answers in paths.items()}
        document = {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}
        self._models = Answer(200, msgspec.json.encode(document))
        self._authorization = b"Bearer " + bytes(api_key)

    async def listen(self, port: int) -> asyncio.Server:
        """Listen on loopback; `port` 0: any free one. Raises OSError."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_MAX_HEAD_BYTES)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_head(reader)) is not None:
                answer = await self._respond(request, reader)
                if answer is None:
                    return
                writer.write(_head(answer) + answer.body)
                await writer.drain()
                if answer.status == 401:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()

    async def _respond(self, request: _Request, reader: asyncio.StreamReader) -> Answer | None:
        """The answer; None if the client has left."""
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            return error(401, "Only the gateway is answered here.")
        stated = request.headers.get("content-length", "0")
        size_bytes = int(stated) if stated.isdigit() else _MAX_BODY_BYTES + 1
        if size_bytes > _MAX_BODY_BYTES:
            raise ConnectionError
        body = await reader.readexactly(size_bytes)
        if request.path == f"{BASE}/models":
            return self._models
        answers = self._paths.get(request.path)
        if answers is None or request.method != "POST":
            return error(404, "This model does not serve this operation.", code="unknown_url")
        return await _while_present(answers, body, reader)


async def _while_present(
    answers: Answers, body: bytes, reader: asyncio.StreamReader
) -> Answer | None:
    """The answer, unless the client leaves first: nothing else may come before it has it."""
    working = asyncio.ensure_future(answers(body))
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if leaving.done() or not working.done():
            return None
        return working.result()
    except Refused as refused:
        return refused.answer
    except Exception:  # noqa: BLE001 - a defect answers one request with an error, no more
        return error(500, "The text runner had an error.")
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _read_head(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return _Request(method, rest.partition(" ")[0], headers)


def _head(answer: Answer) -> bytes:
    return (
        f"HTTP/1.1 {answer.status} \r\ncontent-type: application/json\r\n"
        f"content-length: {len(answer.body)}\r\n\r\n"
    ).encode()

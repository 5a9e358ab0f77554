"""A local upstream that gives prompts back, and fails on request: whatever leaks, leaks here.

Models: `echo` answers with the request itself, `fail` gives it back in an error of status 500,
`silent` closes without a byte, `break` closes in the middle of an answer, `hold` begins a stream
and never ends it, `hang` never answers. On loopback, for `bailee canary` alone.
"""

import asyncio
import json
from typing import Any, Final

MODELS: Final = ("echo", "fail", "silent", "break", "hold", "hang")
_PIECE: Final = 48


async def start_upstream() -> tuple[asyncio.Server, int]:
    """Listen on loopback; gives the server and its port."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _answer(reader, writer):
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the gateway has left, or was killed
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0].strip() or b"0"
    received = (await reader.readexactly(int(length))).decode("utf-8", "replace")
    if not received:
        _whole(writer, 200, {"object": "list", "data": []})
        return True
    asked = json.loads(received)
    model, stream = str(asked["model"]), bool(asked.get("stream"))
    if model == "silent":
        return False
    if model == "hang":
        await reader.read()  # until the gateway gives up
        return False
    if model == "fail":
        _whole(writer, 500, {"error": {"message": received, "type": "server_error"}})
        return True
    chat = "messages" in asked
    if stream:
        return await _stream(reader, writer, model, received, chat=chat)
    _whole(writer, 200, _completion(received, chat=chat), cut=model == "break")
    return model != "break"


async def _stream(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    model: str,
    text: str,
    *,
    chat: bool,
) -> bool:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for at in range(0, len(text), _PIECE):
        _chunk(writer, _event(_piece(text[at : at + _PIECE], None, chat=chat)))
    await writer.drain()
    if model == "break":
        return False
    if model == "hold":
        await reader.read()
        return False
    _chunk(writer, _event(_piece("", "stop", chat=chat)))
    _chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")
    return True


def _whole(
    writer: asyncio.StreamWriter, status: int, document: dict[str, Any], *, cut: bool = False
) -> None:
    body = json.dumps(document, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body) + cut}\r\n\r\n".encode() + body)


def _completion(text: str, *, chat: bool) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "canary",
        "object": "chat.completion" if chat else "text_completion",
        "created": 0,
        "model": "echo",
        "choices": [{"index": 0, **said, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
    }


def _piece(text: str, finish: str | None, *, chat: bool) -> dict[str, Any]:
    said = {"delta": {"content": text}} if chat else {"text": text}
    return {
        "id": "canary",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 0,
        "model": "echo",
        "choices": [{"index": 0, **said, "finish_reason": finish}],
    }


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))

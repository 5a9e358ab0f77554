"""A local upstream that answers like a model and thinks nothing.

For `bailee tour` and `bailee bench` only: it answers chat and text completions, streaming and not,
with fixed words, fast enough to measure a gateway by. It listens on loopback and checks nothing.
"""

import asyncio
import json
from typing import Final, cast

import httptools

_SENTENCES: Final = (
    "What is kept is kept for a purpose and until a date. When the date has come the key is "
    "destroyed, and with the key everything that was sealed under it. Nobody has to be believed: "
    "the receipt shows what was destroyed and when, and the log shows that nothing was left out."
)
_WORDS: Final = _SENTENCES.split()


def chat_answer() -> bytes:
    """The body of a whole chat completion."""
    return json.dumps(
        {
            "id": "chatcmpl-mock",
            "object": "chat.completion",
            "created": 0,
            "model": "mock",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": " ".join(_WORDS)},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 200,
                "completion_tokens": len(_WORDS),
                "total_tokens": 200 + len(_WORDS),
            },
        }
    ).encode()


def _text_answer() -> bytes:
    answer = json.loads(chat_answer())
    answer["object"] = "text_completion"
    answer["choices"] = [
        {"index": 0, "text": " ".join(_WORDS), "logprobs": None, "finish_reason": "stop"}
    ]
    return json.dumps(answer).encode()


def _chunk(delta: dict[str, str], finish_reason: str | None) -> bytes:
    chunk = {
        "id": "chatcmpl-mock",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "mock",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _whole(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _stream() -> bytes:
    events = [_chunk({"role": "assistant", "content": ""}, None)]
    events += [_chunk({"content": word + " "}, None) for word in _WORDS]
    events += [_chunk({}, "stop"), b"data: [DONE]\n\n"]
    body = b"".join(f"{len(event):x}\r\n".encode() + event + b"\r\n" for event in events)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    return head + b"\r\n" + body + b"0\r\n\r\n"


_CHAT: Final = _whole(chat_answer())
_TEXT: Final = _whole(_text_answer())
_STREAM: Final = _stream()


class _Connection(asyncio.Protocol):
    """One connection: a parser, and a fixed answer to each request."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._streams = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by behaviour alone.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, body: bytes) -> None:
        self._streams = self._streams or b'"stream":true' in body or b'"stream": true' in body

    def on_message_complete(self) -> None:
        if self._transport is None:
            return
        if self._streams:
            self._transport.write(_STREAM)
        else:
            self._transport.write(_CHAT if b"chat" in self._url else _TEXT)
        self._streams = False


async def start_mock_upstream(port: int = 0) -> tuple[asyncio.Server, int]:
    """Listen on loopback; gives the server and its port."""
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    return server, server.sockets[0].getsockname()[1]

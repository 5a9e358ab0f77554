"""The chat application: one page, in English and Korean, and what it asks of Bailee.

The standard library and the official SDK. Beside the conversation the page shows which version of
which policy governs it, until when what is held of it, and the policy's own words. Conversations
are stored by Bailee alone, and one button deletes them there, but for what is held to find abuse.
Nothing is written down here.

It promises no more than an example must: it knows no users, so put sign-in and TLS in front of it.
"""

import html
import json
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

import openai

FOLDER: Final = Path(__file__).parent
FILES: Final = {"/page.css": "text/css", "/page.js": "text/javascript"}
WORDS: Final = json.loads((FOLDER / "words.json").read_text("utf-8"))
PAGE: Final = Template((FOLDER / "page.html").read_text("utf-8"))
LONGEST_BYTES: Final = 64 * 1024
MOST_DELETED: Final = 100
POLICY_TIMEOUT_S: Final = 10
SECURITY: Final = (
    ("content-security-policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)


class Chat:
    """What the application asks of Bailee."""

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        self._client = client
        self._model = model

    def say(self, messages: Any) -> Iterator[dict[str, str | None]]:
        """An answer in pieces; first of all what governs the exchange. A refusal is a piece."""
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                model=self._model, messages=messages, stream=True, store=True
            )
            yield _governed(raw.headers)
            for chunk in raw.parse():
                yield {"id": chunk.id}
                yield from ({"text": one.delta.content} for one in chunk.choices)
        except openai.APIStatusError as refused:
            said = refused.body if isinstance(refused.body, dict) else {}
            yield {"refused": said.get("message", refused.message)}
        except openai.APIError:
            yield {"refused": ""}

    def forget(self, stored: list[str]) -> list[str]:
        """Delete stored exchanges; gives those that are gone."""
        gone = []
        for one in stored[:MOST_DELETED]:
            try:
                self._client.chat.completions.delete(one)
            except openai.NotFoundError:
                pass
            except openai.APIError:
                continue
            gone.append(one)
        return gone

    def policy(self, version: str) -> bytes:
        """A version of a policy as Bailee publishes it, JSON. Raises OSError."""
        address = self._client.base_url.join(f"/bailee/v1/policy/versions/{quote(version, '')}")
        with urllib.request.urlopen(str(address), timeout=POLICY_TIMEOUT_S) as answer:  # noqa: S310
            text: bytes = answer.read()
            return text


def _governed(headers: Any) -> dict[str, str | None]:
    return {"policy": headers.get("bailee-policy"), "handling": headers.get("bailee-handling")}


class Request(BaseHTTPRequestHandler):
    """One request of a browser."""

    chat: Chat

    def do_GET(self) -> None:
        """The page, what it consists of, and the policy that it shows."""
        address = urlsplit(self.path)
        if address.path == "/":
            language = self._language(address.query)
            words: Any = WORDS[language]
            spoken = html.escape(json.dumps(words["script"], ensure_ascii=False))
            page = PAGE.substitute(words["page"], language=language, words=spoken)
            self._answer(200, "text/html", page.encode())
        elif address.path in FILES:
            file = FOLDER / address.path[1:]
            self._answer(200, FILES[address.path], file.read_bytes())
        elif address.path == "/policy":
            version = parse_qs(address.query).get("version", [""])[0]
            try:
                self._answer(200, "application/json", self.chat.policy(version))
            except OSError:
                self._answer(502, "application/json", b"{}")
        else:
            self._answer(404, "text/plain", b"")

    def do_POST(self) -> None:
        """Say something, or have what was said deleted."""
        length = int(self.headers.get("content-length") or 0)
        # JSON alone: no page of another site can send that without asking first.
        if self.headers.get("content-type") != "application/json" or length > LONGEST_BYTES:
            self._answer(400, "text/plain", b"")
            return
        try:
            asked = json.loads(self.rfile.read(length))
            messages, stored = asked.get("messages"), asked.get("stored")
        except (ValueError, AttributeError):
            self._answer(400, "text/plain", b"")
            return
        if self.path == "/say" and isinstance(messages, list):
            self._begin(200, "application/x-ndjson")
            for piece in self.chat.say(messages):
                self.wfile.write(json.dumps(piece).encode() + b"\n")
                self.wfile.flush()
        elif self.path == "/forget" and isinstance(stored, list):
            gone = self.chat.forget([str(one) for one in stored])
            self._answer(200, "application/json", json.dumps({"gone": gone}).encode())
        else:
            self._answer(404, "text/plain", b"")

    def log_message(self, *_: Any) -> None:
        """Write down nothing."""

    def _language(self, query: str) -> str:
        asked = parse_qs(query).get("language", [""])[0]
        if asked in WORDS:
            return asked
        return "ko" if self.headers.get("accept-language", "").startswith("ko") else "en"

    def _begin(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", f"{kind}; charset=utf-8")
        for name, value in SECURITY:
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self._begin(status, kind)
        self.wfile.write(body)


def open_server(chat: Chat, port: int) -> ThreadingHTTPServer:
    """A server on this machine alone; 0 is any free port."""
    handler = type("ChatRequest", (Request,), {"chat": chat})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)

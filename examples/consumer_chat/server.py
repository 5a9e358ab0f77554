"""A small chat application in front of Bailee: a service with a policy of its own (C11).

One file, the standard library and the official SDK. It serves one page, in English and Korean, that
shows under each answer which version of which policy governs it, as Bailee's headers say. It keeps
nothing itself: the conversation is in the page. Put TLS in front before anybody else uses it.

    OPENAI_BASE_URL, OPENAI_API_KEY, SSL_CERT_FILE   as `bailee env` prints them
    python server.py PORT MODEL
"""

import html
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

import openai

LONGEST: Final = 64 * 1024
WORDS: Final = {
    "en": {
        "title": "Chat",
        "say": "Say something",
        "send": "Send",
        "policy": "Policy",
        "held": "Held",
    },
    "ko": {
        "title": "채팅",
        "say": "메시지를 입력해 주세요",
        "send": "보내기",
        "policy": "정책",
        "held": "보관",
    },
}
PAGE: Final = """<!doctype html><html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}}
.you{{color:#555}}footer{{color:#777;font-size:.8rem}}textarea{{width:100%;box-sizing:border-box}}</style>
<h1>{title}</h1>{turns}<form method="post"><input type="hidden" name="so_far" value="{so_far}">
<label>{say}<textarea name="message" rows="3" required autofocus></textarea></label>
<button>{send}</button></form>{footer}</html>"""


def page(language: str, turns: list[dict[str, str]], policy: str = "", held: str = "") -> bytes:
    """The page after some turns."""
    words = WORDS[language]
    shown = "".join(
        f'<p class="{"you" if one["role"] == "user" else "bot"}">{html.escape(one["content"])}</p>'
        for one in turns
    )
    footer = ""
    if policy:
        footer = (
            f'<footer>{words["policy"]}: <b id="policy">{html.escape(policy)}</b><br>'
            f'{words["held"]}: <code id="held">{html.escape(held)}</code></footer>'
        )
    so_far = html.escape(json.dumps(turns), quote=True)
    return PAGE.format(
        language=language, turns=shown, so_far=so_far, footer=footer, **words
    ).encode()


class Chat(BaseHTTPRequestHandler):
    """One request of a browser."""

    client: openai.OpenAI
    model: str

    def do_GET(self) -> None:
        """An empty conversation."""
        self._answer(200, page(self._language(), []))

    def do_POST(self) -> None:
        """Send the conversation on, and show what came back and what governs it."""
        length = int(self.headers.get("content-length") or 0)
        if not 0 < length <= LONGEST:
            self._answer(413, b"too long")
            return
        form = parse_qs(self.rfile.read(length).decode())
        try:
            turns = json.loads(form.get("so_far", ["[]"])[0])
            turns.append({"role": "user", "content": form["message"][0]})
            raw = self.client.chat.completions.with_raw_response.create(
                model=self.model, messages=turns
            )
        except openai.APIStatusError as refused:
            self._answer(502, html.escape(refused.message).encode())
            return
        except (ValueError, KeyError, AttributeError):
            self._answer(400, b"not understood")
            return
        answer = raw.parse().choices[0].message.content or ""
        turns.append({"role": "assistant", "content": answer})
        policy, held = raw.headers["bailee-policy"], raw.headers["bailee-handling"]
        self._answer(200, page(self._language(), turns, policy, held))

    def log_message(self, *_: Any) -> None:
        """Write no addresses."""

    def _language(self) -> str:
        return "ko" if self.headers.get("accept-language", "").startswith("ko") else "en"

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("cache-control", "no-store")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(port: str, model: str) -> None:
    """Serve on this machine alone."""
    Chat.client, Chat.model = openai.OpenAI(max_retries=0), model
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Chat) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])

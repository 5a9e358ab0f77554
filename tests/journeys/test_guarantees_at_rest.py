"""G1: no plaintext content at rest anywhere.

Every way in which a request can end, each with a word of its own, and then a look at every file,
open file, argument and environment. The scan is shown to find what is there.
"""

import base64
import contextlib
import gzip
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
import zstandard
from tests.fixtures.echo import ANSWER_WORD
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.leftovers import files_below, processes, search
from tests.fixtures.waiting import until

from bailee.kernel.instants import HOUR_MS

pytestmark = pytest.mark.journey

CANARY = "canaryQzX7" + sha256(b"at rest").hexdigest()[:16]
WORDS = (CANARY.encode(), ANSWER_WORD.encode())
"""In every prompt, and in every answer beside the prompt's."""
ROUNDS = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("at-rest")
    with installation(root, simulated=True) as made, made.time_passes(4.0):
        yield made


class Sender:
    """Sends canaries, each unlike every other, and counts them."""

    def __init__(self, place: Installation, client: httpx.Client, tenant: Tenant) -> None:
        self.place, self.client, self.tenant = place, client, tenant
        self.said: list[str] = []

    def canary(self, words: str = "") -> str:
        """A new prompt."""
        self.said.append(f"{CANARY}-{len(self.said)} {words}".strip())
        return self.said[-1]

    def post(self, content: bytes, status: int, path: str = CHAT, **headers: str) -> httpx.Response:
        """Send, and see that it ended as it should."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        got = self.client.post(path, content=content, headers=self.tenant.headers | names)
        assert got.status_code == status, (status, got.text)
        return got

    def successes(self) -> None:
        for stream in (False, True):
            prompt = self.canary()
            got = self.post(chat_body(prompt, stream=stream, user=self.canary()), 200)
            assert prompt.split(" ")[0] in got.text
            assert ANSWER_WORD in got.text

    def upstream_failures(self) -> None:
        self.post(chat_body(self.canary("[fail]")), 500)
        self.post(chat_body(self.canary("[silent]")), 502)
        self.post(chat_body(self.canary("[break]")), 502)

    def broken_stream(self) -> None:
        got = self.post(chat_body(self.canary("[break]"), stream=True), 200)
        assert "error" in got.text

    def client_that_leaves(self) -> None:
        body = chat_body(self.canary("[hold]"), stream=True)
        with self.client.stream("POST", CHAT, content=body, headers=self.tenant.headers) as got:
            assert CANARY in next(got.iter_text())
            self.place.model.holding.acquire(timeout=10)
        self.place.model.release()

    def client_that_leaves_in_its_request(self) -> None:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer "
        head += (
            f"{self.tenant.key}\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.place.port)) as plain:
            context = self.place.ssl_context()
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(head.encode() + chat_body(self.canary()))

    def invalid_requests(self) -> None:
        self.post(b'{"messages": "' + self.canary().encode(), 400)
        self.post(b'{"model": "echo", "messages": "' + self.canary().encode() + b'"}', 400)
        body = chat_body(self.canary()).replace(b'"echo"', f'"{self.canary()}"'.encode())
        self.post(body, 404)
        self.post(chat_body(self.canary()), 404, path=f"/v1/{self.canary()}")
        self.post(chat_body(self.canary(), max_tokens=self.canary()), 400)

    def unknown_keys(self) -> None:
        for key in (f"sk-bailee-0123456789abcdef-{self.canary():A<43}", self.canary()):
            self.post(chat_body(self.canary()), 401, authorization=f"Bearer {key}")

    def strange_headers(self) -> None:
        self.post(chat_body(self.canary()), 200, x_request_id=self.canary(), user_agent=CANARY)


def everything(place: Installation) -> Iterator[tuple[str, bytes]]:
    """All that the installation's processes have left or hold open."""
    yield from files_below(place.root)
    with contextlib.suppress(PermissionError):
        yield from files_below(Path("/dev/shm"))  # noqa: S108 - read, whoever wrote it
    if place.process is not None:
        yield from processes([place.process.pid, *place.pids().values()])


def test_no_plaintext_is_at_rest_anywhere(place: Installation) -> None:
    tenant = place.tenant("at rest")
    with place.client() as client:
        sender = Sender(place, client, tenant)
        for _ in range(ROUNDS):
            sender.successes()
            sender.upstream_failures()
            sender.broken_stream()
            sender.client_that_leaves()
            sender.client_that_leaves_in_its_request()
            sender.invalid_requests()
            sender.unknown_keys()
            sender.strange_headers()
        assert len(sender.said) == ROUNDS * 24
        assert search(everything(place), WORDS) == []
        # Once more when all of it has become segments, and when everybody has gone.
        place.advance(HOUR_MS)
        segments = place.places.objects / "segments"
        until(lambda: list(segments.rglob("*")) and not journals(place), "segments are packed")
        assert search(everything(place), WORDS) == []
    place.stop()
    assert search(everything(place), WORDS) == []
    assert not list(place.root.rglob("core*"))


def journals(place: Installation) -> list[Path]:
    """Journals that lie on this machine."""
    return [path for path in (place.data / "journals").rglob("*") if path.is_file()]


def test_the_scan_finds_what_is_there(tmp_path: Path) -> None:
    word = CANARY.encode()
    hidden = {
        "raw": b"x" + word,
        "packed": b"head" + zstandard.compress(b"{" + word + b"}"),
        "zipped": gzip.compress(word),
        "encoded": base64.b64encode(b"{" + word + b"}"),
        "hex": word.hex().encode(),
        "other": b"nothing here",
    }
    for name, data in hidden.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / CANARY).touch()
    found = {Path(left.place).name for left in search(files_below(tmp_path), [word])}
    assert found == {*hidden, CANARY} - {"other"}

"""Measuring a batch beside the same calls one after another.

A whole installation over TLS, as `bailee serve` starts it, with a mock upstream that answers at
once: what is compared is what each road costs, without a model's own time. The batch counts from
its creation to its files, polling and validation included.
"""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, Final

from bailee.cli.ports import free_port
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import Unavailable

Tell = Callable[[str], None]

CHAT: Final = "/v1/chat/completions"
_READY: Final = "Ctrl-C stops;"
_BOUNDARY: Final = "bailee-bench-boundary"
_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_POLL_S: Final = 0.1
_TIMEOUT_S: Final = 60.0


def measure_batch(lines: int, calls: int, concurrency: int, tell: Tell) -> dict[str, Any]:
    """All figures of `bailee bench batch`."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bailee-bench-")))
        port, upstream_port = free_port(), free_port()
        upstream = [sys.executable, "-m", "bailee", "bench", "upstream", "--port"]
        stack.enter_context(_child([*upstream, str(upstream_port)], "ready"))
        tell("starting an installation")
        config = folder / "bailee.toml"
        config.write_text(_settings(port, upstream_port, concurrency))
        serve = [sys.executable, "-m", "bailee", "serve"]
        arguments = ["--config", str(config), "--data", str(folder / "data")]
        stack.enter_context(_child([*serve, *arguments], _READY))
        client = _Client(folder / "data", port)
        tell(f"{calls} calls one after another")
        client.post(CHAT, _body(0))
        sequential_s = client.timed(lambda: [client.post(CHAT, _body(n)) for n in range(calls)])
        tell(f"a batch of {lines} lines")
        began_s = client.clock.monotonic_s()
        batch = client.batch(lines)
        batch_s = client.clock.monotonic_s() - began_s
    counts = batch["request_counts"]
    one_by_one, together = calls / sequential_s, lines / batch_s
    return {
        "lines": lines,
        "calls": calls,
        "concurrency": concurrency,
        "status": batch["status"],
        "completed": counts["completed"],
        "delivered": batch["delivered"],
        "batch_s": round(batch_s, 2),
        "batch_lines_per_s": round(together, 1),
        "sequential_calls_per_s": round(one_by_one, 1),
        "ratio": round(together / one_by_one, 2),
    }


class _Client:
    """One kept connection with the demo project's key."""

    def __init__(self, data: Path, port: int) -> None:
        context = ssl.create_default_context(cafile=str(data / "tls" / "bundle.pem"))
        self.clock = SystemClock()
        self._key = (data / "secrets" / "demo-api-key").read_text().strip()
        self._connection = HTTPSConnection("127.0.0.1", port, timeout=_TIMEOUT_S, context=context)

    def post(self, path: str, body: bytes, media: str = "application/json") -> bytes:
        """Send, and read the whole answer."""
        return self._ask("POST", path, body, media)

    def timed(self, act: Callable[[], object]) -> float:
        """How many seconds `act` takes."""
        began_s = self.clock.monotonic_s()
        act()
        return self.clock.monotonic_s() - began_s

    def batch(self, lines: int) -> dict[str, Any]:
        """A batch at its end, with how many lines its output has."""
        content = b"".join(
            json.dumps(
                {
                    "custom_id": str(number),
                    "method": "POST",
                    "url": CHAT,
                    "body": json.loads(_body(number)),
                }
            ).encode()
            + b"\n"
            for number in range(lines)
        )
        media = f"multipart/form-data; boundary={_BOUNDARY}"
        file = json.loads(self.post("/v1/files", _form(content), media))
        asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        batch: dict[str, Any] = json.loads(self.post("/v1/batches", json.dumps(asked).encode()))
        while batch["status"] not in _OVER:
            self._pause()
            batch = json.loads(self._ask("GET", f"/v1/batches/{batch['id']}"))
        told = b""
        if batch["output_file_id"] is not None:
            told = self._ask("GET", f"/v1/files/{batch['output_file_id']}/content")
        delivered = {json.loads(one)["custom_id"] for one in told.splitlines()}
        return batch | {"delivered": len(delivered)}

    def _pause(self) -> None:
        asyncio.run(self.clock.sleep_s(_POLL_S))

    def _ask(
        self, method: str, path: str, body: bytes | None = None, media: str = "application/json"
    ) -> bytes:
        headers = {"authorization": f"Bearer {self._key}", "content-type": media}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Unavailable(f"{method} {path} was answered with status {answer.status}")
        return content


def _body(number: int) -> bytes:
    message = {"role": "user", "content": f"Question {number} of a measurement. " * 20}
    return json.dumps({"model": "mock", "messages": [message]}).encode()


def _form(content: bytes) -> bytes:
    head = "\r\n".join(
        (
            f"--{_BOUNDARY}",
            'content-disposition: form-data; name="purpose"',
            "",
            "batch",
            f"--{_BOUNDARY}",
            'content-disposition: form-data; name="file"; filename="lines.jsonl"',
            "",
            "",
        )
    )
    return head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _settings(port: int, upstream_port: int, concurrency: int) -> str:
    return f"""
[server]
port = {port}
[batches]
concurrency = {concurrency}
[limits]
key_requests_per_minute = 0
key_tokens_per_minute = 0
project_requests_per_minute = 0
project_tokens_per_minute = 0
[model]
enabled = false
[embeddings]
enabled = false
[moderation]
enabled = false
[[backends]]
name = "mock"
base_url = "http://127.0.0.1:{upstream_port}/v1"
models = {{ mock = "mock" }}
concurrency = 512
terms = {{ region = "us", retention_days = 0, trains = false, zero_retention = true }}
"""


@contextlib.contextmanager
def _child(command: list[str], ready: str) -> Iterator[None]:
    """A process until the end of the block; begins when it has printed `ready`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if not any(ready in line for line in iter(process.stdout or ())):
            raise Unavailable("a process of the measurement did not start")
        yield
    finally:
        process.terminate()
        process.communicate()

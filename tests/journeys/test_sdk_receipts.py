"""What an owner keeps of a real exchange: the record, opened, and a receipt that proves it.

The exchanges are the official SDK's with the embedded model, one whole and one streamed. The
receipt is checked by the single-file verifier and by `bailee verify`, each in a process of its own.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from openai import OpenAI
from tests.fixtures.clients import (
    REAL,
    ask_command,
    await_model,
    in_client_environment,
    run_command,
    trust,
)
from tests.fixtures.installation import Installation, Tenant, installation
from tests.fixtures.model import model_file
from tests.fixtures.waiting import until

pytestmark = pytest.mark.journey

VERIFIER: Final = Path(__file__).resolve().parents[2] / "verifier" / "bailee_verify.py"
NOWHERE: Final = "rec_" + "0" * 32


class Exchange(NamedTuple):
    """What went over the wire, and the answer's headers."""

    record: str
    key: str
    request: bytes
    answer: bytes


class Kept(NamedTuple):
    """The files of one exchange, as its owner saved them."""

    receipt: Path
    request: Path
    answer: Path
    key: str

    @property
    def options(self) -> list[str]:
        """For either verifier."""
        files = ["--request", str(self.request), "--answer", str(self.answer)]
        return [str(self.receipt), "--receipt-key", self.key, *files]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("receipts")
    with installation(root, model_file=model_file()) as made:
        await_model(made)
        yield made


@pytest.fixture(scope="module", params=["whole", "streamed"])
def exchange(place: Installation, request: pytest.FixtureRequest) -> Exchange:
    asked: Any = {
        "model": REAL,
        "messages": [{"role": "user", "content": "Say hi, 안녕하세요"}],
        "max_tokens": 4,
        "stream": request.param == "streamed",
    }
    with (
        in_client_environment(place),
        OpenAI(max_retries=0) as client,
        client.chat.completions.with_streaming_response.create(**asked) as response,
    ):
        answer = b"".join(response.iter_bytes())
        headers = response.headers
        sent = response.http_request.content
    assert answer.endswith(b"data: [DONE]\n\n") is (request.param == "streamed")
    return Exchange(headers["bailee-record"], headers["bailee-receipt-key"], sent, answer)


@pytest.fixture(scope="module")
def client(place: Installation) -> Iterator[httpx.Client]:
    with place.client() as made:
        yield made


@pytest.fixture(scope="module")
def stranger(place: Installation) -> Tenant:
    return place.tenant("Somebody else")


@pytest.fixture(scope="module")
def kept(
    place: Installation,
    exchange: Exchange,
    client: httpx.Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kept:
    def look() -> bytes | None:
        got = receipt_of(client, place.demo, exchange.record)
        assert got.status_code in (200, 404, 503), got.text
        return got.content if got.status_code == 200 else None

    folder = tmp_path_factory.mktemp("kept")
    made = Kept(folder / "receipt", folder / "request", folder / "answer", exchange.key)
    made.receipt.write_bytes(until(look, "the receipt"))
    made.request.write_bytes(exchange.request)
    made.answer.write_bytes(exchange.answer)
    return made


def receipt_of(client: httpx.Client, tenant: Tenant, record: str) -> httpx.Response:
    return client.get(f"/bailee/v1/receipts/{record}", headers=tenant.headers)


def verify_alone(place: Installation, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the single-file verifier with the public keys."""
    log_key, keeper_key = trust(place)
    keys = ["--log-key", log_key, "--keeper-key", keeper_key]
    return subprocess.run(
        [sys.executable, "-I", VERIFIER, *options, *keys],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def flipped(file: Path, folder: Path) -> Path:
    """A copy with one bit of the middle byte changed."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    copy = folder / file.name
    copy.write_bytes(data)
    return copy


def test_a_record_opens_byte_for_byte(
    place: Installation, exchange: Exchange, client: httpx.Client
) -> None:
    def look() -> dict[str, Any] | None:
        # A long answer lies in several journals, and each is there from its close.
        opened = place.opened(client, place.demo, exchange.record)
        return opened if opened["complete"] else None

    opened = until(look, "the whole record")
    assert opened["request"].encode() == exchange.request
    assert opened["answer"].encode() == exchange.answer
    assert (opened["status"], opened["complete"], opened["broken"]) == (200, True, False)
    assert opened["endpoint"] == "/v1/chat/completions"


def test_a_receipt_is_about_exactly_this_exchange(place: Installation, kept: Kept) -> None:
    assert kept.receipt.stat().st_size <= 4096
    alone = verify_alone(place, *kept.options)
    assert (alone.returncode, alone.stdout.split("\n")[0]) == (0, "VERIFIED"), alone.stderr
    (said,) = ask_command(place, "verify", *kept.options)
    assert said["verified"]
    assert any("exactly this request and answer" in line for line in said["says"])


def test_one_flipped_bit_fails(place: Installation, kept: Kept, tmp_path: Path) -> None:
    forged = {
        "receipt": kept._replace(receipt=flipped(kept.receipt, tmp_path)),
        "request": kept._replace(request=flipped(kept.request, tmp_path)),
        "answer": kept._replace(answer=flipped(kept.answer, tmp_path)),
        "key": kept._replace(key=kept.key[:-1] + ("0" if kept.key[-1] != "0" else "1")),
    }
    for what, options in forged.items():
        alone = verify_alone(place, *options.options)
        assert (alone.returncode, alone.stdout) == (1, ""), what
        assert alone.stderr.startswith("NOT VERIFIED"), what
    run_command(place, "verify", *forged["answer"].options, *place.arguments, status=1)


def test_a_receipt_shows_no_content_and_no_key(exchange: Exchange, kept: Kept) -> None:
    document = kept.receipt.read_bytes()
    assert exchange.key.encode() not in document
    assert "안녕하세요".encode() not in document


def test_another_projects_record_is_as_if_it_never_was(
    place: Installation, exchange: Exchange, kept: Kept, client: httpx.Client, stranger: Tenant
) -> None:
    assert kept.receipt.exists(), "the record is there for its owner"
    theirs = place.read(client, stranger, exchange.record)
    nothing = place.read(client, stranger, NOWHERE)
    assert (theirs.status_code, theirs.json()) == (404, nothing.json())
    receipt = receipt_of(client, stranger, exchange.record)
    none = receipt_of(client, stranger, NOWHERE)
    assert (receipt.status_code, receipt.json()) == (404, none.json())


def test_owner_reads_need_a_key(
    exchange: Exchange, client: httpx.Client, place: Installation
) -> None:
    for what in ("records", "receipts"):
        path = f"/bailee/v1/{what}/{exchange.record}"
        assert client.get(path).status_code == 401
        wrong = {"authorization": f"Bearer {place.demo.key[:-1]}x"}
        assert client.get(path, headers=wrong).json()["error"]["code"] == "invalid_api_key"


def test_inspecting_says_what_is_held_and_never_content(
    place: Installation, exchange: Exchange, kept: Kept
) -> None:
    assert kept.receipt.exists(), "the journal is closed"
    held = ask_command(place, "inspect", "record", exchange.record)
    assert held["record"] == exchange.record
    assert held["complete"]
    assert [row["purpose"] for row in held["held_for"]] == ["abuse_monitoring"]
    assert "C05" in held["held_for"][0]["clauses"]
    assert "안녕" not in str(held)

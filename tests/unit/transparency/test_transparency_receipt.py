"""Receipts: what they say, for whom, how large they get, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import JournalId, Region
from bailee.kernel.instants import Epoch, Instant
from bailee.transparency import entry, receipt
from bailee.transparency.checkpoint import sign_checkpoint
from bailee.transparency.entry import WorkerCertificate
from bailee.transparency.note import Signer, VerifierKey
from bailee.transparency.proof import LogProof

ROOT = Path(__file__).parents[3]
VECTORS: dict[str, str] = json.loads((ROOT / "tests/vectors/receipt.json").read_text())
LOG_KEY = VerifierKey.parse(VECTORS["log_key"])
KEEPER_KEY = bytes.fromhex(VECTORS["keeper_key"])
RECEIPT_KEY = bytes.fromhex(VECTORS["receipt_key"])
REQUEST, ANSWER = VECTORS["request"].encode(), VECTORS["answer"].encode()


def test_vectors_are_what_the_generator_writes(tmp_path: Path) -> None:
    script = ROOT / "tools/make_vectors_transparency.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    for name in ("tree", "checkpoint", "leaf", "receipt"):
        made = (tmp_path / f"{name}.json").read_text()
        assert made == (ROOT / f"tests/vectors/{name}.json").read_text()


def test_a_response_receipt_says_what_was_recorded() -> None:
    facts = receipt.verify_response(VECTORS["response"].encode(), LOG_KEY, KEEPER_KEY)
    assert str(facts.record) == json.loads(VECTORS["response"])["record"]
    assert (facts.region, facts.status, facts.broken) == ("us", 200, False)
    assert (facts.log_index, facts.log_size) == (33, 70)


def test_a_response_receipt_is_about_one_exchange() -> None:
    facts = receipt.verify_response(VECTORS["response"].encode(), LOG_KEY, KEEPER_KEY)
    assert facts.is_about(RECEIPT_KEY, REQUEST, ANSWER)
    assert not facts.is_about(RECEIPT_KEY, ANSWER, REQUEST)
    assert not facts.is_about(RECEIPT_KEY, REQUEST, ANSWER + b" ")
    assert not facts.is_about(bytes(32), REQUEST, ANSWER)


def test_a_destruction_receipt_states_times_and_lateness() -> None:
    facts = receipt.verify_destruction(VECTORS["destruction"].encode(), LOG_KEY, KEEPER_KEY)
    assert facts.subject == "epoch/us/abuse_monitoring/994000"
    assert facts.unusable_at - facts.deadline == facts.lateness_ms == 250
    assert facts.irrecoverable_at is None


def test_the_kinds_are_not_confused_nor_the_keys() -> None:
    response, destruction = VECTORS["response"].encode(), VECTORS["destruction"].encode()
    with pytest.raises(InvalidInput):
        receipt.verify_response(destruction, LOG_KEY, KEEPER_KEY)
    with pytest.raises(InvalidInput):
        receipt.verify_destruction(response, LOG_KEY, KEEPER_KEY)
    for verify, document in (
        (receipt.verify_response, response),
        (receipt.verify_destruction, destruction),
    ):
        with pytest.raises(InvalidInput):
            verify(document, LOG_KEY, LOG_KEY.public_key)
        with pytest.raises(InvalidInput):
            verify(document, LOG_KEY._replace(public_key=KEEPER_KEY), KEEPER_KEY)


@pytest.mark.parametrize("kind", ["response", "destruction"])
def test_refuses_a_missing_an_additional_and_a_wrong_field(kind: str) -> None:
    whole: dict[str, Any] = json.loads(VECTORS[kind])
    verify = receipt.verify_response if kind == "response" else receipt.verify_destruction
    for name, value in whole.items():
        wrong: list[Any] = [{"x": 1}, None, 2**60, True, "", value if value is None else [value]]
        changes = [{**whole, name: other} for other in wrong]
        changes.append({key: kept for key, kept in whole.items() if key != name})
        changes.append({**whole, f"{name}_too": value})
        if isinstance(value, dict):
            for inner in value:
                changes.append({**whole, name: {**value, inner: {}}})
                changes.append({**whole, name: {**value, inner: 2**60}})
                changes.append({**whole, name: {**value, f"{inner}_too": 1}})
        for changed in changes:
            with pytest.raises(InvalidInput):
                verify(json.dumps(changed).encode(), LOG_KEY, KEEPER_KEY)


def test_fits_4_kib_for_a_large_log_and_a_large_journal() -> None:
    """A journal of 250,000 parts in a log of 16 million entries."""
    signer = Signer("log.customer-facing-name.example.com/bailee", bytes(32))
    region = Region("r" * 32)
    certificate = WorkerCertificate(
        "gateway-7f9c.example.com/worker-12",
        region,
        bytes(32),
        Instant(1_790_000_000_000),
        Instant(1_790_604_800_000),
        b"s" * 64,
    )
    leaf = entry.journal_closed(
        Instant(1_790_000_000_000),
        region,
        Epoch(994_000),
        JournalId(2**64 - 1),
        parts=250_000,
        root=b"r" * 32,
        certificate_digest=certificate.digest,
        recovered=False,
    )
    checkpoint = sign_checkpoint(2**24, b"r" * 32, signer)
    document = receipt.response_receipt(
        header=bytes([1]) + b"\xff" * 169,
        ciphertext_hash=b"c" * 32,
        index=249_999,
        path=[b"p" * 32] * 18,
        root_signature=b"s" * 64,
        certificate=certificate,
        entry=leaf,
        proof=LogProof(2**24 - 1, (b"p" * 32,) * 24, checkpoint),
    )
    assert len(document) <= receipt.MAX_RECEIPT_BYTES

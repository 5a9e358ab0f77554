"""The journal and segment vectors hold, and by other means than made them."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bailee.custody.journal.reader import require_closed, scan
from bailee.custody.keeper.signatures import verify_certificate
from bailee.custody.segment.layout import SCHEMA
from bailee.drivers.memory import MemoryFiles

FOLDER = Path(__file__).parent


@pytest.fixture
def journal() -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((FOLDER / "journal.json").read_text())
    return vectors


@pytest.fixture
def segment() -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((FOLDER / "segment.json").read_text())
    return vectors


def test_the_generator_makes_these_files(tmp_path: Path) -> None:
    generator = FOLDER.parents[1] / "tools" / "make_vectors_journal.py"
    subprocess.run([sys.executable, str(generator), str(tmp_path)], check=True)
    for name in ("journal.json", "segment.json"):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text()


def test_frames_are_length_checksum_type_and_content(journal: dict[str, Any]) -> None:
    for frame in journal["frames"]:
        body = bytes((frame["type"],)) + bytes.fromhex(frame["content"])
        prefix = struct.pack(">II", len(body), google_crc32c.value(body))
        assert bytes.fromhex(frame["frame"]) == prefix + body


def test_the_reader_accepts_the_journal(journal: dict[str, Any]) -> None:
    files = MemoryFiles()
    data = b"".join(bytes.fromhex(frame["frame"]) for frame in journal["frames"])
    assert hashlib.sha256(data).hexdigest() == journal["sha256"]
    files.write(journal["path"], data)
    found = require_closed(scan(files, journal["path"]), bytes.fromhex(journal["root"]))
    assert [leaf.hex() for leaf in found.leaves()] == journal["leaves"]
    verify_certificate(bytes.fromhex(journal["keeper_identity"]), found.header.certificate)


def test_the_root_follows_from_rfc_6962_and_the_signature_from_rfc_8032(
    journal: dict[str, Any],
) -> None:
    left, right = (bytes.fromhex(leaf) for leaf in journal["leaves"])
    assert hashlib.sha256(b"\x01" + left + right).hexdigest() == journal["root"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(journal["worker_seed"]))
    assert key.sign(bytes.fromhex(journal["root_message"])).hex() == journal["signature"]


def test_the_segments_rows_are_the_journals_frames(
    journal: dict[str, Any], segment: dict[str, Any]
) -> None:
    bodies = {(row["frame"], row["position"]): row["body"] for row in segment["rows"]}
    frames = journal["frames"]
    assert bodies[1, 0] == frames[1]["content"]
    assert bodies[2, 0] == frames[2]["content"]
    assert [bodies[3, 0], bodies[3, 1]] == [frames[3]["content"], frames[5]["content"]]
    leaves = [row["leaf"] for row in segment["rows"] if row["frame"] == 3]
    assert leaves == journal["leaves"]
    assert list(segment["columns"]) == SCHEMA.names


def test_the_segments_key_is_the_hash_of_its_journals(
    journal: dict[str, Any], segment: dict[str, Any]
) -> None:
    first, second = bytes.fromhex(journal["journal"]), bytes.fromhex(segment["second_journal"])
    for key, ids in ((segment["key"], first), (segment["key_of_two"], second + first)):
        name = hashlib.sha256(ids).hexdigest()[:16]
        assert key == f"segments/us/abuse_monitoring/994000/{name}.parquet"

"""Notes and checkpoints against published examples, and what a strict reader refuses."""

import base64
import json
from pathlib import Path

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.transparency.checkpoint import open_checkpoint, parse_checkpoint_text, sign_checkpoint
from bailee.transparency.note import Signer, VerifierKey, open_note, parse_note
from bailee.transparency.proof import LogProof, format_proof, parse_proof

# From the documentation of golang.org/x/mod/sumdb/note.
NEUMANN_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
NEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NEUMANN_NOTE = (
    NEUMANN_TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p"
    "ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
# From C2SP signed-note.
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ON"
    "ncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

SIGNER = Signer("example.com/log", bytes(32))


def test_signs_as_the_published_example() -> None:
    signer = Signer("PeterNeumann", NEUMANN_SEED)
    assert signer.verifier.text == NEUMANN_VKEY
    assert signer.sign(NEUMANN_TEXT) == NEUMANN_NOTE


def test_opens_the_published_examples() -> None:
    assert open_note(NEUMANN_NOTE, VerifierKey.parse(NEUMANN_VKEY)) == NEUMANN_TEXT
    key = VerifierKey.parse(C2SP_VKEY)
    assert key.text == C2SP_VKEY
    assert open_note(C2SP_NOTE, key) == "This is an example message.\n"


def test_ignores_signatures_by_unknown_keys() -> None:
    cosigned = NEUMANN_NOTE + C2SP_NOTE.split(b"\n\n")[1]
    assert len(parse_note(cosigned).signatures) == 2
    assert open_note(cosigned, VerifierKey.parse(NEUMANN_VKEY)) == NEUMANN_TEXT


@pytest.mark.parametrize(
    "note",
    [
        NEUMANN_NOTE.replace(b"answer", b"Answer"),
        C2SP_NOTE,
        NEUMANN_NOTE[:-1],
        NEUMANN_NOTE.replace("— ".encode(), b"- "),
        NEUMANN_NOTE.replace(b"\n\n", b"\n"),
        NEUMANN_NOTE.replace(b"If", b"\tIf"),
        NEUMANN_NOTE.replace(b"If", b"\xff"),
        NEUMANN_NOTE.replace(b"AM=\n", b"AN=\n"),
        NEUMANN_NOTE + b"\n",
        NEUMANN_NOTE + b"x" * 70_000,
        b"",
    ],
)
def test_refuses_what_is_malformed_or_not_signed(note: bytes) -> None:
    with pytest.raises(InvalidInput):
        open_note(note, VerifierKey.parse(NEUMANN_VKEY))


def test_one_wrong_signature_of_the_key_spoils_the_note() -> None:
    other = Signer("PeterNeumann", NEUMANN_SEED).sign("Something else.\n").split(b"\n\n")[1]
    with pytest.raises(InvalidInput):
        open_note(NEUMANN_NOTE + other, VerifierKey.parse(NEUMANN_VKEY))


@pytest.mark.parametrize(
    "vkey",
    [
        NEUMANN_VKEY.replace("c74f20a3", "c74f20a4"),
        NEUMANN_VKEY.replace("Peter", "Petra"),
        NEUMANN_VKEY.replace("+ARpc", "+BRpc"),
        NEUMANN_VKEY[:-1],
        "PeterNeumann",
        "",
    ],
)
def test_refuses_a_damaged_key(vkey: str) -> None:
    with pytest.raises(InvalidInput):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u00a0b"])
def test_refuses_an_unusable_name(name: str) -> None:
    with pytest.raises(InvalidInput):
        Signer(name, bytes(32))


def test_checkpoints_are_the_vectors() -> None:
    vectors = json.loads((Path(__file__).parents[2] / "vectors/checkpoint.json").read_text())
    key = VerifierKey.parse(vectors["vkey"])
    signer = Signer(key.name, bytes.fromhex(vectors["seed"]))
    for item in vectors["checkpoints"]:
        root = bytes.fromhex(item["root"])
        note = item["note"].encode()
        assert sign_checkpoint(item["size"], root, signer) == note
        assert open_checkpoint(note, key) == (key.name, item["size"], root)


def test_reads_the_published_checkpoint() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    found = parse_checkpoint_text(text)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.text == text


@pytest.mark.parametrize("size", ["", "01", "-1", "+1", "1e3", "1 ", "٣", "1" * 20])
def test_refuses_a_malformed_size(size: str) -> None:
    with pytest.raises(InvalidInput):
        parse_checkpoint_text(f"example.com/log\n{size}\n{'A' * 43}=\n")


def test_refuses_a_checkpoint_of_another_origin() -> None:
    note = SIGNER.sign(f"example.com/other\n1\n{'A' * 43}=\n")
    with pytest.raises(InvalidInput, match="another log"):
        open_checkpoint(note, SIGNER.verifier)


def test_a_proof_reads_as_it_was_written() -> None:
    proof = LogProof(7, (b"a" * 32, b"b" * 32), sign_checkpoint(9, bytes(32), SIGNER))
    text = format_proof(*proof)
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 7\n")
    assert parse_proof(text) == proof
    alone = LogProof(0, (), proof.checkpoint)
    assert parse_proof(format_proof(*alone)) == alone


@pytest.mark.parametrize(
    ("old", "new"),
    [("@v1", "@v2"), ("index 7", "index 07"), ("index 7", "extra YQ==\nindex 7"), ("YWFh", "YWF")],
)
def test_refuses_a_malformed_proof(old: str, new: str) -> None:
    text = format_proof(7, [b"a" * 32], sign_checkpoint(9, bytes(32), SIGNER))
    assert old in text
    with pytest.raises(InvalidInput):
        parse_proof(text.replace(old, new, 1))

"""Writes tests/vectors/{tree,checkpoint,leaf,receipt}.json.

Every value follows from the constants below, so that another implementation can be checked against
the files and a changed file shows that a format changed. Binary values are hexadecimal, but for
receipts and checkpoints, which are text.

    python tools/make_vectors_transparency.py [folder]
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bailee.custody.seal.part import (
    FLAG_FINAL,
    KIND_ANSWER,
    NO_HASH,
    PartHeader,
    leaf_hash,
    part_hash,
    receipt_commitment,
    record_hash,
)
from bailee.kernel.encoding import fields
from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, RecordId, Region
from bailee.kernel.instants import (
    DAY_MS,
    MINUTE_MS,
    Epoch,
    Instant,
    epoch_deadline,
    epoch_start,
    to_rfc3339,
)
from bailee.transparency import entry, receipt, tree
from bailee.transparency.checkpoint import sign_checkpoint
from bailee.transparency.entry import WorkerCertificate
from bailee.transparency.note import Signer
from bailee.transparency.proof import LogProof

REGION = Region("us")
EPOCH = Epoch(994_000)
NAME = EpochKeyName(REGION, Purpose.ABUSE_MONITORING, EPOCH)
JOURNAL = JournalId(0x0123456789ABCDEF)
AT = Instant(epoch_start(EPOCH) + 5 * MINUTE_MS)
SIGNER = Signer("log.example/bailee", hashlib.sha256(b"log key").digest())
KEEPER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"keeper key").digest())
WORKER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"worker key").digest())
RECEIPT_KEY = hashlib.sha256(b"receipt key").digest()
REQUEST = b'{"model":"m","messages":[{"role":"user","content":"Who was it?"}]}'
ANSWER = b'{"choices":[{"message":{"role":"assistant","content":"Nobody."}}]}'
SUBJECT = "epoch/us/abuse_monitoring/994000"


def digest(label: str) -> bytes:
    """A stand-in for a digest of something."""
    return hashlib.sha256(label.encode()).digest()


def tree_vectors() -> dict[str, Any]:
    """Roots of growing trees, and proofs among them, over leaves that are the index in text."""
    sizes = [0, 1, 2, 3, 7, 8, 64, 70, 255, 256, 257, 1000]
    leaves = [tree.leaf_hash(str(index).encode()) for index in range(max(sizes))]
    inclusion = [(0, 1), (0, 2), (6, 7), (5, 70), (256, 257), (999, 1000)]
    consistency = [(1, 1), (1, 2), (3, 7), (64, 70), (70, 256), (255, 257), (257, 1000)]
    return {
        "leaves": "leaf i is the decimal text of i",
        "roots": {size: tree.root_of(leaves[:size]).hex() for size in sizes},
        "inclusion": [
            {"index": index, "size": size, "path": _hex(index_path(leaves, index, size))}
            for index, size in inclusion
        ],
        "consistency": [
            {
                "old": old,
                "new": new,
                "proof": _hex(tree.consistency_proof(old, new, tree.reader_of(leaves[:new]))),
            }
            for old, new in consistency
        ],
    }


def index_path(leaves: list[bytes], index: int, size: int) -> list[bytes]:
    """The inclusion path of one leaf."""
    return tree.inclusion_proof(index, size, tree.reader_of(leaves[:size]))


def checkpoint_vectors() -> dict[str, Any]:
    """Signed checkpoints."""
    return {
        "seed": hashlib.sha256(b"log key").hexdigest(),
        "vkey": SIGNER.verifier.text,
        "checkpoints": [
            {
                "size": size,
                "root": digest(f"root {size}").hex(),
                "note": sign_checkpoint(size, digest(f"root {size}"), SIGNER).decode(),
            }
            for size in (0, 1, 20852163)
        ],
    }


def certificate() -> WorkerCertificate:
    """The worker's certificate."""
    unsigned = WorkerCertificate(
        "worker-1",
        REGION,
        WORKER.public_key().public_bytes_raw(),
        Instant(AT - DAY_MS),
        Instant(AT + 6 * DAY_MS),
        b"",
    )
    return unsigned._replace(signature=KEEPER.sign(unsigned.message))


def statement() -> bytes:
    """The keeper's statement of an epoch's destruction, 250 ms late."""
    deadline = epoch_deadline(EPOCH)
    return entry.canonical(
        {
            "assumption": "The file system overwrites a slot where it lies.",
            "deadline": to_rfc3339(deadline),
            "generation": 41,
            "irrecoverable_at": None,
            "lateness_ms": 250,
            "subject": SUBJECT,
            "unusable_at": to_rfc3339(Instant(deadline + 250)),
            "version": 1,
        }
    )


def leaves(root: bytes) -> dict[str, bytes]:
    """One leaf of each type."""
    region, purpose = NAME.region, NAME.purpose
    return {
        "epoch_opened": entry.epoch_opened(AT, NAME, digest("public keys")),
        "journal_closed": entry.journal_closed(
            AT,
            region,
            EPOCH,
            JOURNAL,
            parts=5,
            root=root,
            certificate_digest=certificate().digest,
            recovered=False,
        ),
        "segment_closed": entry.segment_closed(
            AT,
            region,
            purpose,
            EPOCH,
            digest=digest("segment"),
            rows=12,
            size_bytes=3456,
            journals=2,
        ),
        "destruction_intended": entry.destruction_intended(
            AT, SUBJECT, content_digest=digest("content")
        ),
        "destroyed": entry.destroyed(
            Instant(epoch_deadline(EPOCH) + 300),
            SUBJECT,
            statement_digest=hashlib.sha256(statement()).digest(),
            unusable_at=to_rfc3339(Instant(epoch_deadline(EPOCH) + 250)),
            irrecoverable_at=None,
            lateness_ms=250,
            content_digest=digest("content"),
        ),
        "segments_removed": entry.segments_removed(AT, SUBJECT, objects=3),
        "census": entry.census(
            AT,
            region,
            purpose,
            live=1440,
            oldest=Epoch(EPOCH - 1439),
            newest=EPOCH,
            earliest_deadline=epoch_deadline(Epoch(EPOCH - 1439)),
            overdue=0,
            held=0,
        ),
        "key_root_rolled": entry.key_root_rolled(AT, 42),
        "policy_published": entry.policy_published(
            AT, "2026-11-01", digest=digest("policy"), effective=Instant(AT + DAY_MS)
        ),
        **agreed_leaves(),
    }


def agreed_leaves() -> dict[str, bytes]:
    """The types that tell of what an organisation agreed to."""
    return {
        "consent_given": entry.consent_given(
            AT,
            digest("reference"),
            scope="project",
            kind="sharing",
            text="sharing-2026-11-26",
            text_digest=digest("text"),
        ),
        "consent_withdrawn": entry.consent_withdrawn(
            AT, digest("reference"), scope="organisation", kind="sharing"
        ),
        "agreement_executed": entry.agreement_executed(
            AT,
            digest("reference"),
            kind="data_processing_addendum",
            text="2026-11-26",
            document_digest=digest("document"),
        ),
        "zero_retention_approved": entry.zero_retention_approved(
            AT,
            digest("reference"),
            scope="organisation",
            mode="zero_data_retention",
            since=AT,
            review_at=Instant(AT + 365 * DAY_MS),
        ),
        "zero_retention_revoked": entry.zero_retention_revoked(
            AT, digest("reference"), scope="organisation", mode="zero_data_retention"
        ),
    }


def journal() -> tuple[bytes, bytes, list[bytes], bytes]:
    """A record's final header, its ciphertext's hash, the journal's leaves and root."""
    header = PartHeader(
        kind=KIND_ANSWER,
        flags=FLAG_FINAL,
        endpoint=1,
        status=200,
        part=1,
        record=RecordId(EPOCH, JOURNAL, 1),
        sealed_at=AT,
        tenant_pseudonym=digest("tenant")[:16],
        project_pseudonym=digest("project")[:16],
        generation=0,
        previous=record_hash(NO_HASH, digest("prompt part")),
        receipt_commitment=receipt_commitment(
            RECEIPT_KEY, hashlib.sha256(REQUEST).digest(), hashlib.sha256(ANSWER).digest()
        ),
        key_commitment=digest("key commitment"),
        content_bytes=len(ANSWER),
    ).encode()
    ciphertext = digest("ciphertext")
    part = part_hash(hashlib.sha256(header).digest(), ciphertext)
    mine = leaf_hash(header[102:134], record_hash(header[70:102], part))
    others = [leaf_hash(NO_HASH, digest(f"part {number}")) for number in range(4)]
    parts = [*others[:3], mine, others[3]]
    return header, ciphertext, parts, tree.root_of(parts)


def receipt_vectors() -> dict[str, Any]:
    """One receipt of each kind, with what their verification needs."""
    header, ciphertext, parts, root = journal()
    logged = leaves(root)
    log = [f"entry {index}".encode() for index in range(70)]
    log[33], log[64] = logged["journal_closed"], logged["destroyed"]
    hashes = [tree.leaf_hash(leaf) for leaf in log]
    checkpoint = sign_checkpoint(len(log), tree.root_of(hashes), SIGNER)
    message = fields(
        "bailee/1/journal-root",
        REGION.encode(),
        EPOCH.to_bytes(4, "big"),
        JOURNAL.to_bytes(8, "big"),
        len(parts).to_bytes(4, "big"),
        root,
    )
    response = receipt.response_receipt(
        header=header,
        ciphertext_hash=ciphertext,
        index=3,
        path=index_path(parts, 3, 5),
        root_signature=WORKER.sign(message),
        certificate=certificate(),
        entry=log[33],
        proof=LogProof(33, tuple(index_path(hashes, 33, 70)), checkpoint),
    )
    destruction = receipt.destruction_receipt(
        entry=log[64],
        statement=statement(),
        signature=KEEPER.sign(fields("bailee/1/destroyed", statement())),
        proof=LogProof(64, tuple(index_path(hashes, 64, 70)), checkpoint),
    )
    return {
        "log_key": SIGNER.verifier.text,
        "keeper_key": KEEPER.public_key().public_bytes_raw().hex(),
        "receipt_key": RECEIPT_KEY.hex(),
        "request": REQUEST.decode(),
        "answer": ANSWER.decode(),
        "response": response.decode(),
        "destruction": destruction.decode(),
    }


def vectors() -> dict[str, dict[str, Any]]:
    """Every file's content by its name."""
    return {
        "tree": tree_vectors(),
        "checkpoint": checkpoint_vectors(),
        "leaf": {kind: leaf.decode() for kind, leaf in leaves(journal()[3]).items()},
        "receipt": receipt_vectors(),
    }


def text(content: dict[str, Any]) -> str:
    """A vector file's text."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _hex(hashes: list[bytes]) -> list[str]:
    return [item.hex() for item in hashes]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/vectors")
    for name, content in vectors().items():
        (folder / f"{name}.json").write_text(text(content))
        print(folder / f"{name}.json")


if __name__ == "__main__":
    main()

"""Receipts: that an exchange, or a destruction, is in the log. Built and verified, pure.

A receipt is JSON of at most 4 KiB that needs nothing but two public keys to be verified. Format,
and what a receipt proves and does not prove: docs/formats/receipt.md. The same steps in the same
order, with nothing of Bailee imported, are in verifier/bailee_verify.py. Deliberately does not
fetch the parts of a receipt: that is `lifecycle`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bailee.kernel.encoding import fields
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import RecordId, Region
from bailee.kernel.instants import Epoch, Instant, epoch_deadline, from_rfc3339, to_rfc3339
from bailee.transparency.base64 import from_base64, to_base64
from bailee.transparency.checkpoint import open_checkpoint
from bailee.transparency.entry import WorkerCertificate, canonical, parse
from bailee.transparency.note import VerifierKey
from bailee.transparency.proof import LogProof, format_proof, parse_proof
from bailee.transparency.tree import HASH_BYTES, leaf_hash, verify_inclusion

MAX_RECEIPT_BYTES: Final = 4096
VERSION: Final = 1
RESPONSE: Final = "bailee-response-receipt"
DESTRUCTION: Final = "bailee-destruction-receipt"
UNWITNESSED: Final = "unwitnessed"

RESPONSE_PROVES: Final = (
    "A worker certified by the keeper recorded this exchange, and the log holds the root that it "
    "is under; with the receipt key, request and answer: it is exactly your exchange."
)
RESPONSE_DOES_NOT_PROVE: Final = (
    "That no other copy exists, that the content has been destroyed, or that others were shown the "
    "same log: it is unwitnessed."
)
DESTRUCTION_PROVES: Final = (
    "The keeper stated, and the log holds, that the secret was destroyed at the stated time under "
    "the stated assumption."
)
DESTRUCTION_DOES_NOT_PROVE: Final = (
    "That nobody copied plaintext while it was lawful to see it, or keyring and root together "
    "while the secret was alive, or that others were shown the same log: it is unwitnessed."
)

_HEADER_BYTES: Final = 170
_FLAG_FINAL: Final = 1
_FLAG_BROKEN: Final = 2


class ResponseFacts(NamedTuple):
    """What a verified response receipt says."""

    record: RecordId
    region: Region
    sealed_at: Instant
    """When the last part was sealed, by its worker's clock."""
    status: int
    """HTTP status of the answer."""
    broken: bool
    """The answer did not come to its own end."""
    commitment: bytes
    """C: see `is_about`."""
    log_index: int
    log_size: int

    def is_about(self, receipt_key: bytes, request: bytes, answer: bytes) -> bool:
        """Whether the receipt is about this exchange: bodies as on the wire, r as in the header."""
        exchange = hashlib.sha256(
            receipt_key + hashlib.sha256(request).digest() + hashlib.sha256(answer).digest()
        )
        return exchange.digest() == self.commitment


class DestructionFacts(NamedTuple):
    """What a verified destruction receipt says."""

    subject: str
    deadline: Instant
    unusable_at: Instant
    irrecoverable_at: Instant | None
    assumption: str
    lateness_ms: int
    log_index: int
    log_size: int


# Building.


def response_receipt(
    *,
    header: bytes,
    ciphertext_hash: bytes,
    index: int,
    path: Sequence[bytes],
    root_signature: bytes,
    certificate: WorkerCertificate,
    entry: bytes,
    proof: LogProof,
) -> bytes:
    """A response receipt, canonical JSON.

    Args:
        header: of the record's final part.
        ciphertext_hash: SHA-256 of that part's ciphertext.
        index: number of that part in its journal.
        path: its RFC 6962 path to the journal's root.
        root_signature: the worker's over the journal's root (docs/formats/journal.md).
        certificate: the worker's.
        entry: the journal's `journal_closed` leaf.
        proof: of that leaf in the log.
    """
    return _document(
        RESPONSE,
        entry,
        proof,
        record=str(RecordId.unpack(header[10:26])),
        header=to_base64(header),
        ciphertext=to_base64(ciphertext_hash),
        journal={
            "index": index,
            "path": to_base64(b"".join(path)),
            "signature": to_base64(root_signature),
        },
        certificate={
            "worker": certificate.worker,
            "public_key": to_base64(certificate.public_key),
            "not_before_ms": certificate.not_before,
            "not_after_ms": certificate.not_after,
            "signature": to_base64(certificate.signature),
        },
    )


def destruction_receipt(
    *, entry: bytes, statement: bytes, signature: bytes, proof: LogProof
) -> bytes:
    """A destruction receipt, canonical JSON.

    Args:
        entry: the `destroyed` leaf.
        statement: the keeper's document.
        signature: the keeper's over it.
        proof: of the leaf in the log.
    """
    said = _object(statement, "the statement of destruction")
    return _document(DESTRUCTION, entry, proof, statement=said, signature=to_base64(signature))


def _document(kind: str, entry: bytes, proof: LogProof, **values: object) -> bytes:
    document = canonical(
        {
            "type": kind,
            "version": VERSION,
            "entry": parse(entry),
            "proof": format_proof(*proof),
            "witnesses": UNWITNESSED,
            **values,
        }
    )
    if len(document) > MAX_RECEIPT_BYTES:
        raise InvalidInput(f"a receipt has at most {MAX_RECEIPT_BYTES} bytes; shorten its parts")
    return document


# Verification. The steps are numbered as in docs/formats/receipt.md.


def verify_response(document: bytes, log_key: VerifierKey, keeper_key: bytes) -> ResponseFacts:
    """What the receipt proves. Raises InvalidInput, and then it proves nothing."""
    receipt = _receipt(
        document, RESPONSE, {"record", "header", "ciphertext", "journal", "certificate"}
    )
    journal = _fields(receipt["journal"], {"index", "path", "signature"})
    # 1 and 2: the entry is in the log.
    entry, index, size = _logged(receipt, "journal_closed", log_key)
    # 3: the worker was certified, for this region, when it sealed the part.
    header = _bytes(receipt["header"], _HEADER_BYTES)
    certificate = _certificate(receipt["certificate"], Region(entry["region"]))
    _verify(keeper_key, certificate.signature, certificate.message, "the worker's certificate")
    sealed_at = Instant(int.from_bytes(header[26:34], "big"))
    if to_base64(certificate.digest) != entry["certificate"] or not (
        certificate.not_before <= sealed_at <= certificate.not_after
    ):
        raise InvalidInput("the worker's certificate is not the one that the log holds, or expired")
    # 4: the worker signed the journal's root.
    epoch, root = int(entry["epoch"]), _bytes(entry["root"], HASH_BYTES)
    message = fields(
        "bailee/1/journal-root",
        certificate.region.encode(),
        epoch.to_bytes(4, "big"),
        bytes.fromhex(entry["journal"]),
        int(entry["parts"]).to_bytes(4, "big"),
        root,
    )
    _verify(certificate.public_key, _bytes(journal["signature"], 64), message, "the journal's root")
    # 5: the record's final part is under the root.
    record = RecordId.unpack(header[10:26])
    if header[0] != VERSION or not header[2] & _FLAG_FINAL or record.epoch != epoch:
        raise InvalidInput("the part is not the final one of a record in this journal's epoch")
    if receipt["record"] != str(record):
        raise InvalidInput("the part belongs to another record than the receipt says")
    path = _bytes(journal["path"])
    hashes = [path[at : at + HASH_BYTES] for at in range(0, len(path), HASH_BYTES)]
    leaf = _part_leaf(header, _bytes(receipt["ciphertext"], HASH_BYTES))
    if not verify_inclusion(leaf, _integer(journal["index"]), entry["parts"], hashes, root):
        raise InvalidInput("the part is not under the journal's root")
    return ResponseFacts(
        record,
        certificate.region,
        sealed_at,
        int.from_bytes(header[4:6], "big"),
        bool(header[2] & _FLAG_BROKEN),
        header[102:134],
        index,
        size,
    )


def verify_destruction(
    document: bytes, log_key: VerifierKey, keeper_key: bytes
) -> DestructionFacts:
    """What the receipt proves. Raises InvalidInput, and then it proves nothing."""
    receipt = _receipt(document, DESTRUCTION, {"statement", "signature"})
    # 1 and 2: the entry is in the log.
    entry, index, size = _logged(receipt, "destroyed", log_key)
    # 3: the keeper signed the statement that the entry binds.
    said = receipt["statement"]
    statement = canonical(_fields(said, set(said) if isinstance(said, dict) else set()))
    message = fields("bailee/1/destroyed", statement)
    _verify(keeper_key, _bytes(receipt["signature"], 64), message, "the statement")
    if to_base64(hashlib.sha256(statement).digest()) != entry["statement"]:
        raise InvalidInput("the log holds another statement than the receipt")
    # 4: entry and statement say the same, and the lateness is what it must be.
    repeated = ("subject", "unusable_at", "irrecoverable_at", "lateness_ms")
    if any(said.get(name) != entry[name] for name in repeated):
        raise InvalidInput("the log's entry and the statement disagree")
    deadline = _deadline(entry["subject"], said.get("deadline"))
    unusable_at = from_rfc3339(entry["unusable_at"])
    late = max(0, unusable_at - deadline)
    if said.get("deadline") != to_rfc3339(deadline) or entry["lateness_ms"] != late:
        raise InvalidInput("the statement's deadline or lateness is not what it must be")
    irrecoverable_at = entry["irrecoverable_at"]
    return DestructionFacts(
        entry["subject"],
        deadline,
        unusable_at,
        None if irrecoverable_at is None else from_rfc3339(irrecoverable_at),
        str(said.get("assumption")),
        late,
        index,
        size,
    )


def _deadline(subject: str, stated: object) -> Instant:
    """An epoch's follows from its number; what else is kept had the one that its owner set."""
    kind, _, rest = subject.partition("/")
    if kind == "epoch":
        return epoch_deadline(Epoch(int(rest.rpartition("/")[2])))
    try:
        return from_rfc3339(stated if isinstance(stated, str) else "")
    except ValueError:
        raise InvalidInput("the statement's deadline is no instant") from None


def _receipt(document: bytes, kind: str, names: set[str]) -> dict[str, Any]:
    if len(document) > MAX_RECEIPT_BYTES:
        raise InvalidInput(f"a receipt has at most {MAX_RECEIPT_BYTES} bytes")
    common = {"type", "version", "entry", "proof", "witnesses"}
    receipt = _fields(_object(document, "a receipt"), common | names)
    if receipt["type"] != kind or _integer(receipt["version"]) != VERSION:
        raise InvalidInput(f"this is not a {kind} of version {VERSION}")
    if receipt["witnesses"] != UNWITNESSED:
        raise InvalidInput("the receipt claims witnesses, which version 1 does not have")
    return receipt


def _logged(
    receipt: Mapping[str, Any], kind: str, log_key: VerifierKey
) -> tuple[dict[str, Any], int, int]:
    """Steps 1 and 2: the log signed the checkpoint, and the entry is under its root."""
    if not isinstance(receipt["proof"], str) or not isinstance(receipt["entry"], dict):
        raise InvalidInput("the receipt's proof or entry is malformed")
    proof = parse_proof(receipt["proof"])
    checkpoint = open_checkpoint(proof.checkpoint, log_key)
    leaf = canonical(receipt["entry"])
    entry = parse(leaf)
    if entry["type"] != kind:
        raise InvalidInput(f"the receipt's entry is not of type {kind}")
    if not verify_inclusion(
        leaf_hash(leaf), proof.entry_index, checkpoint.size, proof.path, checkpoint.root
    ):
        raise InvalidInput("the entry is not under the checkpoint")
    return entry, proof.entry_index, checkpoint.size


def _certificate(value: object, region: Region) -> WorkerCertificate:
    given = _fields(value, {"worker", "public_key", "not_before_ms", "not_after_ms", "signature"})
    if not isinstance(given["worker"], str):
        raise InvalidInput("the worker's certificate is malformed")
    return WorkerCertificate(
        given["worker"],
        region,
        _bytes(given["public_key"], 32),
        Instant(_integer(given["not_before_ms"])),
        Instant(_integer(given["not_after_ms"])),
        _bytes(given["signature"], 64),
    )


def _part_leaf(header: bytes, ciphertext_hash: bytes) -> bytes:
    """The part's leaf in its journal (docs/formats/part.md, Hashes)."""
    part = hashlib.sha256(hashlib.sha256(header).digest() + ciphertext_hash).digest()
    record = hashlib.sha256(header[70:102] + part).digest()
    return leaf_hash(header[102:134] + record)


def _verify(key: bytes, signature: bytes, message: bytes, what: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise InvalidInput(f"{what} is not signed by the key that it needs") from None


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInput(f"{what} is JSON; this is not") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is a JSON object; this is not")
    return value


def _fields(value: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise InvalidInput("the receipt does not have exactly the fields of its format")
    return value


def _bytes(value: object, size_bytes: int | None = None) -> bytes:
    if not isinstance(value, str):
        raise InvalidInput("a value of the receipt is not text where base64 must be")
    return from_base64(value, "a value of the receipt", size_bytes)


def _integer(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise InvalidInput("a value of the receipt is not a number where one must be")
    return value

"""That a part may be believed: it lies under a root which a certified worker signed and the log
holds. Nobody can plant a record, and nobody can show the keeper a log of their own.

Pure. Every failure is InvalidInput: the requester proves, the keeper only checks.
"""

import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bailee.custody.journal.root import root_message
from bailee.custody.keeper.signatures import as_logged, verify_certificate
from bailee.custody.seal.part import KIND_PROMPT, PartHeader, leaf_hash, part_hash, record_hash
from bailee.kernel.errors import Conflict, InvalidInput, TamperedContent
from bailee.kernel.instants import Epoch, Instant, epoch_end, epoch_start
from bailee.ports.keeper import OpeningProof, OpenPart
from bailee.transparency import entry, tree
from bailee.transparency.base64 import to_base64
from bailee.transparency.checkpoint import Checkpoint, open_checkpoint
from bailee.transparency.note import VerifierKey


class Accepted(NamedTuple):
    """What the keeper last believed of the log."""

    size: int
    root: bytes


def verify_part(request: OpenPart, header: PartHeader, identity: bytes) -> None:
    """Raise InvalidInput unless the part is under a journal root signed by a certified worker."""
    proof, record = request.proof, header.record
    _verify_certificate(proof, header, identity)
    message = root_message(
        proof.certificate.region, record.epoch, proof.journal, proof.count, proof.root
    )
    try:
        key = Ed25519PublicKey.from_public_bytes(proof.certificate.public_key)
        key.verify(proof.root_signature, message)
    except (InvalidSignature, ValueError):
        raise InvalidInput("the journal's root is not signed by its worker") from None
    if header.kind == KIND_PROMPT and (record.journal, record.frame) != (
        proof.journal,
        proof.frame,
    ):
        raise InvalidInput("the record's identifier names another place than the proof")
    header_hash = hashlib.sha256(request.header).digest()
    chained = record_hash(header.previous, part_hash(header_hash, request.ciphertext_hash))
    leaf = leaf_hash(header.receipt_commitment, chained)
    if not tree.verify_inclusion(leaf, proof.frame, proof.count, proof.path, proof.root):
        raise InvalidInput("the part is not under the journal's root")


def verify_log(
    proof: OpeningProof, epoch: Epoch, log_key: VerifierKey, accepted: Accepted
) -> Checkpoint:
    """The log's checkpoint, once it is proved to hold the journal and to extend what was accepted.

    Raises:
        InvalidInput: something is not proved.
        Conflict: the proof starts from another size than the one accepted last; ask the keeper's
            status again and prove from there.
    """
    _verify_entry(proof, epoch)
    checkpoint = open_checkpoint(proof.checkpoint, log_key)
    if checkpoint.size < accepted.size:
        raise Conflict("the checkpoint is older than the last one accepted; take the newest")
    if checkpoint.size == accepted.size:
        if checkpoint.root != accepted.root:
            raise InvalidInput("the log was forked: one size, two roots; do not use this log")
    elif accepted.size and not tree.verify_consistency(
        accepted.size, accepted.root, checkpoint.size, checkpoint.root, proof.consistency
    ):
        raise Conflict(
            "the checkpoint is not proved to extend the last one accepted; prove it from the size "
            "in the keeper's status, and if that fails too, the log was forked"
        )
    leaf = tree.leaf_hash(proof.log_leaf)
    if not tree.verify_inclusion(
        leaf, proof.log_index, checkpoint.size, proof.log_path, checkpoint.root
    ):
        raise InvalidInput("the journal's entry is not in the log")
    return checkpoint


def _verify_certificate(proof: OpeningProof, header: PartHeader, identity: bytes) -> None:
    certificate = proof.certificate
    try:
        verify_certificate(identity, certificate)
    except TamperedContent as error:
        raise InvalidInput(str(error)) from None
    # A certificate lasts 7 days and content 30: what counts is when the part was sealed.
    begin, end = certificate.not_before, certificate.not_after
    epoch = header.record.epoch
    within = begin <= header.sealed_at <= end
    if not within or epoch_end(epoch) <= begin or epoch_start(epoch) >= Instant(end):
        raise InvalidInput("the worker's certificate was not valid when the part was sealed")


def _verify_entry(proof: OpeningProof, epoch: Epoch) -> None:
    certificate = proof.certificate
    found = entry.parse_entry(proof.log_leaf)
    said = {
        "region": certificate.region,
        "epoch": epoch,
        "journal": f"{proof.journal:016x}",
        "parts": proof.count,
        "root": to_base64(proof.root),
        "certificate": to_base64(as_logged(certificate).digest),
    }
    if found.type != "journal_closed" or any(
        found.fields.get(name) != value for name, value in said.items()
    ):
        raise InvalidInput("the log's entry is not the closing of this journal")

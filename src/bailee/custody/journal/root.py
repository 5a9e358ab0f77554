"""A journal's root: what signs it, and the log entry that tells of it."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bailee.custody.journal.frames import JournalHeader, SignedRoot, decode_certificate
from bailee.kernel.encoding import fields
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import JournalId, Region
from bailee.kernel.instants import Epoch
from bailee.ports.keeper import BootCertificate
from bailee.ports.ledger import JournalRow
from bailee.ports.randomness import Randomness
from bailee.transparency import entry, tree


class BootKey:
    """An Ed25519 key that lives as long as its worker, and signs journal roots."""

    def __init__(self, randomness: Randomness) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(randomness.random_bytes(32))
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, header: JournalHeader, count: int, root: bytes) -> SignedRoot:
        """The signed root of a journal's first `count` parts."""
        message = root_message(header.region, header.epoch, header.journal, count, root)
        return SignedRoot(count, root, self._key.sign(message))


def root_message(
    region: Region, epoch: Epoch, journal: JournalId, count: int, root: bytes
) -> bytes:
    """What a boot key signs (docs/formats/journal.md)."""
    return fields(
        "bailee/1/journal-root",
        region.encode(),
        epoch.to_bytes(4, "big"),
        journal.to_bytes(8, "big"),
        count.to_bytes(4, "big"),
        root,
    )


def verify_root(header: JournalHeader, signed: SignedRoot) -> bool:
    """Whether the key that the header's certificate names signed this root of this journal."""
    message = root_message(header.region, header.epoch, header.journal, signed.parts, signed.root)
    try:
        key = Ed25519PublicKey.from_public_bytes(header.certificate.public_key)
        key.verify(signed.signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def certificate_digest(certificate: BootCertificate) -> bytes:
    """What a journal_closed entry binds of a certificate."""
    return entry.WorkerCertificate(
        certificate.worker,
        certificate.region,
        certificate.public_key,
        certificate.not_before,
        certificate.not_after,
        certificate.signature,
    ).digest


def closing_entry(row: JournalRow, *, recovered: bool) -> bytes:
    """The journal_closed entry of a closed journal's row."""
    if row.closed_at is None:
        raise ValueError("an open journal has no closing entry")
    return entry.journal_closed(
        row.closed_at,
        row.region,
        row.epoch,
        row.journal,
        parts=row.parts,
        root=row.root,
        certificate_digest=certificate_digest(decode_certificate(row.certificate)),
        recovered=recovered,
    )


def logged_entry(row: JournalRow) -> bytes:
    """The journal_closed entry that was logged for `row`, made again from the row alone.

    Raises TamperedContent if the row no longer says what was logged.
    """
    for recovered in (False, True):
        leaf = closing_entry(row, recovered=recovered)
        if tree.leaf_hash(leaf) == row.leaf_hash:
            return leaf
    raise TamperedContent("a journal's row differs from its log entry; inspect the database")

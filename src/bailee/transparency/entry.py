"""Entries of the transparency log: what is said about an act, as canonical JSON.

Promises: one function per entry type in use, each giving the leaf's bytes (RFC 8785, at most
1 KiB), and a strict reader. Format: docs/formats/leaf.md. `at` is always the instant of the act.
Nothing here may name a person, an organisation or a project, nor carry a digest of anything that
could be guessed; there is no field in which a caller could do so.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import rfc8785

from bailee.kernel.encoding import fields
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import EpochKeyName, JournalId, Purpose, Region
from bailee.kernel.instants import Epoch, Instant, epoch_deadline, from_rfc3339, to_rfc3339
from bailee.transparency.base64 import to_base64
from bailee.transparency.entry_fields import FIELDS, Check

MAX_LEAF_BYTES: Final = 1024
VERSION: Final = 1


class Entry(NamedTuple):
    """An entry that was read from its leaf."""

    type: str
    instant: Instant
    """When the act happened."""
    fields: dict[str, Any]
    """Everything in the leaf, `type`, `version` and `instant` included."""


def parse_entry(leaf: bytes) -> Entry:
    """Read a leaf.

    Raises InvalidInput unless it is canonical and exactly of a known type and version.
    """
    document = parse(leaf)
    return Entry(document["type"], from_rfc3339(document["instant"]), document)


def parse(leaf: bytes) -> dict[str, Any]:
    """The fields of a leaf, as in `Entry.fields`. Raises InvalidInput."""
    if len(leaf) > MAX_LEAF_BYTES:
        raise InvalidInput(f"a log entry has at most {MAX_LEAF_BYTES} bytes")
    try:
        document = msgspec.json.decode(leaf)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInput("a log entry is JSON; this is not") from None
    if not isinstance(document, dict) or canonical(document) != leaf:
        raise InvalidInput("a log entry is a canonical JSON object (RFC 8785); this is not")
    _check(document)
    return document


def canonical(document: Mapping[str, Any]) -> bytes:
    """Canonical JSON (RFC 8785). Raises InvalidInput for what has no canonical form."""
    try:
        return rfc8785.dumps(dict(document))
    except rfc8785.CanonicalizationError:
        raise InvalidInput("this value has no canonical JSON") from None


def epoch_opened(
    at: Instant, name: EpochKeyName, public_key_digest: bytes, *, deadline: Instant | None = None
) -> bytes:
    """An epoch's key pair was made.

    The digest is the SHA-256 of ML-KEM key ‖ X25519 key. `deadline` is the epoch's own by default.
    """
    due = epoch_deadline(name.epoch) if deadline is None else deadline
    return _leaf(
        "epoch_opened",
        at,
        region=name.region,
        purpose=name.purpose.value,
        epoch=name.epoch,
        public_key=to_base64(public_key_digest),
        deadline=to_rfc3339(due),
    )


class WorkerCertificate(NamedTuple):
    """The keeper's word that a key signs for a worker; the fields of `ports.keeper.BootCertificate`
    in their order."""

    worker: str
    region: Region
    public_key: bytes
    """Ed25519, 32 bytes."""
    not_before: Instant
    not_after: Instant
    signature: bytes
    """Ed25519 by the keeper over `message`."""

    @property
    def message(self) -> bytes:
        """What the keeper signs (docs/formats/keyring.md)."""
        return fields(
            "bailee/1/boot",
            self.worker.encode(),
            self.region.encode(),
            self.public_key,
            self.not_before.to_bytes(8, "big"),
            self.not_after.to_bytes(8, "big"),
        )

    @property
    def digest(self) -> bytes:
        """What a `journal_closed` entry binds: SHA-256 over message and signature."""
        return certificate_digest(self.message, self.signature)


def certificate_digest(message: bytes, signature: bytes) -> bytes:
    """SHA-256 over a boot certificate's signed message (`WorkerCertificate.message`) and its
    signature."""
    return hashlib.sha256(fields("bailee/1/boot-certificate", message, signature)).digest()


def journal_closed(
    at: Instant,
    region: Region,
    epoch: Epoch,
    journal: JournalId,
    *,
    parts: int,
    root: bytes,
    certificate_digest: bytes,
    recovered: bool,
) -> bytes:
    """A journal was closed under `root`. The digest is `WorkerCertificate.digest`."""
    return _leaf(
        "journal_closed",
        at,
        region=region,
        epoch=epoch,
        journal=f"{journal:016x}",
        parts=parts,
        root=to_base64(root),
        certificate=to_base64(certificate_digest),
        recovered=recovered,
    )


def segment_closed(
    at: Instant,
    region: Region,
    purpose: Purpose,
    epoch: Epoch,
    *,
    digest: bytes,
    rows: int,
    size_bytes: int,
    journals: int,
) -> bytes:
    """`journals` closed journals were packed into one object, whose SHA-256 is `digest`."""
    return _leaf(
        "segment_closed",
        at,
        region=region,
        purpose=purpose.value,
        epoch=epoch,
        digest=to_base64(digest),
        rows=rows,
        size_bytes=size_bytes,
        journals=journals,
    )


def destruction_intended(at: Instant, subject: str, *, content_digest: bytes) -> bytes:
    """The secret of `subject` (`epoch/us/abuse_monitoring/994000`) is about to be destroyed.

    `content_digest` binds what dies with it: SHA-256 over the sorted digests of the epoch's
    segments and the roots of its journals that were not packed.
    """
    return _leaf("destruction_intended", at, subject=subject, content=to_base64(content_digest))


def destroyed(
    at: Instant,
    subject: str,
    *,
    statement_digest: bytes,
    unusable_at: str,
    irrecoverable_at: str | None,
    lateness_ms: int,
    content_digest: bytes,
    held: int = 0,
) -> bytes:
    """The keeper destroyed `subject`, by its signed statement, whose words are repeated here.

    `statement_digest` is the SHA-256 of the statement's document; `held` counts records that
    holds keep under other keys; `content_digest` as in `destruction_intended`.
    """
    return _leaf(
        "destroyed",
        at,
        subject=subject,
        statement=to_base64(statement_digest),
        unusable_at=unusable_at,
        irrecoverable_at=irrecoverable_at,
        lateness_ms=lateness_ms,
        content=to_base64(content_digest),
        held=held,
    )


def segments_removed(at: Instant, subject: str, *, objects: int) -> bytes:
    """The `objects` unreadable objects and files of a destroyed `subject` were deleted."""
    return _leaf("segments_removed", at, subject=subject, objects=objects)


def census(
    at: Instant,
    region: Region,
    purpose: Purpose,
    *,
    live: int,
    oldest: Epoch | None,
    newest: Epoch | None,
    earliest_deadline: Instant | None,
    overdue: int,
    held: int,
) -> bytes:
    """How many epochs of one region and purpose have a live secret, and how many of these are past
    their deadline; `held` counts records that holds keep under other keys."""
    return _leaf(
        "census",
        at,
        region=region,
        purpose=purpose.value,
        live=live,
        oldest=oldest,
        newest=newest,
        earliest_deadline=None if earliest_deadline is None else to_rfc3339(earliest_deadline),
        overdue=overdue,
        held=held,
    )


def key_root_rolled(at: Instant, generation: int) -> bytes:
    """The keyring is under a new root: every older copy of it is unreadable."""
    return _leaf("key_root_rolled", at, generation=generation)


def policy_published(at: Instant, policy: str, *, digest: bytes, effective: Instant) -> bytes:
    """The policy version named `policy` holds from `effective` on; SHA-256 of its data."""
    return _leaf(
        "policy_published",
        at,
        policy=policy,
        digest=to_base64(digest),
        effective=to_rfc3339(effective),
    )


def consent_given(
    at: Instant, reference: bytes, *, scope: str, kind: str, text: str, text_digest: bytes
) -> bytes:
    """An organisation's consent stands from now on.

    `reference` is the organisation's or the project's (`ports.database`), `scope` says which of
    the two; `kind` is what was agreed to (`sharing`, or `opt_out` of the regime before 2023-03-01);
    `text` names the version that was agreed to, whose SHA-256 is `text_digest`.
    """
    return _leaf(
        "consent_given",
        at,
        reference=to_base64(reference),
        scope=scope,
        kind=kind,
        text=text,
        text_digest=to_base64(text_digest),
    )


def consent_withdrawn(at: Instant, reference: bytes, *, scope: str, kind: str) -> bytes:
    """It no longer stands. Fields as in `consent_given`."""
    return _leaf("consent_withdrawn", at, reference=to_base64(reference), scope=scope, kind=kind)


def agreement_executed(
    at: Instant, reference: bytes, *, kind: str, text: str, document_digest: bytes
) -> bytes:
    """Both sides signed an agreement.

    `kind` is as in `data_processing_addendum`, `text` its template's version, and the digest the
    SHA-256 of the signed PDF.
    """
    return _leaf(
        "agreement_executed",
        at,
        reference=to_base64(reference),
        kind=kind,
        text=text,
        document=to_base64(document_digest),
    )


def zero_retention_approved(
    at: Instant, reference: bytes, *, scope: str, mode: str, since: Instant, review_at: Instant
) -> bytes:
    """A person approved a retention mode for an organisation or a project."""
    return _leaf(
        "zero_retention_approved",
        at,
        reference=to_base64(reference),
        scope=scope,
        mode=mode,
        since=to_rfc3339(since),
        review_at=to_rfc3339(review_at),
    )


def zero_retention_revoked(at: Instant, reference: bytes, *, scope: str, mode: str) -> bytes:
    """The approval ended. Fields as in `zero_retention_approved`."""
    return _leaf(
        "zero_retention_revoked", at, reference=to_base64(reference), scope=scope, mode=mode
    )


def _leaf(kind: str, at: Instant, /, **values: object) -> bytes:
    document = {"type": kind, "version": VERSION, "instant": to_rfc3339(at), **values}
    _check(document)
    leaf = canonical(document)
    if len(leaf) > MAX_LEAF_BYTES:
        raise InvalidInput(f"a log entry has at most {MAX_LEAF_BYTES} bytes; say it in several")
    return leaf


def _check(document: Mapping[str, Any]) -> None:
    kind = document.get("type")
    expected: Mapping[str, Check] | None = FIELDS.get(kind) if isinstance(kind, str) else None
    if (
        expected is None
        or type(document.get("version")) is not int
        or (document["version"] != VERSION)
    ):
        raise InvalidInput("a log entry of an unknown type or version; upgrade Bailee to read it")
    if document.keys() != expected.keys():
        raise InvalidInput(f"a {kind} entry does not have exactly the fields of its format")
    for name, check in expected.items():
        if not check(document[name]):
            raise InvalidInput(f"the field {name} of a {kind} entry is malformed", field=name)

"""What the keeper's identity signs, and how others check it. Source: docs/formats/keyring.md.

Whoever receives a key, a certificate or a statement verifies it with the functions here, against
the identity that was pinned when the installation was set up.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace

from bailee.kernel.encoding import fields
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ProjectId, Region, ScopeKeyName
from bailee.kernel.instants import Instant
from bailee.ports.keeper import (
    BootCertificate,
    DestructionStatement,
    EpochPublicKey,
    ObjectPublicKey,
    ScopePublicKey,
    WorkGrant,
)
from bailee.transparency.entry import WorkerCertificate


class Identity:
    """The keeper's Ed25519 key."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def epoch_public_key(
        self, name: EpochKeyName, mlkem_key: bytes, x25519_key: bytes, pseudonym_key: bytes
    ) -> EpochPublicKey:
        """Sign an epoch's public key."""
        signature = self._key.sign(_epoch_message(name, mlkem_key, x25519_key))
        return EpochPublicKey(*name, mlkem_key, x25519_key, pseudonym_key, signature)

    def scope_public_key(self, name: ScopeKeyName, x25519_key: bytes) -> ScopePublicKey:
        """Sign a scope's public key."""
        return ScopePublicKey(*name, x25519_key, self._key.sign(_scope_message(name, x25519_key)))

    def certificate(
        self, worker: str, region: Region, public_key: bytes, begin: Instant, end: Instant
    ) -> BootCertificate:
        """Certify a worker's boot key."""
        unsigned = WorkerCertificate(worker, region, public_key, begin, end, b"")
        return BootCertificate(*unsigned._replace(signature=self._key.sign(unsigned.message)))

    def object_public_key(
        self,
        name: ObjectKeyName,
        generation: int,
        object_keys: tuple[bytes, bytes],
        scope_key: bytes,
    ) -> ObjectPublicKey:
        """Sign an object's public keys."""
        unsigned = ObjectPublicKey(name, generation, *object_keys, scope_key, b"")
        return replace(unsigned, signature=self._key.sign(_object_message(unsigned)))

    def work_grant(
        self, work: str, tenant: bytes, names: list[ObjectKeyName], not_after: Instant
    ) -> WorkGrant:
        """Sign a grant for background work."""
        unsigned = WorkGrant(work, tenant, names, not_after, b"")
        return replace(unsigned, signature=self._key.sign(_grant_message(unsigned)))

    def sign_statement(self, document: bytes) -> bytes:
        """Sign a statement of destruction."""
        return self._key.sign(fields("bailee/1/destroyed", document))


def as_logged(certificate: BootCertificate) -> WorkerCertificate:
    """A boot certificate as the transparency log knows it."""
    return WorkerCertificate(
        certificate.worker,
        certificate.region,
        certificate.public_key,
        certificate.not_before,
        certificate.not_after,
        certificate.signature,
    )


def verify_epoch_public_key(identity: bytes, key: EpochPublicKey) -> None:
    """Raise TamperedContent unless `identity` signed `key`."""
    name = EpochKeyName(key.region, key.purpose, key.epoch)
    _verify(identity, key.signature, _epoch_message(name, key.mlkem_key, key.x25519_key))


def verify_scope_public_key(identity: bytes, key: ScopePublicKey) -> None:
    """Raise TamperedContent unless `identity` signed `key`."""
    name = ScopeKeyName(key.region, key.purpose, ProjectId(key.project), key.generation)
    _verify(identity, key.signature, _scope_message(name, key.x25519_key))


def verify_object_public_key(identity: bytes, key: ObjectPublicKey) -> None:
    """Raise TamperedContent unless `identity` signed `key`."""
    _verify(identity, key.signature, _object_message(key))


def verify_work_grant(identity: bytes, grant: WorkGrant) -> None:
    """Raise TamperedContent unless `identity` signed `grant`. Looks at no clock."""
    _verify(identity, grant.signature, _grant_message(grant))


def verify_certificate(identity: bytes, certificate: BootCertificate) -> None:
    """Raise TamperedContent unless `identity` signed `certificate`. Looks at no clock."""
    _verify(identity, certificate.signature, as_logged(certificate).message)


def verify_statement(identity: bytes, statement: DestructionStatement) -> None:
    """Raise TamperedContent unless `identity` signed `statement`."""
    _verify(identity, statement.signature, fields("bailee/1/destroyed", statement.document))


def _verify(identity: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise TamperedContent(
            "this was not signed by the keeper; check which keeper the installation belongs to"
        ) from None


def _epoch_message(name: EpochKeyName, mlkem_key: bytes, x25519_key: bytes) -> bytes:
    return fields("bailee/1/epoch-public", name.encoded(), mlkem_key, x25519_key)


def _object_message(key: ObjectPublicKey) -> bytes:
    return fields(
        "bailee/1/object-public",
        key.name.encoded(),
        key.generation.to_bytes(4, "big"),
        key.mlkem_key,
        key.x25519_key,
        key.scope_key,
    )


def _grant_message(grant: WorkGrant) -> bytes:
    return fields(
        "bailee/1/work-grant",
        grant.work.encode(),
        grant.tenant,
        grant.not_after.to_bytes(8, "big"),
        *(name.encoded() for name in grant.names),
    )


def _scope_message(name: ScopeKeyName, x25519_key: bytes) -> bytes:
    return fields("bailee/1/scope-public", name.encoded(), x25519_key)

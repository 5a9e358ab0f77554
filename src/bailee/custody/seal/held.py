"""Sealing and opening one thing that is kept until it is deleted. Format: docs/formats/object.md.

Promises: the content key is wrapped so that it takes the object's secret *and* the project's (and,
for a purpose with a deadline of its own, the epoch's) to open it, so that destroying any of them
destroys the content in every copy. Content of any size is sealed in chunks as it arrives and read
back in part. Whoever seals can, once `forget` was called, not open. Pure: bytes in, bytes out.
"""

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import (
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bailee.custody.seal.part import Owner
from bailee.custody.seal.session import EPOCH_SUITE, NONCE, SCOPE_SUITE
from bailee.custody.seal.wipe import wipe
from bailee.kernel.encoding import fields
from bailee.kernel.errors import DestroyedKey, TamperedContent
from bailee.kernel.ids import EpochKeyName, ObjectId, ObjectKeyName, Purpose, ScopeKeyName
from bailee.kernel.instants import Epoch
from bailee.kernel.redacted import Content, Secret
from bailee.ports.randomness import Randomness

CHUNK_BYTES: Final = 256 * 1024
"""Of content; the last one is shorter, and there is always a last one."""
TAG_BYTES: Final = 16
_MAGIC: Final = b"BAILEEOB\x01"
_HEAD: Final = struct.Struct(">9s16s1168s32sB")
_WRAP: Final = struct.Struct(">BII80s")
_HYBRID_BYTES: Final = 1168
_WRAPPED_BYTES: Final = 48
_SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_CONTENT: Final = b"bailee/1/held"
_DETAILS: Final = b"bailee/1/details"


class Recipient(NamedTuple):
    """A purpose for which the content may be opened, and the public keys that stand for it."""

    scope: ScopeKeyName
    scope_key: bytes
    epoch: EpochKeyName | None = None
    """With which the purpose ends; None: with the object alone."""
    epoch_keys: tuple[bytes, bytes] | None = None
    """ML-KEM and X25519 key of the epoch."""


class KeyWrap(NamedTuple):
    """The content key for one purpose, as stored."""

    purpose: Purpose
    generation: int
    epoch: Epoch | None
    scope_encapsulation: bytes
    epoch_encapsulation: bytes
    wrapped: bytes

    def scope(self, name: ObjectKeyName) -> ScopeKeyName:
        """The scope to which it is sealed."""
        return ScopeKeyName(name.region, self.purpose, name.project, self.generation)

    def epoch_name(self, name: ObjectKeyName) -> EpochKeyName | None:
        """The epoch to which it is sealed."""
        return None if self.epoch is None else EpochKeyName(name.region, self.purpose, self.epoch)


class KeyBlock(NamedTuple):
    """Everything but private keys that opening takes."""

    object: ObjectId
    encapsulation: bytes
    """1,168 bytes: a secret, sealed by HPKE to the object's public key."""
    commitment: bytes
    wraps: tuple[KeyWrap, ...]

    def encode(self) -> bytes:
        """The block as stored."""
        parts = [
            _HEAD.pack(_MAGIC, self.object, self.encapsulation, self.commitment, len(self.wraps))
        ]
        for wrap in self.wraps:
            epoch = 0 if wrap.epoch is None else wrap.epoch
            parts.append(
                _WRAP.pack(wrap.purpose.code, wrap.generation, epoch, wrap.scope_encapsulation)
            )
            parts += (wrap.epoch_encapsulation, wrap.wrapped)
        return b"".join(parts)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read a stored block. Raises TamperedContent if it is none of this version."""
        try:
            magic, name, encapsulation, commitment, count = _HEAD.unpack_from(encoded)
            if magic != _MAGIC:
                raise ValueError
            at, wraps = _HEAD.size, []
            for _ in range(count):
                code, generation, epoch, scope = _WRAP.unpack_from(encoded, at)
                at += _WRAP.size
                size = _HYBRID_BYTES if epoch else 0
                hybrid, wrapped = encoded[at : at + size], encoded[at + size :][:_WRAPPED_BYTES]
                at += size + _WRAPPED_BYTES
                wraps.append(
                    KeyWrap(
                        Purpose.from_code(code),
                        generation,
                        Epoch(epoch) if epoch else None,
                        scope,
                        hybrid,
                        wrapped,
                    )
                )
            if at != len(encoded):
                raise ValueError
        except (struct.error, ValueError):
            raise TamperedContent(
                "a key block is not of version 1; upgrade Bailee to read it"
            ) from None
        return cls(ObjectId(name), encapsulation, commitment, tuple(wraps))

    def wrap_for(self, purpose: Purpose) -> KeyWrap:
        """The wrap of a purpose. Raises DestroyedKey if it is held for none such any more."""
        for wrap in self.wraps:
            if wrap.purpose is purpose:
                return wrap
        raise DestroyedKey("this is not held for this purpose")


@dataclass(slots=True)
class HeldKey:
    """The content key of one thing while it is written or read. `forget` when done."""

    name: ObjectKeyName
    owner: Owner
    _key: Secret = field(repr=False)
    _cipher: AESGCM = field(init=False, repr=False)
    _encryption_key: bytes = field(init=False, repr=False)
    commitment: bytes = field(init=False)

    def __post_init__(self) -> None:
        keys = blake2b(key=self._key, person=_CONTENT).digest()
        self._encryption_key, self.commitment = keys[:32], keys[32:]
        self._cipher = AESGCM(self._encryption_key)
        wipe(keys)

    @classmethod
    def opened(cls, name: ObjectKeyName, owner: Owner, block: KeyBlock, key: bytes) -> Self:
        """The key that the keeper gave. Raises TamperedContent unless `block` commits to it."""
        made = cls(name, owner, Secret(key))
        if not compare_digest(made.commitment, block.commitment):
            raise TamperedContent("this is not the content key that the key block commits to")
        return made

    def seal_chunk(self, number: int, content: bytes, *, final: bool) -> bytes:
        """One chunk of `CHUNK_BYTES`, or the final one."""
        return self._cipher.encrypt(_chunk_nonce(number, final), content, self._data("chunk"))

    def open_chunk(self, number: int, sealed: bytes, *, final: bool) -> Content:
        """The content of a chunk. Raises TamperedContent if it is another's, or elsewhere."""
        try:
            opened = self._cipher.decrypt(_chunk_nonce(number, final), sealed, self._data("chunk"))
        except InvalidTag:
            raise TamperedContent("a chunk does not authenticate in this place") from None
        return Content(opened)

    def seal_details(self, details: bytes, nonce: bytes) -> bytes:
        """Name and metadata, small; may be sealed again under a new random nonce."""
        return nonce + self._details_cipher().encrypt(nonce, details, self._data("details"))

    def open_details(self, sealed: bytes) -> Content:
        """The reverse of `seal_details`. Raises TamperedContent."""
        try:
            opened = self._details_cipher().decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._data("details")
            )
        except (InvalidTag, ValueError):
            raise TamperedContent("the details do not authenticate in this place") from None
        return Content(opened)

    def forget(self) -> None:
        """Overwrite the keys."""
        wipe(self._key, self._encryption_key)

    def _details_cipher(self) -> AESGCM:
        return AESGCM(blake2b(key=self._key, person=_DETAILS, digest_size=32).digest())

    def _data(self, what: str) -> bytes:
        return fields(f"bailee/1/held-{what}", self.name.encoded(), *_owner_fields(self.owner))


def new_held_key(
    name: ObjectKeyName,
    owner: Owner,
    object_keys: tuple[bytes, bytes],
    recipients: tuple[Recipient, ...],
    randomness: Randomness,
) -> tuple[HeldKey, KeyBlock]:
    """A fresh content key, and its block. `object_keys`: the object's ML-KEM and X25519 key."""
    held = HeldKey(name, owner, Secret(randomness.random_bytes(_SECRET_BYTES)))
    object_secret = randomness.random_bytes(_SECRET_BYTES)
    encapsulation = EPOCH_SUITE.encrypt(
        object_secret, _hybrid(object_keys), info=_object_info(name)
    )
    wraps = []
    for recipient in recipients:
        scope_secret = randomness.random_bytes(_SECRET_BYTES)
        scope_key = X25519PublicKey.from_public_bytes(recipient.scope_key)
        scope_encapsulation = SCOPE_SUITE.encrypt(
            scope_secret, scope_key, info=_scope_info(name, recipient.scope)
        )
        epoch_secret, epoch_encapsulation = b"", b""
        if recipient.epoch is not None and recipient.epoch_keys is not None:
            epoch_secret = randomness.random_bytes(_SECRET_BYTES)
            epoch_encapsulation = EPOCH_SUITE.encrypt(
                epoch_secret, _hybrid(recipient.epoch_keys), info=_epoch_info(name, recipient.epoch)
            )
        wrap_key = _wrap_key(
            name, recipient.scope, recipient.epoch, (object_secret, scope_secret, epoch_secret)
        )
        purpose = recipient.scope.purpose
        data = _wrap_data(owner, purpose, held.commitment)
        wraps.append(
            KeyWrap(
                purpose,
                recipient.scope.generation,
                None if recipient.epoch is None else recipient.epoch.epoch,
                scope_encapsulation,
                epoch_encapsulation,
                AESGCM(wrap_key).encrypt(NONCE, held._key, data),  # noqa: SLF001 - made above
            )
        )
        wipe(wrap_key, scope_secret)
        if epoch_secret:
            wipe(epoch_secret)
    wipe(object_secret)
    return held, KeyBlock(name.object, encapsulation, held.commitment, tuple(wraps))


def unwrap_held_key(
    name: ObjectKeyName,
    owner: Owner,
    block: KeyBlock,
    purpose: Purpose,
    object_keys: tuple[MLKEM768PrivateKey, X25519PrivateKey],
    scope_key: X25519PrivateKey,
    epoch_keys: tuple[MLKEM768PrivateKey, X25519PrivateKey] | None = None,
) -> Secret:
    """The content key of `block` for a purpose. Raises TamperedContent, DestroyedKey."""
    wrap = block.wrap_for(purpose)
    scope, epoch = wrap.scope(name), wrap.epoch_name(name)
    secrets: list[bytes] = []
    try:
        secrets.append(
            EPOCH_SUITE.decrypt(
                block.encapsulation, MLKEM768X25519PrivateKey(*object_keys), info=_object_info(name)
            )
        )
        secrets.append(
            SCOPE_SUITE.decrypt(wrap.scope_encapsulation, scope_key, info=_scope_info(name, scope))
        )
        if epoch is not None and epoch_keys is not None:
            hybrid = MLKEM768X25519PrivateKey(*epoch_keys)
            secrets.append(
                EPOCH_SUITE.decrypt(wrap.epoch_encapsulation, hybrid, info=_epoch_info(name, epoch))
            )
        wrap_key = _wrap_key(name, scope, epoch, tuple(secrets))
        key = AESGCM(wrap_key).decrypt(
            NONCE, wrap.wrapped, _wrap_data(owner, purpose, block.commitment)
        )
        wipe(wrap_key)
    except (InvalidTag, ValueError):
        raise TamperedContent("a key block does not authenticate in this place") from None
    finally:
        wipe(*secrets)
    secret = Secret(key)
    wipe(key)
    return secret


def _wrap_key(
    name: ObjectKeyName,
    scope: ScopeKeyName,
    epoch: EpochKeyName | None,
    secrets: tuple[bytes, ...],
) -> bytes:
    encoded = b"" if epoch is None else epoch.encoded()
    info = fields("bailee/1/object-wrap", name.encoded(), scope.encoded(), encoded)
    return HKDF(SHA512(), 32, salt=b"bailee/1/object-wrap", info=info).derive(b"".join(secrets))


def _hybrid(keys: tuple[bytes, bytes]) -> MLKEM768X25519PublicKey:
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(keys[0]), X25519PublicKey.from_public_bytes(keys[1])
    )


def _object_info(name: ObjectKeyName) -> bytes:
    return fields("bailee/1/object-secret", name.encoded())


def _scope_info(name: ObjectKeyName, scope: ScopeKeyName) -> bytes:
    return fields("bailee/1/object-scope", name.encoded(), scope.encoded())


def _epoch_info(name: ObjectKeyName, epoch: EpochKeyName) -> bytes:
    return fields("bailee/1/object-epoch", name.encoded(), epoch.encoded())


def _wrap_data(owner: Owner, purpose: Purpose, commitment: bytes) -> bytes:
    return fields(
        "bailee/1/object-wrap-data", *_owner_fields(owner), bytes((purpose.code,)), commitment
    )


def _owner_fields(owner: Owner) -> tuple[bytes, bytes, bytes]:
    return owner.tenant, owner.project, owner.region.encode()


def _chunk_nonce(number: int, final: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if final else b"\x00")

"""Keys that are derived from the keyring's secrets. Source: docs/formats/keyring.md."""

import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bailee.custody.seal.wipe import wipe
from bailee.kernel.encoding import fields
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ScopeKeyName


def _expand(secret: bytes, label: str, name: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) with SHA-512 to 64 bytes: one block."""
    return hmac.digest(secret, fields(label, name) + b"\x01", "sha512")


def epoch_mlkem_key(name: EpochKeyName, secret: bytes) -> MLKEM768PrivateKey:
    """The epoch's ML-KEM-768 key pair."""
    seed = _expand(secret, "bailee/1/mlkem", name.encoded())
    try:
        return MLKEM768PrivateKey.from_seed_bytes(seed)
    finally:
        wipe(seed)


def epoch_x25519_key(name: EpochKeyName, secret: bytes) -> X25519PrivateKey:
    """The epoch's X25519 key pair."""
    return _x25519(secret, name.encoded())


def scope_x25519_key(name: ScopeKeyName, secret: bytes) -> X25519PrivateKey:
    """The scope's X25519 key pair."""
    return _x25519(secret, name.encoded())


def object_mlkem_key(name: ObjectKeyName, secret: bytes) -> MLKEM768PrivateKey:
    """The ML-KEM-768 key pair of one thing that is kept until it is deleted."""
    seed = _expand(secret, "bailee/1/mlkem", name.encoded())
    try:
        return MLKEM768PrivateKey.from_seed_bytes(seed)
    finally:
        wipe(seed)


def object_x25519_key(name: ObjectKeyName, secret: bytes) -> X25519PrivateKey:
    """Its X25519 key pair."""
    return _x25519(secret, name.encoded())


def pseudonym_key(name: EpochKeyName, secret: bytes) -> bytes:
    """32 bytes that turn tenants and projects into this epoch's pseudonyms."""
    return _expand(secret, "bailee/1/pseudonym", name.encoded())[:32]


def pseudonym(key: bytes, subject: bytes) -> bytes:
    """The 16-byte pseudonym of a tenant or project in the epoch of `key` (docs/formats/part.md)."""
    return hmac.digest(key, subject, "sha256")[:16]


def _x25519(secret: bytes, name: bytes) -> X25519PrivateKey:
    block = _expand(secret, "bailee/1/x25519", name)
    seed = block[:32]
    try:
        return X25519PrivateKey.from_private_bytes(seed)
    finally:
        wipe(block, seed)

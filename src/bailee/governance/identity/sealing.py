"""Secrets of sign-in in the database: recognised by a keyed hash, or sealed with AES-256-GCM.

Both keys follow from the installation's pepper, which no database holds. Gateway workers have the
pepper, since they check what people sign in with; what that means is in the threat model.
"""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bailee.kernel.encoding import fields
from bailee.kernel.errors import TamperedContent
from bailee.kernel.redacted import Secret
from bailee.ports.randomness import Randomness

_NONCE_BYTES: Final = 12
_PERSON: Final = b"bailee/identity"
"""BLAKE2b's personalisation."""


class Vault:
    """Hashes and seals for the tables of sign-in."""

    def __init__(self, pepper: bytes, randomness: Randomness) -> None:
        self._hash_key = Secret(_derived(pepper, b"recognise"))
        self._cipher = AESGCM(_derived(pepper, b"seal"))
        self._randomness = randomness

    def digest(self, kind: str, secret: bytes) -> bytes:
        """What recognises a secret of some kind: 32 bytes."""
        framed = fields(kind, secret)
        return hashlib.blake2b(framed, digest_size=32, key=self._hash_key).digest()

    def seal(self, kind: str, name: bytes, secret: bytes) -> bytes:
        """A secret as it is stored, bound to its kind and to the row's name."""
        nonce = self._randomness.random_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, fields(kind, name))

    def open(self, kind: str, name: bytes, sealed: bytes) -> Secret:
        """The reverse. Raises TamperedContent."""
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return Secret(self._cipher.decrypt(nonce, ciphertext, fields(kind, name)))
        except InvalidTag:
            raise TamperedContent(
                "A secret of sign-in does not authenticate. Was the installation's pepper changed?"
            ) from None


def _derived(pepper: bytes, label: bytes) -> bytes:
    return hashlib.blake2b(label, digest_size=32, key=pepper, person=_PERSON).digest()

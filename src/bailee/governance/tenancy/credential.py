"""The text of an API key, and the keyed hash under which it is known.

`sk-bailee-<16 hexadecimal digits>-<43 characters>`: a public identifier, which begins with the mark
of its region (`kernel.regions`), and 32 random bytes in URL-safe base64 without padding. With 256
random bits a keyed BLAKE2b hash is enough; a slow password hash would add nothing but time to each
request.
"""

import base64
import hashlib
import re
from typing import Final

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import Region
from bailee.kernel.redacted import Secret
from bailee.kernel.regions import MARK_BYTES, region_mark
from bailee.ports.randomness import Randomness

CREDENTIAL_BYTES: Final = 70
"""How long every credential is."""
PEPPER_BYTES: Final = 32
_ID_BYTES: Final = 8

_SHAPE: Final = re.compile(rb"sk-bailee-([0-9a-f]{16})-[A-Za-z0-9_-]{43}")


def new_credential(randomness: Randomness, region: Region) -> Secret:
    """A new credential's text, with the region's mark in its public identifier."""
    public_id = (region_mark(region) + randomness.random_bytes(_ID_BYTES - MARK_BYTES)).hex()
    secret = base64.urlsafe_b64encode(randomness.random_bytes(32)).rstrip(b"=")
    return Secret(f"sk-bailee-{public_id}-".encode() + secret)


def is_credential(text: bytes) -> bool:
    """Whether `text` has the shape of a credential."""
    return _SHAPE.fullmatch(text) is not None


def public_id_of(credential: bytes) -> str:
    """The public identifier inside a credential.

    Raises:
        InvalidInput: the text has another shape.
    """
    found = _SHAPE.fullmatch(credential)
    if found is None:
        raise InvalidInput("This is not an API key of Bailee. Give the whole key, as it was shown.")
    return found[1].decode()


class CredentialHash:
    """The keyed hash of credentials: BLAKE2b-256 under the installation's pepper (32 bytes)."""

    __slots__ = ("_keyed",)

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) != PEPPER_BYTES:
            raise InvalidInput(
                f"The pepper of API keys has {PEPPER_BYTES} bytes, not {len(pepper)}. Restore the"
                " file; with another pepper every API key is unknown."
            )
        self._keyed = hashlib.blake2b(digest_size=32, key=pepper)

    def __call__(self, credential: bytes) -> bytes:
        """The 32-byte hash of a credential's text."""
        keyed = self._keyed.copy()
        keyed.update(credential)
        return keyed.digest()

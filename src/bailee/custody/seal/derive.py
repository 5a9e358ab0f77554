"""Key derivation for sealing: HKDF to begin a chain, keyed BLAKE2b for what follows from one key.

A chain begins with HKDF-SHA-512 (RFC 5869) over two secrets. Every later derivation takes one
uniform 32-byte key and is one call of BLAKE2b (RFC 7693) with that key and the use as its
personalisation, as in libsodium's crypto_kdf; where two keys are needed they are the halves of its
64 bytes. Why: docs/decisions/0011-keyed-blake2b.md.
"""

from hashlib import blake2b
from hmac import digest as hmac_digest
from typing import Final

from bailee.custody.seal.wipe import wipe
from bailee.kernel.encoding import fields

KEY_BYTES: Final = 32

_CHAIN_STEP: Final = b"bailee/1/step"
_CONTENT: Final = b"bailee/1/content"
_RECEIPT: Final = b"bailee/1/receipt"
_CHAIN_SALT: Final = b"bailee/1/chain"


def first_chain_key(
    epoch_secret: bytes, scope_secret: bytes, epoch: bytes, scope: bytes, session: bytes
) -> bytes:
    """c₀ of a session and scope: needs the session secrets of both the epoch and the scope.

    `epoch` and `scope` are the encoded key names, which together name the cell.
    """
    secrets = epoch_secret + scope_secret
    extracted = hmac_digest(_CHAIN_SALT, secrets, "sha512")
    info = fields("bailee/1/chain-start", epoch, scope, session) + b"\x01"
    block = hmac_digest(extracted, info, "sha512")
    # What is dropped here would open the whole chain; nobody else sees it, so it is wiped here.
    try:
        return block[:KEY_BYTES]
    finally:
        wipe(secrets, extracted, block)


def chain_step(chain_key: bytes) -> bytes:
    """64 bytes: the wrap key of this step, then the chain key of the next."""
    return blake2b(key=chain_key, person=_CHAIN_STEP).digest()


def content_keys(content_key: bytes) -> bytes:
    """64 bytes: the AES-256-GCM key of the content, then the commitment to the content key."""
    return blake2b(key=content_key, person=_CONTENT).digest()


def receipt_key(prompt_content_key: bytes) -> bytes:
    """r, 32 bytes: blinds a record's receipt; given to the caller in the answer's headers."""
    return blake2b(key=prompt_content_key, person=_RECEIPT, digest_size=KEY_BYTES).digest()

"""Key derivation for sealing: HKDF (RFC 5869) with SHA-512, in the three forms that are used.

Expansion to 64 bytes is one HMAC, and each use takes its two 32-byte keys from one expansion.
Sealing spends much of its time here, so OpenSSL's HMAC is called without `hmac.digest` around it.
"""

from _hashlib import hmac_digest
from typing import Final

from bailee.custody.seal.wipe import wipe
from bailee.kernel.encoding import fields

KEY_BYTES: Final = 32

_CHAIN_STEP: Final = b"bailee/1/chain-step\x01"
_CONTENT: Final = b"bailee/1/content\x01"
_RECEIPT: Final = b"bailee/1/receipt-key\x01"
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
    return hmac_digest(chain_key, _CHAIN_STEP, "sha512")


def content_keys(content_key: bytes) -> bytes:
    """64 bytes: the AES-256-GCM key of the content, then the commitment to the content key."""
    return hmac_digest(content_key, _CONTENT, "sha512")


def receipt_key(prompt_content_key: bytes) -> bytes:
    """r, 32 bytes: blinds a record's receipt; given to the caller in the answer's headers."""
    return hmac_digest(prompt_content_key, _RECEIPT, "sha256")

"""Opening what `session` sealed, given private keys. Format: docs/formats/part.md.

Pure: bytes in, bytes out. Whether something may be opened is decided by whoever holds the private
keys; here everything that does not authenticate raises TamperedContent and says no more.
"""

import hashlib
import hmac
import struct
from typing import Final

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from bailee.custody.seal import derive
from bailee.custody.seal.part import Owner, PartHeader, SealedPart, Wrap, additional_data, wrap_data
from bailee.custody.seal.session import (
    EPOCH_SUITE,
    NONCE,
    PARTS_PER_SESSION,
    SCOPE_SUITE,
    ScopeFrame,
    SessionFrame,
    scope_info,
    session_info,
)
from bailee.custody.seal.wipe import wipe
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import EpochKeyName, Purpose, ScopeKeyName, SessionId
from bailee.kernel.redacted import Content, Secret

_SESSION_BODY: Final = struct.Struct(">16sB1168s")
_SCOPE_BODY: Final = struct.Struct(">16sII80s")
_SECRET_BYTES: Final = 32


def read_session_body(body: bytes) -> tuple[SessionFrame, Purpose]:
    """A session frame's body, after its type byte (docs/formats/journal.md)."""
    try:
        session, code, encapsulation = _SESSION_BODY.unpack(body)
        return SessionFrame(SessionId(session), encapsulation), Purpose.from_code(code)
    except (struct.error, ValueError):
        raise TamperedContent("a session frame cannot be read") from None


def read_scope_body(body: bytes) -> ScopeFrame:
    """A scope frame's body, after its type byte."""
    try:
        session, number, generation, encapsulation = _SCOPE_BODY.unpack(body)
    except struct.error:
        raise TamperedContent("a scope frame cannot be read") from None
    return ScopeFrame(SessionId(session), number, generation, encapsulation)


def first_chain_key(
    epoch: EpochKeyName,
    scope: ScopeKeyName,
    epoch_keys: tuple[MLKEM768PrivateKey, X25519PrivateKey],
    scope_key: X25519PrivateKey,
    session_frame: SessionFrame,
    scope_frame: ScopeFrame,
) -> bytes:
    """c₀ of a session and scope; it takes the private keys of both the epoch and the scope."""
    session = session_frame.session
    try:
        epoch_secret = EPOCH_SUITE.decrypt(
            session_frame.encapsulation,
            MLKEM768X25519PrivateKey(*epoch_keys),
            info=session_info(epoch, session),
        )
        scope_secret = SCOPE_SUITE.decrypt(
            scope_frame.encapsulation, scope_key, info=scope_info(epoch, scope, session)
        )
    except (InvalidTag, ValueError):
        raise TamperedContent("a session does not open under the keys of its cell") from None
    if len(epoch_secret) != _SECRET_BYTES or len(scope_secret) != _SECRET_BYTES:
        raise TamperedContent("a session's secrets are not of the right length")
    try:
        return derive.first_chain_key(
            epoch_secret, scope_secret, epoch.encoded(), scope.encoded(), session
        )
    finally:
        wipe(epoch_secret, scope_secret)


def unwrap(chain_key: bytes, wrap: Wrap, owner: Owner, header: bytes) -> Secret:
    """The content key in `wrap`. `chain_key` is c₀, and is wiped."""
    if wrap.chain_index >= PARTS_PER_SESSION:
        wipe(chain_key)
        raise TamperedContent("a wrap lies beyond the end of its session")
    for _ in range(wrap.chain_index):
        block = derive.chain_step(chain_key)
        wipe(chain_key)
        chain_key = block[32:]
        wipe(block)
    block = derive.chain_step(chain_key)
    wrap_key = block[:32]
    try:
        content_key = AESGCM(wrap_key).decrypt(
            NONCE, wrap.wrapped, wrap_data(wrap.purpose, _additional(owner, header))
        )
    except InvalidTag:
        raise TamperedContent("a wrap does not authenticate in this place") from None
    finally:
        wipe(chain_key, block, wrap_key)
    secret = Secret(content_key)
    wipe(content_key)
    return secret


def open_content(part: SealedPart, content_key: bytes, owner: Owner) -> Content:
    """The content of a part, of exactly the length that its header states.

    The commitment is checked first: without it, a ciphertext could be made that opens under two
    keys. The length is checked before anything is decompressed, so that no part can expand beyond
    what its header, which the journal's root covers, admits to.
    """
    header = PartHeader.decode(part.header)
    keys = derive.content_keys(content_key)
    encryption_key, commitment = keys[:32], keys[32:]
    try:
        if not hmac.compare_digest(commitment, header.key_commitment):
            raise TamperedContent("this is not the content key that the part commits to")
        compressed = AESGCM(encryption_key).decrypt(
            NONCE, part.ciphertext, _additional(owner, part.header)
        )
        return _decompress(compressed, header.content_bytes)
    except InvalidTag:
        raise TamperedContent("a part does not authenticate in this place") from None
    finally:
        wipe(keys, encryption_key)


def _additional(owner: Owner, header: bytes) -> bytes:
    decoded = PartHeader.decode(header)
    return additional_data(owner, decoded.record, decoded.part, hashlib.sha256(header).digest())


def _decompress(compressed: bytes, size_bytes: int) -> Content:
    try:
        stated = zstandard.get_frame_parameters(compressed).content_size
        if stated != size_bytes:
            raise TamperedContent("a part's content is not as long as its header states")
        content = zstandard.ZstdDecompressor().decompress(
            compressed, max_output_size=size_bytes, allow_extra_data=False
        )
    except zstandard.ZstdError:
        raise TamperedContent("a part's content cannot be decompressed") from None
    if len(content) != size_bytes:
        raise TamperedContent("a part's content is not as long as its header states")
    return Content(content)

"""Sessions: sealing to an epoch and its scopes with chained one-use keys.

Promises: once a part is sealed, nothing left in this process opens it. A scope's secret is
overwritten when its chain has begun, and each chain key when the next is made; the epoch's secret
stays while the session lasts, since new chains begin with it, and opens nothing alone. A session
ends after `PARTS_PER_SESSION` parts, at the epoch's end (the caller's matter), or on a fork.
Deliberately does not open, store or schedule anything.
"""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

import zstandard
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from bailee.custody.seal import derive
from bailee.custody.seal.derive import chain_step, content_keys
from bailee.custody.seal.part import (
    Owner,
    SealedPart,
    additional_data,
    encode_wrap,
    header_of,
    part_hash,
)
from bailee.custody.seal.wipe import wipe
from bailee.kernel.encoding import fields
from bailee.kernel.ids import EpochKeyName, RecordId, ScopeKeyName, SessionId
from bailee.ports.randomness import Randomness

PARTS_PER_SESSION: Final = 4096
SESSION_SECRET_BYTES: Final = 32
NONCE: Final = bytes(12)
"""Every key here encrypts one message, so the nonce is constant."""

EPOCH_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
SCOPE_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

_COMPRESSION_LEVEL: Final = 1
"""Level 3 takes a fifth more time on chat traffic, 40 % on long prompts, and saves 1 to 5 %."""


def session_info(epoch: EpochKeyName, session: bytes) -> bytes:
    """The HPKE info string of a session's encapsulation to its epoch."""
    return fields("bailee/1/session", epoch.encoded(), session)


def scope_info(epoch: EpochKeyName, scope: ScopeKeyName, session: bytes) -> bytes:
    """The HPKE info string of a session's encapsulation to a scope."""
    return fields("bailee/1/session-scope", epoch.encoded(), scope.encoded(), session)


class SessionFrame(NamedTuple):
    """What a journal keeps so that the keeper can follow a session."""

    session: SessionId
    encapsulation: bytes
    """1,168 bytes: the session's epoch secret, sealed by HPKE to the epoch's public key."""


class ScopeFrame(NamedTuple):
    """What a journal keeps so that the keeper can follow one scope's chain in a session."""

    session: SessionId
    number: int
    generation: int
    encapsulation: bytes
    """80 bytes: the session's scope secret, sealed by HPKE to the scope's public key."""


@dataclass(slots=True)
class Chain:
    """One scope's chain of wrap keys in a session. Made by `Session.chain`."""

    session: SessionId
    scope_number: int
    epoch: EpochKeyName
    _key: bytes = field(repr=False)
    index: int = 0
    _purpose: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._purpose = bytes((self.epoch.purpose.code,))

    def wrap(self, content_key: bytes, additional: bytes) -> bytes:
        """Wrap `content_key` for the chain's purpose; gives the stored wrap. Moves on one step."""
        # The wrap key is used where it lies, so that there is no copy of it to wipe.
        spent, block = self._key, chain_step(self._key)
        wrapped = AESGCM(memoryview(block)[:32]).encrypt(
            NONCE, content_key, self._purpose + additional
        )
        self._key = block[32:]
        wipe(spent, block)
        index = self.index
        self.index = index + 1
        return encode_wrap(self._purpose[0], self.session, self.scope_number, index, wrapped)

    def end(self) -> None:
        """Overwrite what would continue the chain."""
        wipe(self._key)


class Session:
    """A sealing session of one worker to one epoch key pair.

    `frame` is to be journalled before any part that uses the session, and each `ScopeFrame` that
    `chain` gives before any part that uses the chain.
    """

    def __init__(
        self,
        epoch: EpochKeyName,
        mlkem_key: bytes,
        x25519_key: bytes,
        randomness: Randomness,
    ) -> None:
        self.epoch = epoch
        self.session = SessionId(randomness.random_bytes(16))
        self._randomness = randomness
        self._process = os.getpid()
        self._epoch_secret = randomness.random_bytes(SESSION_SECRET_BYTES)
        self._chains: dict[ScopeKeyName, Chain] = {}
        public = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(mlkem_key),
            X25519PublicKey.from_public_bytes(x25519_key),
        )
        encapsulation = EPOCH_SUITE.encrypt(
            self._epoch_secret, public, info=session_info(epoch, self.session)
        )
        self.frame = SessionFrame(self.session, encapsulation)

    def chain(self, scope: ScopeKeyName, x25519_key: bytes) -> tuple[Chain, ScopeFrame | None]:
        """The chain of a scope, with the frame to journal when it has just begun."""
        known = self._chains.get(scope)
        if known is not None:
            return known, None
        number = len(self._chains)
        secret = self._randomness.random_bytes(SESSION_SECRET_BYTES)
        encapsulation = SCOPE_SUITE.encrypt(
            secret,
            X25519PublicKey.from_public_bytes(x25519_key),
            info=scope_info(self.epoch, scope, self.session),
        )
        key = derive.first_chain_key(
            self._epoch_secret, secret, self.epoch.encoded(), scope.encoded(), self.session
        )
        wipe(secret)
        chain = self._chains[scope] = Chain(self.session, number, self.epoch, key)
        return chain, ScopeFrame(self.session, number, scope.generation, encapsulation)

    @property
    def exhausted(self) -> bool:
        """Whether a new session must be begun: parts used up, or another process after a fork."""
        parts = sum(chain.index for chain in self._chains.values())
        return parts >= PARTS_PER_SESSION or os.getpid() != self._process

    def end(self) -> None:
        """Overwrite every secret of the session."""
        wipe(self._epoch_secret)
        for chain in self._chains.values():
            chain.end()


compress = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=False).compress


def seal_part(
    record: RecordId,
    part: int,
    start: bytes,
    content: bytes,
    content_key: bytes,
    owner: Owner,
    chains: tuple[Chain, ...],
) -> tuple[SealedPart, bytes]:
    """Seal `content` under `content_key`, wrapped once in each of `chains`; with the part's hash.

    `start` is the header's (`part.header_start`), which names the same `record` and `part`.
    `content_key` is 32 fresh random bytes, used for this part alone; the caller wipes it.
    """
    keys = content_keys(content_key)
    header = header_of(start, keys[32:], len(content))
    header_hash = sha256(header).digest()
    additional = additional_data(owner, record, part, header_hash)
    ciphertext = AESGCM(memoryview(keys)[:32]).encrypt(NONCE, compress(content), additional)
    wipe(keys)
    wraps = tuple([chain.wrap(content_key, additional) for chain in chains])
    sealed = SealedPart(header, wraps, ciphertext)
    return sealed, part_hash(header_hash, sha256(ciphertext).digest())

"""What crosses a Ray cluster's disks and databases: sealed, in both directions.

A task is encrypted to the cluster's key (HPKE, hybrid of ML-KEM-768 and X25519), each under a
one-time key that HPKE makes; what comes back is encrypted under a key that the task carries. The
cluster's private key lies on its nodes; only a job's own process opens the task, in memory.
"""

import base64
import binascii
import io
import zipfile
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from bailee.kernel.errors import InvalidInput
from bailee.ports.randomness import Randomness
from bailee.ports.trainer import Began, Finished, StepDone, TrainingTask

KEY_BYTES: Final = 32
TASK_FILE: Final = "task.sealed"
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_TASK: Final = b"bailee/1/ray/task"
_FRAME: Final = b"bailee/1/ray/frame/%d"
_MARK: Final = "bailee-frame "
_SEED_BYTES: Final = 64
_MLKEM_PUBLIC_BYTES: Final = 1184
_NONCE_BYTES: Final = 12


class Handover(msgspec.Struct, frozen=True):
    """Everything that a job is told. Printed without content."""

    weights: str
    """A path on the cluster's nodes."""
    sha256: str
    context_tokens: int
    threads: int
    task: TrainingTask
    answer_key: bytes
    """What its answers are encrypted under."""

    def __repr__(self) -> str:
        return "<handover>"


class RayFailed(msgspec.Struct, frozen=True, tag="failed"):
    """There will be no result. The message holds nothing of the examples."""

    message: str
    retry_safe: bool


Told = Began | StepDone | Finished | RayFailed
_told: Final = msgspec.msgpack.Decoder(Told)
_handover: Final = msgspec.msgpack.Decoder(Handover)


def make_cluster_key(randomness: Randomness) -> bytes:
    """A cluster's private key, as its file has it."""
    return base64.b64encode(randomness.random_bytes(_SEED_BYTES + KEY_BYTES)) + b"\n"


def public_part(private: bytes) -> bytes:
    """What belongs to a private key, as its file has it. Raises InvalidInput."""
    mlkem, x25519 = _private(private)
    raw = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return base64.b64encode(raw) + b"\n"


def sealed_package(public: bytes, handover: Handover) -> bytes:
    """The archive that Ray unpacks for a job: one file, sealed. Raises InvalidInput."""
    raw = _decoded(public, _MLKEM_PUBLIC_BYTES + KEY_BYTES)
    key = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_BYTES]),
        X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC_BYTES:]),
    )
    sealed = _SUITE.encrypt(msgspec.msgpack.encode(handover), key, info=_TASK)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as made:
        made.writestr(TASK_FILE, sealed)
    return archive.getvalue()


def opened_task(private: bytes, sealed: bytes) -> Handover:
    """On the cluster: what a job is told. Raises InvalidInput."""
    try:
        key = MLKEM768X25519PrivateKey(*_private(private))
        return _handover.decode(_SUITE.decrypt(sealed, key, info=_TASK))
    except (InvalidTag, ValueError, msgspec.DecodeError):
        raise InvalidInput(
            "the task is not for this cluster's key; compare the key files"
        ) from None


def sealed_line(key: bytes, number: int, told: Told, randomness: Randomness) -> str:
    """What a job says, as a line of its log."""
    nonce = randomness.random_bytes(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, msgspec.msgpack.encode(told), _FRAME % number)
    return _MARK + base64.b64encode(nonce + sealed).decode() + "\n"


def opened_lines(key: bytes, log: str, first: int) -> list[Told]:
    """What a job said from its line `first` on; other lines are Ray's. Raises InvalidInput."""
    lines = [line.removeprefix(_MARK) for line in log.splitlines() if line.startswith(_MARK)]
    try:
        return [
            _told.decode(_opened(key, number, base64.b64decode(line, validate=True)))
            for number, line in enumerate(lines[first:], first)
        ]
    except (InvalidTag, binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidInput("the job's log was changed or cut") from None


def _opened(key: bytes, number: int, sealed: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _FRAME % number)


def _private(encoded: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    raw = _decoded(encoded, _SEED_BYTES + KEY_BYTES)
    return (
        MLKEM768PrivateKey.from_seed_bytes(raw[:_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(raw[_SEED_BYTES:]),
    )


def _decoded(encoded: bytes, length: int) -> bytes:
    try:
        raw = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != length:
        raise InvalidInput("this is no key file of a cluster; make one with `bailee ray make-key`")
    return raw

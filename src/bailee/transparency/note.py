"""Signed notes: text with Ed25519 signatures (C2SP signed-note).

Promises: signs notes, reads them strictly, and gives text only when a known key's signature holds.
Signatures by unknown keys are ignored, as the specification demands. Deliberately knows Ed25519
(signature type 1) alone; cosignatures of witnesses are read past.
"""

import hashlib
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from bailee.kernel.errors import InvalidInput
from bailee.transparency.base64 import from_base64, to_base64

MAX_NOTE_BYTES: Final = 65_536
MAX_SIGNATURES: Final = 64
_ED25519: Final = b"\x01"
_SIGNATURE_PREFIX: Final = "\u2014 "


class VerifierKey(NamedTuple):
    """A public key under a name; people pass it on as its `text`, a vkey."""

    name: str
    public_key: bytes
    """Ed25519, 32 bytes."""

    @property
    def key_id(self) -> bytes:
        """4 bytes that, with the name, say which key made a signature."""
        hashed = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return hashlib.sha256(hashed).digest()[:4]

    @property
    def text(self) -> str:
        """`name+hex(key id)+base64(1 ‖ public key)`."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a vkey. Raises InvalidInput."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = from_base64(encoded, "the log key's last part", 33)
        if material[:1] != _ED25519:
            raise InvalidInput("the log key is not of signature type 1 (Ed25519)")
        key = cls(check_name(name), material[1:])
        if key.key_id.hex() != key_id:
            raise InvalidInput(
                "the log key's identifier does not fit its name and key; copy it whole"
            )
        return key


class Signature(NamedTuple):
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A parsed note whose signatures have not been looked at. Do not believe `text`."""

    text: str
    signatures: tuple[Signature, ...]


class Signer:
    """Signs notes under a name with an Ed25519 key."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`seed` is the 32-byte private key. Raises InvalidInput for an unusable name."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(check_name(name), self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """A note of `text`, which ends in a newline, with one signature."""
        _check_text(text)
        signature = to_base64(self.verifier.key_id + self._key.sign(text.encode()))
        return f"{text}\n{_SIGNATURE_PREFIX}{self.verifier.name} {signature}\n".encode()


def check_name(name: str) -> str:
    """Give `name` back if it may name a key: not empty, without spaces and `+`. InvalidInput."""
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise InvalidInput("a key's name is not empty and has neither spaces nor `+`")
    return name


def parse_note(data: bytes) -> Note:
    """Read a note without believing it. Raises InvalidInput."""
    if len(data) > MAX_NOTE_BYTES:
        raise InvalidInput(f"a note has at most {MAX_NOTE_BYTES} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise InvalidInput("a note is UTF-8; this is not") from None
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise InvalidInput("a note is text, an empty line and signature lines")
    text += "\n"
    _check_text(text)
    signatures = tuple(_parse_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise InvalidInput(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text, signatures)


def open_note(data: bytes, key: VerifierKey) -> str:
    """The text of a note that `key` signed.

    Raises InvalidInput when the note is malformed, not signed by `key`, or wrongly signed.
    """
    note = parse_note(data)
    public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
    found = False
    for name, key_id, signature in note.signatures:
        if name != key.name or key_id != key.key_id:
            continue
        try:
            public_key.verify(signature, note.text.encode())
        except InvalidSignature:
            raise InvalidInput(
                "the note's signature does not verify; do not use the note"
            ) from None
        found = True
    if not found:
        raise InvalidInput("the note is not signed by the expected key; check name and key")
    return note.text


def _parse_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not line.startswith(_SIGNATURE_PREFIX):
        raise InvalidInput("a signature line begins with an em dash and a space")
    decoded = from_base64(encoded, "a note's signature")
    if len(decoded) < 5:
        raise InvalidInput("a note's signature is cut short")
    return Signature(check_name(name), decoded[:4], decoded[4:])


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(char < " " and char != "\n" for char in text):
        raise InvalidInput("a note's text ends in a newline and has no other control characters")

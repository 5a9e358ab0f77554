"""The frames of a journal, encoded and decoded. Format: docs/formats/journal.md.

Promises that any changed byte of a frame is noticed: the body by its CRC-32C, the length and the
checksum because they then no longer fit the body. Whether bytes were planted is not this module's
matter: a frame says nothing that a signed root does not cover.
"""

import struct
from typing import Final, NamedTuple, Self

import google_crc32c
import msgspec

from bailee.custody.seal.session import ScopeFrame, SessionFrame
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import JournalId, Purpose, Region, SessionId
from bailee.kernel.instants import Epoch
from bailee.ports.keeper import BootCertificate

VERSION: Final = 1

HEADER: Final = 0
SESSION: Final = 1
SCOPE: Final = 2
PART: Final = 3
ROOT: Final = 4
CLOSE: Final = 5

PREFIX_BYTES: Final = 8
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""No frame is longer; a length beyond it is not read."""

_KINDS: Final = tuple(bytes((kind,)) for kind in range(CLOSE + 1))
_PREFIX: Final = struct.Struct(">II")
_HEADER: Final = struct.Struct(">BQIB")
_SESSION: Final = struct.Struct(">16sB1168s")
_SCOPE: Final = struct.Struct(">16sII80s")
_ROOT: Final = struct.Struct(">I32s64s")

_crc32c = google_crc32c.value


def frame_pieces(kind: int, *content: bytes) -> tuple[bytes, bytes]:
    """A frame in two pieces, for whoever joins many: length and CRC-32C, then the body.

    The body is the type byte and `content`, joined.
    """
    body = b"".join((_KINDS[kind], *content))
    return _PREFIX.pack(len(body), _crc32c(body)), body


def encode_frame(kind: int, content: bytes) -> bytes:
    """A frame: length, CRC-32C, type byte, `content`."""
    return b"".join(frame_pieces(kind, content))


def body_length(prefix: bytes) -> int:
    """The length that a frame's first 8 bytes state. Raises TamperedContent if it cannot be."""
    length: int = _PREFIX.unpack(prefix)[0]
    if not 1 <= length <= MAX_BODY_BYTES:
        raise TamperedContent("a journal frame states an impossible length")
    return length


def check_body(prefix: bytes, body: bytes) -> None:
    """Raise TamperedContent unless the body is the one that the prefix was made for."""
    if _PREFIX.unpack(prefix) != (len(body), _crc32c(body)):
        raise TamperedContent("a journal frame does not fit its checksum")


class JournalHeader(NamedTuple):
    """A journal's first frame."""

    journal: JournalId
    epoch: Epoch
    region: Region
    certificate: BootCertificate

    def encode(self) -> bytes:
        """The body after the type byte."""
        region = self.region.encode()
        fixed = _HEADER.pack(VERSION, self.journal, self.epoch, len(region))
        return fixed + region + encode_certificate(self.certificate)

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read it. Raises TamperedContent."""
        try:
            version, journal, epoch, region_bytes = _HEADER.unpack_from(content)
            rest = content[_HEADER.size :]
            if version != VERSION or not 1 <= region_bytes <= 32:
                raise ValueError("version or region")
            region = Region(rest[:region_bytes].decode("ascii"))
            certificate = decode_certificate(rest[region_bytes:])
        except (struct.error, ValueError):
            raise TamperedContent(
                "a journal's header is not of version 1; upgrade Bailee to read it"
            ) from None
        return cls(JournalId(journal), Epoch(epoch), region, certificate)


def encode_certificate(certificate: BootCertificate) -> bytes:
    """A boot certificate as journals, rows and segments keep it."""
    return msgspec.msgpack.encode(certificate)


def decode_certificate(encoded: bytes) -> BootCertificate:
    """Read a stored boot certificate. Raises ValueError (msgspec's errors are ValueErrors)."""
    return msgspec.msgpack.decode(encoded, type=BootCertificate)


class SignedRoot(NamedTuple):
    """A root frame: the tree over the journal's first `parts` parts, signed by the boot key."""

    parts: int
    root: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The body after the type byte."""
        return _ROOT.pack(*self)

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read it. Raises TamperedContent."""
        try:
            return cls(*_ROOT.unpack(content))
        except struct.error:
            raise TamperedContent("a journal's root frame cannot be read") from None


def encode_session(frame: SessionFrame, purpose: Purpose) -> bytes:
    """A session frame's body after the type byte."""
    return _SESSION.pack(frame.session, purpose.code, frame.encapsulation)


def session_of(content: bytes) -> tuple[SessionId, Purpose]:
    """Which session a session frame begins, and for which purpose. Raises TamperedContent."""
    try:
        session, code, _ = _SESSION.unpack(content)
        return SessionId(session), Purpose.from_code(code)
    except (struct.error, ValueError):
        raise TamperedContent("a journal's session frame cannot be read") from None


def encode_scope(frame: ScopeFrame) -> bytes:
    """A scope frame's body after the type byte."""
    return _SCOPE.pack(frame.session, frame.number, frame.generation, frame.encapsulation)


def scope_of(content: bytes) -> tuple[SessionId, int]:
    """Which session's which scope a scope frame begins. Raises TamperedContent."""
    try:
        session, number, _, _ = _SCOPE.unpack(content)
        return SessionId(session), number
    except struct.error:
        raise TamperedContent("a journal's scope frame cannot be read") from None

"""The sealed part: its clear header, its wraps, its hashes. Format: docs/formats/part.md.

Encoding and decoding only; `session` seals and `opening` opens. A decoder refuses what it does not
know rather than guess.
"""

import hashlib
import struct
from typing import Final, NamedTuple, Self

from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import JournalId, ProjectId, Purpose, RecordId, Region, TenantId
from bailee.kernel.instants import Epoch, Instant

VERSION: Final = 1
KIND_PROMPT: Final = 1
KIND_ANSWER: Final = 2
FLAG_FINAL: Final = 1
"""The record is complete with this part; its receipt commitment is set."""
FLAG_BROKEN: Final = 2
"""The answer ended otherwise than by its own end: upstream broke, or recording was cut short."""

NO_HASH: Final = bytes(32)

_HEADER: Final = struct.Struct(">BBBBHIIQIQ16s16sI32s32s32sI")
_HEADER_START: Final = struct.Struct(">BBBBHIIQIQ16s16sI32s32s")
_HEADER_END: Final = struct.Struct(">32sI")
_WRAP: Final = struct.Struct(">B16sII48s")
_pack_start = _HEADER_START.pack
_pack_end = _HEADER_END.pack
encode_wrap = _WRAP.pack
"""Purpose's code, session, scope number, chain index, wrapped key: the wrap as stored."""
_CONTEXT: Final = struct.Struct(">IQI I 16s16s I 32s")
_CONTEXT_LABEL: Final = b"bailee/1/part\x00"
_pack_context = _CONTEXT.pack

_sha256 = hashlib.sha256


class Owner(NamedTuple):
    """Whose content it is, asserted by whoever seals or opens; part of the additional data."""

    tenant: TenantId
    project: ProjectId
    region: Region


class PartHeader(NamedTuple):
    """What a part shows without being opened. No content, no clear tenant or project."""

    kind: int
    flags: int
    endpoint: int
    """A code of `ENDPOINTS`."""
    status: int
    """The HTTP status of an answer, 0 for a prompt."""
    part: int
    """0 for the prompt, then 1, 2, … in order."""
    record: RecordId
    sealed_at: Instant
    tenant_pseudonym: bytes
    project_pseudonym: bytes
    generation: int
    """The generation of the project's scope key pair."""
    previous: bytes
    """The record hash of the part before this one; zeros for the first."""
    receipt_commitment: bytes
    """C of the finished record; zeros unless FLAG_FINAL."""
    key_commitment: bytes
    content_bytes: int
    """The content's length before compression."""

    def encode(self) -> bytes:
        """The header as stored, hashed and authenticated."""
        return header_of(self.start(), self.key_commitment, self.content_bytes)

    def start(self) -> bytes:
        """The header without its last two fields, as `seal_part` takes it."""
        return header_start(*self[:-2])

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read a stored header. Raises TamperedContent if it is none of this version."""
        if len(encoded) != _HEADER.size or encoded[0] != VERSION:
            raise TamperedContent("a part's header is not of version 1; upgrade Bailee to read it")
        (_, kind, flags, endpoint, status, part, epoch, journal, frame, *rest) = _HEADER.unpack(
            encoded
        )
        record = RecordId(Epoch(epoch), JournalId(journal), frame)
        return cls(kind, flags, endpoint, status, part, record, *rest)


HEADER_BYTES: Final = _HEADER.size


def header_start(
    kind: int,
    flags: int,
    endpoint: int,
    status: int,
    part: int,
    record: RecordId,
    sealed_at: Instant,
    tenant_pseudonym: bytes,
    project_pseudonym: bytes,
    generation: int,
    previous: bytes,
    receipt_commitment: bytes,
) -> bytes:
    """A header as far as it is known before its content is sealed; see `PartHeader`."""
    epoch, journal, frame = record
    return _pack_start(
        VERSION, kind, flags, endpoint, status, part, epoch, journal, frame, sealed_at,
        tenant_pseudonym, project_pseudonym, generation, previous, receipt_commitment,
    )  # fmt: skip


def header_of(start: bytes, key_commitment: bytes, content_bytes: int) -> bytes:
    """The whole header: its start, and what is known when the content is sealed."""
    return start + _pack_end(key_commitment, content_bytes)


class Wrap(NamedTuple):
    """A part's content key, wrapped for one purpose."""

    purpose: Purpose
    session: bytes
    scope_number: int
    """Which scope frame of the session."""
    chain_index: int
    wrapped: bytes
    """48 bytes: the content key under AES-256-GCM."""

    def encode(self) -> bytes:
        """The wrap as stored."""
        return _WRAP.pack(
            self.purpose.code, self.session, self.scope_number, self.chain_index, self.wrapped
        )

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read a stored wrap. Raises TamperedContent."""
        try:
            code, session, scope_number, chain_index, wrapped = _WRAP.unpack(encoded)
            purpose = Purpose.from_code(code)
        except (struct.error, ValueError):
            raise TamperedContent("a stored wrap cannot be read") from None
        return cls(purpose, session, scope_number, chain_index, wrapped)


WRAP_BYTES: Final = _WRAP.size


class SealedPart(NamedTuple):
    """A part as stored: `header`, one wrap per purpose, ciphertext."""

    header: bytes
    wraps: tuple[bytes, ...]
    ciphertext: bytes

    def encode(self) -> bytes:
        """Header, number of wraps (1 byte), wraps, ciphertext."""
        return b"".join(self.pieces())

    def pieces(self) -> tuple[bytes, ...]:
        """What `encode` joins."""
        return (self.header, bytes((len(self.wraps),)), *self.wraps, self.ciphertext)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The reverse of `encode`. Raises TamperedContent when the lengths do not fit."""
        if len(encoded) <= HEADER_BYTES:
            raise TamperedContent("a stored part is cut short")
        begin = HEADER_BYTES + 1
        end = begin + WRAP_BYTES * encoded[HEADER_BYTES]
        if len(encoded) < end:
            raise TamperedContent("a stored part is cut short")
        wraps = tuple(encoded[at : at + WRAP_BYTES] for at in range(begin, end, WRAP_BYTES))
        return cls(encoded[:HEADER_BYTES], wraps, encoded[end:])

    def wrap_for(self, purpose: Purpose) -> Wrap | None:
        """The wrap of one purpose, if the part has it."""
        for encoded in self.wraps:
            if encoded[0] == purpose.code:
                return Wrap.decode(encoded)
        return None


def part_hash(header_hash: bytes, ciphertext_hash: bytes) -> bytes:
    """H(part): covers the header and the ciphertext, not the wraps, so that a copy under another
    purpose's wrap stays under the same root."""
    return _sha256(header_hash + ciphertext_hash).digest()


def record_hash(previous: bytes, part: bytes) -> bytes:
    """S: covers all parts of the record up to this one, in order."""
    return _sha256(previous + part).digest()


def leaf_hash(receipt_commitment: bytes, record: bytes) -> bytes:
    """The RFC 6962 leaf hash of a part in its journal: H(0x00 ‖ C ‖ S)."""
    return _sha256(b"\x00" + receipt_commitment + record).digest()


def receipt_commitment(receipt_key: bytes, request_hash: bytes, answer_hash: bytes) -> bytes:
    """C = H(r ‖ H(request) ‖ H(answer)), of the bytes as they were on the wire."""
    return _sha256(receipt_key + request_hash + answer_hash).digest()


def additional_data(owner: Owner, record: RecordId, part: int, header_hash: bytes) -> bytes:
    """What a part's content is bound to; `wrap_data` adds the purpose for a wrap."""
    tenant, project, region = owner
    epoch, journal, frame = record
    packed = _pack_context(epoch, journal, frame, part, tenant, project, epoch, header_hash)
    return b"%b%b%b" % (_CONTEXT_LABEL, packed, region.encode())


def wrap_data(purpose: Purpose, additional: bytes) -> bytes:
    """What a wrap is bound to."""
    return bytes((purpose.code,)) + additional


ENDPOINTS: Final = {
    1: "/v1/chat/completions",
    2: "/v1/completions",
    3: "/v1/embeddings",
    4: "/v1/responses",
}
"""What a header's endpoint code stands for. Codes are stored: never reused."""
ENDPOINT_CODES: Final = {path: code for code, path in ENDPOINTS.items()}

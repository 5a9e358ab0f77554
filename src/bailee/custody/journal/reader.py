"""Reading a journal, strictly and within bounded memory. Format: docs/formats/journal.md.

`scan` goes through a whole journal and keeps where each part lies, never its ciphertext. A journal
whose end was torn gives what stands under its last good root; whoever needs a closed one calls
`require_closed`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bailee.custody.journal import frames
from bailee.custody.journal.frames import (
    PREFIX_BYTES,
    JournalHeader,
    SignedRoot,
    body_length,
    check_body,
)
from bailee.custody.journal.places import parse_path
from bailee.custody.journal.root import verify_root
from bailee.custody.seal.part import (
    HEADER_BYTES,
    PartHeader,
    SealedPart,
    Wrap,
    leaf_hash,
    part_hash,
    record_hash,
)
from bailee.kernel.errors import TamperedContent
from bailee.kernel.redacted import hidden
from bailee.ports.files import Files
from bailee.transparency.tree import CompactRange

_CHUNK_BYTES: Final = 1024 * 1024


class Frame(NamedTuple):
    """A frame that fits its checksum."""

    kind: int
    content: bytes
    """The body after the type byte."""
    offset: int
    """Where `content` begins in the file."""

    def __repr__(self) -> str:
        return hidden(self)

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + len(self.content)


class PlacedPart(NamedTuple):
    """Where a part lies in its journal, and what is needed to find and sort it."""

    position: int
    offset: int
    size_bytes: int
    record: bytes
    part: int
    project_pseudonym: bytes
    leaf: bytes


@dataclass(slots=True)
class JournalScan:
    """What a journal holds up to its last good root."""

    header: JournalHeader
    sessions: dict[bytes, bytes] = field(default_factory=dict)
    """Bodies of session frames by session."""
    scopes: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    """Bodies of scope frames by session and number."""
    parts: list[PlacedPart] = field(default_factory=list)
    signed: SignedRoot | None = None
    """The last root whose signature and tree agree."""
    end: int = 0
    """Where that root's frame ends."""
    closed: bool = False
    """Whether a close frame follows it, and nothing after."""
    flaw: str | None = None
    """Why reading stopped before the end of the file, if it did."""

    def leaves(self) -> list[bytes]:
        """The leaves of the tree, in order."""
        return [part.leaf for part in self.parts]


def read_frames(files: Files, path: str, offset: int = 0) -> Iterator[Frame]:
    """The frames of a file, in order. Raises TamperedContent at the first that is none."""
    size = files.size_bytes(path)
    buffer, begin = b"", offset
    while offset < size:
        buffer, begin = _filled(files, path, buffer, begin, offset, PREFIX_BYTES)
        at = offset - begin
        prefix = buffer[at : at + PREFIX_BYTES]
        if len(prefix) < PREFIX_BYTES:
            raise TamperedContent("a journal ends within a frame")
        length = body_length(prefix)
        if offset + PREFIX_BYTES + length > size:
            raise TamperedContent("a journal ends within a frame")
        buffer, begin = _filled(files, path, buffer, begin, offset, PREFIX_BYTES + length)
        at = offset - begin + PREFIX_BYTES
        body = buffer[at : at + length]
        check_body(prefix, body)
        yield Frame(body[0], body[1:], offset + PREFIX_BYTES + 1)
        offset += PREFIX_BYTES + length


def _filled(
    files: Files, path: str, buffer: bytes, begin: int, offset: int, size_bytes: int
) -> tuple[bytes, int]:
    """A buffer, and where it begins, that holds `size_bytes` from `offset` if the file does."""
    if offset - begin + size_bytes <= len(buffer):
        return buffer, begin
    return files.read(path, offset, max(size_bytes, _CHUNK_BYTES)), offset


def scan(files: Files, path: str) -> JournalScan | None:
    """Go through a journal. None if it has no readable header, or one of another journal.

    Raises FileNotFoundError.
    """
    reading = read_frames(files, path)
    try:
        first = next(reading, None)
        if first is None or first.kind != frames.HEADER:
            return None
        header = JournalHeader.decode(first.content)
    except TamperedContent:
        return None
    if parse_path(path) != (header.region, header.epoch, header.journal):
        return None
    found = JournalScan(header, end=first.end)
    tree = CompactRange()
    parts: list[PlacedPart] = []
    try:
        for frame in reading:
            _take_frame(found, frame, parts, tree)
    except TamperedContent as flaw:
        found.flaw = str(flaw)
    return found


def _take_frame(
    found: JournalScan, frame: Frame, parts: list[PlacedPart], tree: CompactRange
) -> None:
    if found.closed:
        found.closed = False
        raise TamperedContent("a journal goes on after its close frame")
    match frame.kind:
        case frames.SESSION:
            session, _ = frames.session_of(frame.content)
            found.sessions[session] = frame.content
        case frames.SCOPE:
            found.scopes[frames.scope_of(frame.content)] = frame.content
        case frames.PART:
            placed = _placed(found, frame, tree.size)
            parts.append(placed)
            tree.append(placed.leaf)
        case frames.ROOT:
            signed = SignedRoot.decode(frame.content)
            agrees = (signed.parts, signed.root) == (tree.size, tree.root())
            if not agrees or not verify_root(found.header, signed):
                raise TamperedContent("a journal's root does not agree with its parts")
            found.parts.extend(parts)
            parts.clear()
            found.signed, found.end = signed, frame.end
        case frames.CLOSE:
            if frame.content or found.signed is None or frame.offset != found.end + 9:
                raise TamperedContent("a journal's close frame does not follow a root")
            found.closed = True
        case _:
            raise TamperedContent("a journal has a frame of an unknown type; upgrade Bailee")


def _placed(found: JournalScan, frame: Frame, position: int) -> PlacedPart:
    sealed = SealedPart.decode(frame.content)
    header = PartHeader.decode(sealed.header)
    for encoded in sealed.wraps:
        wrap = Wrap.decode(encoded)
        known = (wrap.session, wrap.scope_number) in found.scopes and wrap.session in found.sessions
        if not known:
            raise TamperedContent("a part uses a session that its journal has not begun")
    return PlacedPart(
        position,
        frame.offset,
        len(frame.content),
        header.record.packed(),
        header.part,
        header.project_pseudonym,
        leaf_of(sealed, header),
    )


def leaf_of(sealed: SealedPart, header: PartHeader) -> bytes:
    """The leaf of a stored part (docs/formats/part.md, Hashes)."""
    part = part_hash(
        hashlib.sha256(sealed.header).digest(), hashlib.sha256(sealed.ciphertext).digest()
    )
    return leaf_hash(header.receipt_commitment, record_hash(header.previous, part))


def require_closed(found: JournalScan | None, root: bytes) -> JournalScan:
    """The scan, if it is of a whole closed journal under `root`. Raises TamperedContent."""
    if found is None or not found.closed or found.flaw is not None:
        raise TamperedContent("a closed journal cannot be read to its end; inspect the disk")
    if found.signed is None or found.signed.root != root:
        raise TamperedContent("a journal is not under the root in its row; inspect the disk")
    return found


def read_part(files: Files, path: str, placed: PlacedPart) -> SealedPart:
    """A part's bytes, checked against its leaf. Raises TamperedContent."""
    encoded = files.read(path, placed.offset, placed.size_bytes)
    if len(encoded) <= HEADER_BYTES:
        raise TamperedContent("a journal was cut after it was closed; inspect the disk")
    sealed = SealedPart.decode(encoded)
    if leaf_of(sealed, PartHeader.decode(sealed.header)) != placed.leaf:
        raise TamperedContent("a part changed after its journal was closed; inspect the disk")
    return sealed

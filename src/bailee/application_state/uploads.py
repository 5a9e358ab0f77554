"""Uploads: a large file in parts, put together when its owner says so, within an hour.

An upload and its parts are kept like everything else, under secrets whose deadline is the upload's
hour: what is not completed dies by itself. Its row, without content, says for good that it expired;
its name died with its secret, so it is refused with those words and never shown as an upload.
Completing reads the parts in the order that the owner gives and seals them anew as one file, chunk
by chunk; then the parts are destroyed.

Crash order of completing: the file's name is written into the upload, then the file is kept, then
the upload says that it is completed, then the parts go. Asked again after a crash, whatever is
missing of this is done; a file that was kept is not made twice.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from bailee.application_state.deletion import Deletion
from bailee.application_state.files import (
    FileDetails,
    Files,
    FileTerms,
    KeptFile,
    checked_filename,
    expiry_ms,
)
from bailee.application_state.keeping import Keeping, KeptFor, New, Opened, Terms
from bailee.application_state.model import PREFIXES, HeldObject, Kind
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.instants import HOUR_MS, Instant
from bailee.kernel.redacted import hidden

MAX_UPLOAD_BYTES: Final = 8 * 1024**3
MAX_PART_BYTES: Final = 64 * 1024**2
UPLOAD_MS: Final = HOUR_MS
_MOST_PARTS: Final = 10_000
_ID_BYTES: Final = 16

PENDING: Final = "pending"
COMPLETING: Final = "completing"
COMPLETED: Final = "completed"
CANCELLED: Final = "cancelled"


class UploadDetails(msgspec.Struct, frozen=True):
    """What is sealed of an upload."""

    filename: str
    mime_type: str
    purpose: str
    size_bytes: int
    """As announced; completing insists on it."""
    expires_after_ms: int | None
    file: str | None = None
    """The file's identifier, from the beginning of completing on."""

    def __repr__(self) -> str:
        return hidden(self)


class Upload(NamedTuple):
    """An upload, its details opened, and its file once there is one."""

    held: HeldObject
    details: UploadDetails
    file: KeptFile | None = None

    @property
    def status(self) -> str:
        """As the API has it."""
        return PENDING if self.held.label == COMPLETING else self.held.label


class UploadTerms(NamedTuple):
    """What is announced."""

    filename: str
    purpose: str
    size_bytes: int
    mime_type: str
    expires_after_anchor: str | None = None
    expires_after_s: str | None = None

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class Uploads:
    """A project's uploads."""

    files: Files

    @property
    def keeping(self) -> Keeping:
        """Where everything is kept."""
        return self.files.keeping

    @property
    def deletion(self) -> Deletion:
        """How it ends."""
        return self.files.deletion

    async def create(self, whose: KeptFor, terms: UploadTerms) -> Upload:
        """Begin an upload. Raises InvalidInput naming the field."""
        now = self.keeping.clock.now()
        if not 0 <= terms.size_bytes <= MAX_UPLOAD_BYTES:
            raise InvalidInput(
                f"Invalid value for 'bytes': an upload has 0 to {MAX_UPLOAD_BYTES} bytes.",
                field="bytes",
            )
        wanted = FileTerms(terms.purpose, terms.expires_after_anchor, terms.expires_after_s)
        checked = wanted.checked(now)
        lasts_ms = None
        if terms.expires_after_s is not None:
            lasts_ms = expiry_ms(terms.expires_after_s)
        elif checked.expires_at is not None:
            lasts_ms = checked.expires_at - now
        details = UploadDetails(
            checked_filename(terms.filename),
            terms.mime_type[:255],
            terms.purpose,
            terms.size_bytes,
            lasts_ms,
        )
        new = New(Kind.UPLOAD, msgspec.json.encode(details), PENDING, Instant(now + UPLOAD_MS))
        return Upload(await self.keeping.keep(whose, new), details)

    async def add_part(
        self, whose: KeptFor, public_id: str, content: AsyncIterator[bytes]
    ) -> HeldObject:
        """Keep a part.

        Raises NotFound, InvalidInput if the upload has expired, Conflict unless it is pending.
        """
        opened, _ = await self._find(whose, public_id)
        _require_pending(opened.held)
        new = New(
            Kind.UPLOAD_PART,
            b"{}",
            expires_at=opened.held.expires_at,
            parent=opened.held.object,
        )
        return await self.keeping.keep(whose, new, content)

    async def complete(
        self, whose: KeptFor, public_id: str, part_ids: list[str], md5: str | None
    ) -> Upload:
        """Put the file together.

        Raises:
            InvalidInput: an unknown or repeated part, another length than announced, another MD5;
                the upload has expired.
            Conflict: the upload is not pending. NotFound: there is no such upload.
        """
        opened, details = await self._find(whose, public_id)
        if opened.held.label == COMPLETED:
            return await self._completed(whose, opened, details)
        if opened.held.label != COMPLETING:
            _require_pending(opened.held)
        elif details.file is not None:
            # A crash, or an impatient client: the file may be there already.
            try:
                await self.files.find(whose, details.file)
                return await self._finish(whose, opened, details)
            except NotFound:
                pass
        parts = await self._parts(whose, opened.held, part_ids)
        if sum(part.size_bytes for part in parts) != details.size_bytes:
            raise InvalidInput(
                f"The parts have {sum(part.size_bytes for part in parts)} bytes together, and "
                f"{details.size_bytes} were announced. Send what is missing, or begin anew.",
                field="part_ids",
            )
        name = PREFIXES[Kind.FILE] + self.keeping.randomness.random_bytes(_ID_BYTES).hex()
        details = msgspec.structs.replace(details, file=name)
        held = await self.keeping.change(whose, opened, msgspec.json.encode(details), COMPLETING)
        opened = opened._replace(held=held)
        await self._make_file(whose, details, parts, md5)
        try:
            return await self._finish(whose, opened, details)
        except Conflict:
            # Completed twice at once: the other one's file is the upload's.
            await self.files.delete(whose, name)
            raise

    async def cancel(self, whose: KeptFor, public_id: str) -> Upload:
        """End an upload and destroy its parts.

        Raises NotFound, InvalidInput if it has expired, Conflict if it was completed.
        """
        opened, details = await self._find(whose, public_id)
        if opened.held.label == CANCELLED:
            return Upload(opened.held, details)
        _require_pending(opened.held)
        encoded = msgspec.json.encode(details)
        held = await self.keeping.change(whose, opened, encoded, CANCELLED)
        await self._drop_parts(whose, held)
        return Upload(held, details)

    async def _make_file(
        self, whose: KeptFor, details: UploadDetails, parts: list[HeldObject], md5: str | None
    ) -> None:
        checked = hashlib.md5(usedforsecurity=False)

        async def content() -> AsyncIterator[bytes]:
            for part in parts:
                async for piece in self.keeping.content(whose, part):
                    checked.update(piece)
                    yield piece
            if md5 is not None and checked.hexdigest() != md5.lower():
                raise InvalidInput(
                    "The content has another MD5 than you say. Send it again.", field="md5"
                )

        lasts_ms = details.expires_after_ms
        until = None
        if lasts_ms is not None:
            until = Instant(self.keeping.clock.now() + lasts_ms)
        encoded = msgspec.json.encode(FileDetails(details.filename))
        new = New(Kind.FILE, encoded, details.purpose, until, public_id=details.file)
        await self.keeping.keep(whose, new, content(), lambda: Terms(details.purpose, until))

    async def _finish(self, whose: KeptFor, opened: Opened, details: UploadDetails) -> Upload:
        encoded = msgspec.json.encode(details)
        held = await self.keeping.change(whose, opened, encoded, COMPLETED)
        await self._drop_parts(whose, held)
        return await self._completed(whose, opened._replace(held=held), details)

    async def _completed(self, whose: KeptFor, opened: Opened, details: UploadDetails) -> Upload:
        file = None
        if details.file is not None:
            file = await self.files.find(whose, details.file)
        return Upload(opened.held, details, file)

    async def _find(self, whose: KeptFor, public_id: str) -> tuple[Opened, UploadDetails]:
        try:
            opened = await self.keeping.read(whose, Kind.UPLOAD, public_id)
        except NotFound:
            if await self.keeping.has_expired(whose, Kind.UPLOAD, public_id):
                raise _expired() from None
            raise
        return opened, msgspec.json.decode(opened.details, type=UploadDetails)

    async def _parts(
        self, whose: KeptFor, upload: HeldObject, part_ids: list[str]
    ) -> list[HeldObject]:
        found = {part.public_id: part for part in await self._all_parts(whose, upload)}
        if len(set(part_ids)) != len(part_ids) or not set(part_ids) <= found.keys():
            raise InvalidInput(
                "Invalid value for 'part_ids': name each part of this upload once, in order.",
                field="part_ids",
            )
        return [found[name] for name in part_ids]

    async def _all_parts(self, whose: KeptFor, upload: HeldObject) -> list[HeldObject]:
        page = await self.keeping.page(
            whose, Kind.UPLOAD_PART, parent=upload.object, limit=_MOST_PARTS, descending=False
        )
        return page.objects

    async def _drop_parts(self, whose: KeptFor, upload: HeldObject) -> None:
        parts = await self._all_parts(whose, upload)
        for at in range(0, len(parts), 500):
            await self.deletion.delete(whose, parts[at : at + 500])


def _expired() -> InvalidInput:
    return InvalidInput(
        "This upload has expired: its hour is over, and whatever of it was not completed is "
        "destroyed. Begin another.",
        field="upload_id",
    )


def _require_pending(upload: HeldObject) -> None:
    if upload.label != PENDING:
        raise Conflict(f"This upload is {upload.label} already. Begin another.")

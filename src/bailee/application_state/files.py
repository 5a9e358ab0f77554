"""Files: what a project uploads, and what is made for it, each until deleted or until its time.

Names are content: sealed with the file. The purpose is a word of a fixed list, in clear.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import msgspec

from bailee.application_state.deletion import Deletion
from bailee.application_state.keeping import Keeping, KeptFor, New, Terms
from bailee.application_state.model import HeldObject, Kind
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import DAY_MS, SECOND_MS, Instant
from bailee.kernel.numbers import whole_number
from bailee.kernel.redacted import Content, HiddenStruct, hidden

MAX_FILE_BYTES: Final = 512 * 1024 * 1024
UPLOADED_PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
RESULTS: Final = "fine-tune-results"
MADE_PURPOSES: Final = ("batch_output", RESULTS)
"""Of files that are made for a project."""
SHORTEST_S: Final = 3600
LONGEST_S: Final = 2_592_000
BATCH_FILE_MS: Final = 30 * DAY_MS
"""How long a batch's input is kept unless its owner says otherwise."""
_NAME_CHARACTERS: Final = 512


class FileDetails(HiddenStruct, frozen=True):
    """What is sealed beside a file's content."""

    filename: str

    def __repr__(self) -> str:
        return hidden(self)


class KeptFile(NamedTuple):
    """A file, with its name opened."""

    held: HeldObject
    filename: str

    def __repr__(self) -> str:
        return hidden(self)


class FileTerms(NamedTuple):
    """What an upload says of a file besides its content."""

    purpose: str | None
    expires_after_anchor: str | None
    expires_after_s: str | None

    def __repr__(self) -> str:
        return hidden(self)

    def checked(self, now: Instant) -> Terms:
        """As it is kept. Raises InvalidInput naming the field."""
        if self.purpose not in UPLOADED_PURPOSES:
            raise InvalidInput(
                "Invalid value for 'purpose'. Supported values are: "
                + ", ".join(f"'{known}'" for known in UPLOADED_PURPOSES)
                + ".",
                field="purpose",
            )
        if self.expires_after_anchor is None and self.expires_after_s is None:
            until = Instant(now + BATCH_FILE_MS) if self.purpose == "batch" else None
            return Terms(self.purpose, until)
        if self.expires_after_anchor != "created_at":
            raise InvalidInput(
                "Invalid value for 'expires_after[anchor]': only 'created_at' is supported.",
                field="expires_after.anchor",
            )
        return Terms(self.purpose, Instant(now + expiry_ms(self.expires_after_s)))


def expiry_ms(seconds: str | int | None, field: str = "expires_after.seconds") -> int:
    """A lifetime in milliseconds. Raises InvalidInput unless it is an hour to thirty days."""
    number = whole_number(str(seconds), SHORTEST_S, LONGEST_S)
    if number is None:
        raise InvalidInput(
            f"Invalid value for '{field}': write a number of seconds from "
            f"{SHORTEST_S} to {LONGEST_S}.",
            field=field,
        )
    return number * SECOND_MS


@dataclass(slots=True)
class Files:
    """A project's files."""

    keeping: Keeping
    deletion: Deletion

    async def create(
        self, whose: KeptFor, filename: str, content: AsyncIterator[bytes], terms: FileTerms
    ) -> KeptFile:
        """Keep a file whose terms are known. Raises InvalidInput; see `Keeping.keep`."""
        checked = terms.checked(self.keeping.clock.now())
        return await self.made(whose, filename, checked.label, checked.expires_at, content)

    async def arriving(self, whose: KeptFor, arriving: "Arriving") -> KeptFile:
        """Keep a file while its form arrives, in whichever order."""
        now = self.keeping.clock.now()
        new = New(Kind.FILE, msgspec.json.encode(FileDetails("")))

        def settled() -> Terms:
            details = FileDetails(checked_filename(arriving.filename))
            return arriving.terms.checked(now)._replace(details=msgspec.json.encode(details))

        async def content() -> AsyncIterator[bytes]:
            async for part in arriving.content():
                yield part
            settled()  # what is refused must leave nothing behind

        held = await self.keeping.keep(whose, new, content(), settled)
        return KeptFile(held, checked_filename(arriving.filename))

    async def made(
        self,
        whose: KeptFor,
        filename: str,
        purpose: str,
        expires_at: Instant | None,
        content: AsyncIterator[bytes],
        parent: HeldObject | None = None,
        public_id: str | None = None,
    ) -> KeptFile:
        """Keep a file of any purpose; deleting `parent` takes it along."""
        name = checked_filename(filename)
        details = msgspec.json.encode(FileDetails(name))
        above = None if parent is None else parent.object
        new = New(Kind.FILE, details, purpose, expires_at, above, public_id)
        return KeptFile(await self.keeping.keep(whose, new, content), name)

    async def find(self, whose: KeptFor, public_id: str) -> KeptFile:
        """One file. Raises NotFound."""
        opened = await self.keeping.read(whose, Kind.FILE, public_id)
        return KeptFile(opened.held, _name(opened.details))

    async def page(
        self,
        whose: KeptFor,
        *,
        purpose: str | None,
        after: str | None,
        limit: int,
        descending: bool,
    ) -> tuple[list[KeptFile], bool]:
        """A part of the list, and whether there is more."""
        page = await self.keeping.page(
            whose, Kind.FILE, label=purpose, after=after, limit=limit, descending=descending
        )
        opened = await self.keeping.listed(whose, page.objects)
        return [KeptFile(one.held, _name(one.details)) for one in opened], page.has_more

    async def delete(self, whose: KeptFor, public_id: str) -> None:
        """Destroy a file, its copy for abuse monitoring and what was derived from it.

        Raises NotFound, also when it was deleted before.
        """
        held = await self.keeping.find(whose, Kind.FILE, public_id)
        await self.deletion.delete(whose, [held])


class Arriving(Protocol):
    """A form's file as its parts arrive: `content` first, then `filename` and `terms`."""

    filename: str

    @property
    def terms(self) -> FileTerms:
        """What the other fields say."""
        ...

    def content(self) -> AsyncIterator[bytes]:
        """The file's bytes; at their end every field of the form is known."""
        ...


def checked_filename(filename: str) -> str:
    """A file's name. Raises InvalidInput."""
    if not filename or len(filename) > _NAME_CHARACTERS or not filename.isprintable():
        raise InvalidInput(
            f"A file needs a name of 1 to {_NAME_CHARACTERS} printable characters.", field="file"
        )
    return filename


def _name(details: Content) -> str:
    return msgspec.json.decode(details, type=FileDetails).filename

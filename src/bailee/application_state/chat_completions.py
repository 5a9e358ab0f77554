"""Chat completions that are kept for their owner: thirty days, or until they are deleted."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from bailee.application_state.deletion import Deletion
from bailee.application_state.keeping import Keeping, KeptFor, New, Opened
from bailee.application_state.model import Kind
from bailee.kernel.errors import NotFound
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import hidden

Document = dict[str, Any]

_AT_ONCE: Final = 100


class StoredChat(msgspec.Struct, frozen=True):
    """What is sealed of a chat completion."""

    completion: Document
    messages: list[Document]
    """Of the request."""

    def __repr__(self) -> str:
        return hidden(self)


class Wanted(NamedTuple):
    """Which of the stored completions are listed."""

    model: str | None
    metadata: dict[str, str]

    def holds(self, completion: Document) -> bool:
        """Whether a completion is among them."""
        if self.model is not None and completion.get("model") != self.model:
            return False
        said = completion.get("metadata") or {}
        return all(said.get(name) == value for name, value in self.metadata.items())

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class ChatCompletions:
    """The chat completions that are kept. One for each process."""

    keeping: Keeping
    deletion: Deletion

    async def keep(self, whose: KeptFor, stored: StoredChat, until: Instant | None) -> None:
        """Keep a completion under its own identifier. Raises as `Keeping.keep`."""
        await self.keeping.keep(
            whose,
            New(
                Kind.CHAT_COMPLETION,
                msgspec.json.encode(stored),
                expires_at=until,
                public_id=stored.completion["id"],
                often=True,
            ),
        )

    async def read(self, whose: KeptFor, name: str) -> tuple[Opened, StoredChat]:
        """A completion of one's own. Raises NotFound."""
        try:
            opened = await self.keeping.read(whose, Kind.CHAT_COMPLETION, name)
        except NotFound:
            raise NotFound("There is no such chat completion, or it was deleted.") from None
        return opened, _decoded(opened)

    async def page(
        self, whose: KeptFor, wanted: Wanted, after: str | None, limit: int, *, descending: bool
    ) -> tuple[list[Document], bool]:
        """The completions behind the one called `after`, and whether there are more."""
        found: list[Document] = []
        while True:
            page = await self.keeping.page(
                whose, Kind.CHAT_COMPLETION, after=after, limit=_AT_ONCE, descending=descending
            )
            for opened in await self.keeping.listed(whose, page.objects):
                completion = _decoded(opened).completion
                if not wanted.holds(completion):
                    continue
                if len(found) == limit:
                    return found, True
                found.append(completion)
            if not page.has_more:
                return found, False
            after = page.objects[-1].public_id

    async def change(self, whose: KeptFor, name: str, metadata: dict[str, str]) -> Document:
        """Replace a completion's metadata. Raises NotFound, Conflict."""
        opened, stored = await self.read(whose, name)
        completion = stored.completion | {"metadata": metadata}
        changed = StoredChat(completion, stored.messages)
        await self.keeping.change(whose, opened, msgspec.json.encode(changed))
        return completion

    async def delete(self, whose: KeptFor, name: str) -> None:
        """Destroy a completion. Raises NotFound."""
        opened, _ = await self.read(whose, name)
        await self.deletion.delete(whose, [opened.held])


def _decoded(opened: Opened) -> StoredChat:
    return msgspec.json.decode(opened.details, type=StoredChat)

"""Conversations: items that are kept, in order, until their owner deletes them.

Promises: each item is a thing of its own, under a secret of its own, so that deleting one is final;
deleting the conversation takes them all along.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bailee.application_state.deletion import Deletion
from bailee.application_state.items import Item, ItemsPage
from bailee.application_state.keeping import Keeping, KeptFor, New, Opened
from bailee.application_state.model import HeldObject, Kind
from bailee.kernel.errors import NotFound

Document = dict[str, Any]

_AT_ONCE: Final = 100


@dataclass(slots=True)
class Conversations:
    """The conversations that are kept. One for each process."""

    keeping: Keeping
    deletion: Deletion

    async def create(self, whose: KeptFor, metadata: dict[str, str], items: list[Item]) -> Document:
        """Begin a conversation. Raises as `Keeping.keep`."""
        details = msgspec.json.encode({"metadata": metadata})
        held = await self.keeping.keep(whose, New(Kind.CONVERSATION, details))
        await self.append(whose, held, items)
        return _document(held, metadata)

    async def find(self, whose: KeptFor, conversation: str) -> HeldObject:
        """A conversation, unopened. Raises NotFound."""
        try:
            return await self.keeping.find(whose, Kind.CONVERSATION, conversation)
        except NotFound:
            raise NotFound("There is no such conversation, or it was deleted.") from None

    async def read(self, whose: KeptFor, conversation: str) -> Document:
        """A conversation. Raises NotFound."""
        return _shown(await self._opened(whose, conversation))

    async def change(self, whose: KeptFor, conversation: str, metadata: dict[str, str]) -> Document:
        """Replace a conversation's metadata. Raises NotFound, Conflict."""
        opened = await self._opened(whose, conversation)
        await self.keeping.change(whose, opened, msgspec.json.encode({"metadata": metadata}))
        return _document(opened.held, metadata)

    async def delete(self, whose: KeptFor, conversation: str) -> None:
        """Destroy a conversation and its items. Raises NotFound."""
        await self.deletion.delete(whose, [await self.find(whose, conversation)])

    async def append(self, whose: KeptFor, held: HeldObject, items: list[Item]) -> None:
        """Add items at the end, under their own identifiers."""
        for item in items:
            await self.keeping.keep(
                whose,
                New(
                    Kind.ITEMS,
                    msgspec.json.encode(item),
                    parent=held.object,
                    public_id=item["id"],
                ),
            )

    async def items(self, whose: KeptFor, held: HeldObject) -> list[Item]:
        """All items, oldest first."""
        items: list[Item] = []
        after: str | None = None
        while True:
            page = await self.page(whose, held, after, _AT_ONCE, descending=False)
            items += page.items
            if not page.has_more:
                return items
            after = page.items[-1]["id"]

    async def page(
        self, whose: KeptFor, held: HeldObject, after: str | None, limit: int, *, descending: bool
    ) -> ItemsPage:
        """A part of the items."""
        page = await self.keeping.page(
            whose,
            Kind.ITEMS,
            parent=held.object,
            after=after,
            limit=limit,
            descending=descending,
        )
        opened = await self.keeping.listed(whose, page.objects)
        return ItemsPage([msgspec.json.decode(one.details) for one in opened], page.has_more)

    async def item(self, whose: KeptFor, conversation: str, item: str) -> Item:
        """One item. Raises NotFound."""
        found = await self._item(whose, conversation, item)
        (opened,) = await self.keeping.opened(whose, [found])
        shown: Item = msgspec.json.decode(opened.details)
        return shown

    async def delete_item(self, whose: KeptFor, conversation: str, item: str) -> Document:
        """Destroy one item; gives the conversation. Raises NotFound."""
        await self.deletion.delete(whose, [await self._item(whose, conversation, item)])
        return await self.read(whose, conversation)

    async def _item(self, whose: KeptFor, conversation: str, item: str) -> HeldObject:
        held = await self.find(whose, conversation)
        try:
            found = await self.keeping.find(whose, Kind.ITEMS, item)
        except NotFound:
            found = None
        if found is None or found.parent != held.object:
            raise NotFound("The conversation has no such item, or it was deleted.")
        return found

    async def _opened(self, whose: KeptFor, conversation: str) -> Opened:
        (opened,) = await self.keeping.opened(whose, [await self.find(whose, conversation)])
        return opened


def _shown(opened: Opened) -> Document:
    return _document(opened.held, msgspec.json.decode(opened.details)["metadata"])


def _document(held: HeldObject, metadata: dict[str, str]) -> Document:
    return {
        "id": held.public_id,
        "object": "conversation",
        "created_at": held.created_at // 1000,
        "metadata": metadata,
    }

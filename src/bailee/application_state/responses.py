"""Responses that are kept for their owner: thirty days, or until they are deleted.

Promises: a Response and its own input are one thing, under one secret. What came before it is not
copied: `previous_response_id` names it, and the Responses of a chain are opened together, so that
a deleted one is gone from every later context too.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from bailee.application_state.deletion import Deletion
from bailee.application_state.items import Item
from bailee.application_state.keeping import Keeping, KeptFor, New, Opened
from bailee.application_state.model import Kind
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import hidden

MOST_IN_A_CHAIN: Final = 512
UNFINISHED: Final = frozenset({"queued", "in_progress"})


class StoredResponse(msgspec.Struct, frozen=True):
    """What is sealed of a Response."""

    response: dict[str, Any]
    input: list[Item]
    """Its own, as the API shows it."""
    chain: list[str]
    """What came before, oldest first."""

    def __repr__(self) -> str:
        return hidden(self)


class Context(NamedTuple):
    """What stands before an input."""

    items: list[Item]
    chain: list[str]

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class Responses:
    """The Responses that are kept. One for each process."""

    keeping: Keeping
    deletion: Deletion

    async def keep(self, whose: KeptFor, stored: StoredResponse, until: Instant | None) -> None:
        """Keep a Response under its own identifier. Raises as `Keeping.keep`."""
        response = stored.response
        await self.keeping.keep(
            whose,
            New(
                Kind.RESPONSE,
                msgspec.json.encode(stored),
                response["status"],
                until,
                public_id=response["id"],
                often=True,
            ),
        )

    async def read(self, whose: KeptFor, response_id: str) -> tuple[Opened, StoredResponse]:
        """A Response of one's own. Raises NotFound."""
        try:
            opened = await self.keeping.read(whose, Kind.RESPONSE, response_id)
        except NotFound:
            raise NotFound("There is no such Response, or it was deleted.") from None
        return opened, _decoded(opened)

    async def status(self, whose: KeptFor, response_id: str) -> str:
        """A Response's status, unopened. Raises NotFound."""
        return (await self.keeping.find(whose, Kind.RESPONSE, response_id)).label

    async def change(self, whose: KeptFor, opened: Opened, stored: StoredResponse) -> None:
        """Replace a Response. Raises Conflict if it has changed since it was read."""
        status = stored.response["status"]
        await self.keeping.change(whose, opened, msgspec.json.encode(stored), status)

    async def context(self, whose: KeptFor, response_id: str) -> Context:
        """What was said up to a Response, and by it.

        Raises:
            NotFound: it, or one before it, is gone. InvalidInput: it is not finished.
        """
        _, last = await self.read(whose, response_id)
        if last.response["status"] in UNFINISHED:
            raise InvalidInput("The previous Response has not finished. Wait for it.")
        if len(last.chain) >= MOST_IN_A_CHAIN:
            raise InvalidInput(
                f"A chain has at most {MOST_IN_A_CHAIN} Responses. Use a conversation."
            )
        found = {
            one.held.public_id: _decoded(one)
            for one in await self.keeping.opened(
                whose, await self.keeping.find_all(whose, Kind.RESPONSE, last.chain)
            )
        }
        if len(found) < len(last.chain):
            raise NotFound("A Response that came before was deleted, or its time has passed.")
        items: list[Item] = []
        for stored in (*(found[name] for name in last.chain), last):
            items += stored.input
            items += stored.response["output"]
        return Context(items, [*last.chain, response_id])

    async def delete(self, whose: KeptFor, response_id: str) -> None:
        """Destroy a Response. Raises NotFound."""
        opened, _ = await self.read(whose, response_id)
        await self.deletion.delete(whose, [opened.held])


def _decoded(opened: Opened) -> StoredResponse:
    return msgspec.json.decode(opened.details, type=StoredResponse)

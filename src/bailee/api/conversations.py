"""`/v1/conversations` and their items: shapes alone."""

from collections.abc import Callable
from typing import Any, Final

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest, list_of, paging
from bailee.api.bodies import read_json, read_metadata
from bailee.application_state.conversations import Conversations
from bailee.application_state.items import Item, shown_item
from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import HiddenStruct
from bailee.serving.responses.kept_items import check_kept_items
from bailee.serving.responses.refusals import missing
from bailee.serving.responses.request import check_metadata

Document = dict[str, Any]

_CONVERSATION: Final = "/v1/conversations/{id}"
_ITEMS: Final = "/v1/conversations/{id}/items"
_ITEM: Final = "/v1/conversations/{id}/items/{item}"
MOST_ITEMS: Final = 20
"""Of one request, as the API documents it."""


class _New(HiddenStruct, frozen=True):
    metadata: dict[str, str] | None = None
    items: list[Any] | None = None


class _More(HiddenStruct, frozen=True):
    items: list[Any] | None = None


def conversations_router(
    conversations: Conversations, admit: Admit, new_token: Callable[[], str]
) -> Router:
    """The operations on conversations and on their items."""
    items = _items_handlers(conversations, admit, new_token)

    @post("/v1/conversations", status_code=200, summary="Begin a conversation")
    async def create_conversation(request: AnyRequest) -> Response[Document]:
        """A conversation is kept until it is deleted."""
        admitted = admit(request, "/v1/conversations")
        asked = await read_json(request, _New, empty=True)
        check_metadata(asked.metadata)
        made = await conversations.create(
            admitted.whose, asked.metadata or {}, _shown(asked.items or [], new_token())
        )
        return Response(made, headers=admitted.headers)

    @get("/v1/conversations/{conversation:str}", summary="A conversation")
    async def get_conversation(
        conversation: FromPath[str], request: AnyRequest
    ) -> Response[Document]:
        """A conversation, without its items."""
        admitted = admit(request, f"GET {_CONVERSATION}")
        found = await conversations.read(admitted.whose, conversation)
        return Response(found, headers=admitted.headers)

    @post("/v1/conversations/{conversation:str}", status_code=200, summary="Change its metadata")
    async def update_conversation(
        conversation: FromPath[str], request: AnyRequest
    ) -> Response[Document]:
        """Replace a conversation's metadata."""
        admitted, metadata = admit(request, _CONVERSATION), await read_metadata(request)
        changed = await conversations.change(admitted.whose, conversation, metadata)
        return Response(changed, headers=admitted.headers)

    @delete("/v1/conversations/{conversation:str}", status_code=200, summary="Delete it")
    async def delete_conversation(
        conversation: FromPath[str], request: AnyRequest
    ) -> Response[Document]:
        """The secrets of the conversation and its items are destroyed before this is answered."""
        admitted = admit(request, f"DELETE {_CONVERSATION}")
        await conversations.delete(admitted.whose, conversation)
        gone = {"id": conversation, "object": "conversation.deleted", "deleted": True}
        return Response(gone, headers=admitted.headers)

    return Router("/", route_handlers=[
        create_conversation, get_conversation, update_conversation, delete_conversation, *items,
    ])  # fmt: skip


def _items_handlers(
    conversations: Conversations, admit: Admit, new_token: Callable[[], str]
) -> list[Any]:
    @post("/v1/conversations/{conversation:str}/items", status_code=200, summary="Add items")
    async def create_items(conversation: FromPath[str], request: AnyRequest) -> Response[Document]:
        """Add items at a conversation's end."""
        admitted = admit(request, _ITEMS)
        asked = await read_json(request, _More, empty=True)
        if asked.items is None:
            raise missing("items")
        items = _shown(asked.items, new_token())
        held = await conversations.find(admitted.whose, conversation)
        await conversations.append(admitted.whose, held, items)
        return Response(list_of(items, has_more=False), headers=admitted.headers)

    @get("/v1/conversations/{conversation:str}/items", summary="A conversation's items")
    async def list_items(conversation: FromPath[str], request: AnyRequest) -> Response[Document]:
        """A part of a conversation's items, newest first unless asked otherwise."""
        admitted, part = admit(request, f"GET {_ITEMS}"), paging(request)
        held = await conversations.find(admitted.whose, conversation)
        page = await conversations.page(
            admitted.whose, held, part.after, part.limit, descending=part.descending
        )
        return Response(list_of(page.items, has_more=page.has_more), headers=admitted.headers)

    @get("/v1/conversations/{conversation:str}/items/{item:str}", summary="One item")
    async def get_item(
        conversation: FromPath[str], item: FromPath[str], request: AnyRequest
    ) -> Response[Document]:
        """One item of a conversation."""
        admitted = admit(request, f"GET {_ITEM}")
        found = await conversations.item(admitted.whose, conversation, item)
        return Response(found, headers=admitted.headers)

    @delete(
        "/v1/conversations/{conversation:str}/items/{item:str}",
        status_code=200,
        summary="Delete one item",
    )
    async def delete_item(
        conversation: FromPath[str], item: FromPath[str], request: AnyRequest
    ) -> Response[Document]:
        """The item's secret is destroyed before this is answered."""
        admitted = admit(request, f"DELETE {_ITEM}")
        left = await conversations.delete_item(admitted.whose, conversation, item)
        return Response(left, headers=admitted.headers)

    return [create_items, list_items, get_item, delete_item]


def _shown(items: list[Any], token: str) -> list[Item]:
    if len(items) > MOST_ITEMS:
        raise InvalidInput(f"A request has at most {MOST_ITEMS} items.", field="items")
    check_kept_items(items, "items")
    return [shown_item(item, token, index) for index, item in enumerate(items)]

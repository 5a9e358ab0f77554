"""`/v1/chat/completions` that are kept for their owner. Making them is `serving`'s."""

from typing import Any, Final

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest, list_of, paging
from bailee.api.bodies import metadata_asked, read_metadata
from bailee.application_state.chat_completions import ChatCompletions, Wanted
from bailee.application_state.items import page_of

Document = dict[str, Any]

_CHATS: Final = "/v1/chat/completions"
_CHAT: Final = "/v1/chat/completions/{id}"


def chat_completions_router(chats: ChatCompletions, admit: Admit) -> Router:
    """The operations on stored chat completions."""

    @get("/v1/chat/completions", summary="List stored chat completions")
    async def list_chats(request: AnyRequest) -> Response[Document]:
        """Chat completions that were stored, by model and metadata, oldest first."""
        admitted = admit(request, f"GET {_CHATS}")
        part = paging(request, order="asc")
        found, has_more = await chats.page(
            admitted.whose,
            Wanted(request.query_params.get("model"), metadata_asked(request)),
            part.after,
            part.limit,
            descending=part.descending,
        )
        return Response(list_of(found, has_more=has_more), headers=admitted.headers)

    @get("/v1/chat/completions/{completion:str}", summary="A stored chat completion")
    async def get_chat(completion: FromPath[str], request: AnyRequest) -> Response[Document]:
        """A chat completion that was stored."""
        admitted = admit(request, _CHAT)
        _, stored = await chats.read(admitted.whose, completion)
        return Response(stored.completion, headers=admitted.headers)

    @post("/v1/chat/completions/{completion:str}", status_code=200, summary="Change its metadata")
    async def update_chat(completion: FromPath[str], request: AnyRequest) -> Response[Document]:
        """Replace the metadata of a stored chat completion."""
        admitted, metadata = admit(request, _CHAT), await read_metadata(request)
        changed = await chats.change(admitted.whose, completion, metadata)
        return Response(changed, headers=admitted.headers)

    @delete("/v1/chat/completions/{completion:str}", status_code=200, summary="Delete it")
    async def delete_chat(completion: FromPath[str], request: AnyRequest) -> Response[Document]:
        """The completion's secret is destroyed before this is answered.

        The copy for abuse monitoring lives out its time.
        """
        admitted = admit(request, _CHAT)
        await chats.delete(admitted.whose, completion)
        gone = {"object": "chat.completion.deleted", "id": completion, "deleted": True}
        return Response(gone, headers=admitted.headers)

    @get("/v1/chat/completions/{completion:str}/messages", summary="Its request's messages")
    async def list_messages(completion: FromPath[str], request: AnyRequest) -> Response[Document]:
        """The messages of the request whose completion was stored."""
        admitted, part = admit(request, f"{_CHAT}/messages"), paging(request, order="asc")
        _, stored = await chats.read(admitted.whose, completion)
        messages = [
            message | {"id": f"{completion}-{index}"}
            for index, message in enumerate(stored.messages)
        ]
        page = page_of(messages, part.after, part.limit, descending=part.descending)
        return Response(list_of(page.items, has_more=page.has_more), headers=admitted.headers)

    return Router("/", route_handlers=[
        list_chats, get_chat, update_chat, delete_chat, list_messages,
    ])  # fmt: skip

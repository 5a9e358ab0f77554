"""`/v1/responses/{id}`: Responses that are kept for their owner. Making them is `serving`'s."""

from typing import Any, Final

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest, list_of, paging
from bailee.application_state.items import page_of
from bailee.application_state.responses import Responses
from bailee.kernel.errors import InvalidInput
from bailee.serving.background import Background

Document = dict[str, Any]

_RESPONSE: Final = "/v1/responses/{id}"


def responses_router(responses: Responses, background: Background, admit: Admit) -> Router:
    """The operations on stored Responses."""

    @get("/v1/responses/{response:str}", summary="A stored Response")
    async def get_response(response: FromPath[str], request: AnyRequest) -> Response[Document]:
        """A Response that was stored, as it is now."""
        admitted = admit(request, _RESPONSE)
        if request.query_params.get("stream") == "true":
            raise InvalidInput(
                "A stored Response is given whole. Leave 'stream' out.", field="stream"
            )
        found = await background.read(admitted.whose, response)
        return Response(found, headers=admitted.headers)

    @delete("/v1/responses/{response:str}", status_code=200, summary="Delete a stored Response")
    async def delete_response(response: FromPath[str], request: AnyRequest) -> Response[Document]:
        """The Response's secret is destroyed before this is answered.

        The copy for abuse monitoring lives out its time.
        """
        admitted = admit(request, _RESPONSE)
        await responses.delete(admitted.whose, response)
        gone = {"id": response, "object": "response", "deleted": True}
        return Response(gone, headers=admitted.headers)

    @post("/v1/responses/{response:str}/cancel", status_code=200, summary="Cancel a Response")
    async def cancel_response(response: FromPath[str], request: AnyRequest) -> Response[Document]:
        """Stop a Response that is made in the background."""
        admitted = admit(request, f"{_RESPONSE}/cancel")
        found = await background.cancel(admitted.whose, response)
        return Response(found, headers=admitted.headers)

    @get("/v1/responses/{response:str}/input_items", summary="A stored Response's input")
    async def list_input_items(response: FromPath[str], request: AnyRequest) -> Response[Document]:
        """The items of a stored Response's own input."""
        admitted, part = admit(request, f"{_RESPONSE}/input_items"), paging(request)
        _, stored = await responses.read(admitted.whose, response)
        page = page_of(stored.input, part.after, part.limit, descending=part.descending)
        return Response(list_of(page.items, has_more=page.has_more), headers=admitted.headers)

    return Router("/", route_handlers=[
        get_response, delete_response, cancel_response, list_input_items,
    ])  # fmt: skip

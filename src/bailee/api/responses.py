"""`/v1/responses/{id}`: Responses that are kept for their owner. Making them is `serving`'s."""

from typing import Any, Final

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest, list_of, paging
from bailee.application_state.items import page_of
from bailee.application_state.responses import Responses
from bailee.kernel.errors import InvalidInput
from bailee.kernel.numbers import whole_number
from bailee.serving.background import Background
from bailee.serving.responses.replay import CANCELLED, REPLAYED, replayed

Document = dict[str, Any]

_RESPONSE: Final = "/v1/responses/{id}"
_LAST_EVENT: Final = 999_999_999


def responses_router(responses: Responses, background: Background, admit: Admit) -> Router:
    """The operations on stored Responses."""

    @get("/v1/responses/{response:str}", summary="A stored Response")
    async def get_response(
        response: FromPath[str], request: AnyRequest
    ) -> Response[Document] | Response[bytes]:
        """A Response that was stored, as it is now; with `stream`, a finished one as events."""
        admitted = admit(request, _RESPONSE)
        found = await background.read(admitted.whose, response)
        if request.query_params.get("stream") != "true":
            return Response(found, headers=admitted.headers)
        if found["status"] == CANCELLED:
            raise InvalidInput(
                "This Response was cancelled, for which a stream has no event. Ask for it without.",
                field="stream",
            )
        if found["status"] not in REPLAYED:
            raise InvalidInput(
                "Only a Response that has finished is told as a stream. Ask for it without.",
                field="stream",
            )
        events = replayed(found, _starting_after(request))
        headers = admitted.headers | {"cache-control": "no-cache"}
        return Response(events, media_type="text/event-stream; charset=utf-8", headers=headers)

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


def _starting_after(request: AnyRequest) -> int:
    given = request.query_params.get("starting_after", "")
    if not given:
        return -1
    number = whole_number(given, 0, _LAST_EVENT)
    if number is None:
        raise InvalidInput("'starting_after' is the number of an event.", field="starting_after")
    return number

"""An answer that is passed on piece by piece, as it is read.

Litestar's own watches for the client's leaving in a task beside the stream; here the server cancels
whoever answers a client that has left, and nothing else need watch.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar.types import Receive, Send


class Passing(ASGIResponse):
    """Passes on what `pieces` yields, and closes it whatever happens."""

    __slots__ = ("_pieces",)

    _should_set_content_length = False

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        *,
        headers: dict[str, str],
        media_type: str,
        status_code: int = 200,
    ) -> None:
        super().__init__(headers=headers, media_type=media_type, status_code=status_code)
        self._pieces = pieces

    async def send_body(self, send: "Send", receive: "Receive") -> None:  # noqa: ARG002
        """Pass everything on."""
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

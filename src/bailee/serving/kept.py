"""What a call leaves behind for its owner: kept once the answer is whole, before it is told.

The client has the end of an answer only when what it asked to be kept can be asked for. What cannot
be kept is not answered as if it were: it fails like an answer that cannot be recorded.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from bailee.application_state.chat_completions import ChatCompletions
from bailee.application_state.conversations import Conversations
from bailee.application_state.keeping import KeptFor
from bailee.application_state.responses import Responses
from bailee.kernel.errors import BaileeError, Unavailable
from bailee.kernel.ids import Purpose
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.policy.model import Decision
from bailee.serving.caller import Caller
from bailee.serving.recording import Recording, Unrecorded

Keep = Callable[[], Coroutine[Any, Any, None]]
"""Keeps what a whole answer leaves behind. Raises BaileeError."""

_OK: Final = 200
_EARLY_MS: Final = 15 * MINUTE_MS
"""As an epoch's destruction begins before its deadline."""


class ApplicationState(NamedTuple):
    """What is kept for owners."""

    responses: Responses
    conversations: Conversations
    chat_completions: ChatCompletions


def kept_for(caller: Caller, credential: str, decision: Decision) -> KeptFor:
    """Whose a thing is that has no record of its own: monitoring may read it while it may."""
    monitored = any(h.purpose is Purpose.ABUSE_MONITORING for h in decision.handlings)
    epoch = decision.epoch if monitored else None
    right = Secret(credential.encode("utf-8", "replace"))
    return KeptFor(caller.owner, caller.scope_generation, right, epoch)


def kept_until(decision: Decision) -> Instant | None:
    """When application state ends by itself: early enough to be gone by when it must be."""
    for handling in decision.handlings:
        if handling.purpose is Purpose.APPLICATION_STATE:
            return None if handling.until is None else Instant(handling.until - _EARLY_MS)
    return None


_keeping: Final[set[asyncio.Future[None]]] = set()
"""What is being kept now; nobody may be waiting for it any more."""


def _kept(task: asyncio.Future[None]) -> None:
    _keeping.discard(task)
    if not task.cancelled():
        task.exception()  # whoever waited has been told


class KeptRecording:
    """A recording whose answer is kept for its owner, too: durable means both."""

    __slots__ = ("_keep", "_whole", "inner")

    def __init__(self, inner: Recording | Unrecorded, keep: Keep) -> None:
        self.inner = inner
        self._keep: Keep | None = keep
        self._whole = False

    def answer(self, content: bytes, status: int, *, final: bool, broken: bool = False) -> None:
        """As `Recording`. An error or a part of an answer is not kept."""
        self.inner.answer(content, status, final=final, broken=broken)
        self._whole = final and status == _OK and not broken

    async def durable(self) -> None:
        """Raises Unavailable, also when the answer cannot be kept."""
        await self.inner.durable()
        keep = self._keep
        if keep is None or not self._whole:
            return
        self._keep = None
        task = asyncio.ensure_future(keep())
        _keeping.add(task)
        task.add_done_callback(_kept)
        try:
            # A client that leaves now does not stop it: the answer is whole.
            await asyncio.shield(task)
        except Unavailable:
            raise
        except BaileeError as error:
            raise Unavailable("the answer could not be kept for its owner") from error

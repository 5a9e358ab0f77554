"""Responses that are made in the background: asked for, not waited for.

    queued → in_progress → completed | incomplete | failed | cancelled

Promises: the Response is kept before its name is told; what the model says is recorded like any
answer; cancelling or deleting stops the backend within about a second, from whichever gateway
worker. Work lives in the gateway worker that took it and ends with it: one that stops says
`failed`, and one that was killed is noticed by whoever asks once `LONGEST_S` has passed. `bailee
worker` has no part in it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from bailee.application_state.keeping import KeptFor
from bailee.application_state.responses import UNFINISHED, Responses, StoredResponse
from bailee.kernel.errors import BaileeError, Conflict, InvalidInput, NotFound, Unavailable
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.serving.call import Call
from bailee.serving.errors import Because, CallRefused, unrecordable
from bailee.serving.exchange import check_refusal, reach, whole_body
from bailee.serving.kept import Keep
from bailee.serving.recording import AnswerRecording
from bailee.serving.responding import ResponseCall
from bailee.serving.responses.frame import (
    IN_PROGRESS,
    QUEUED,
    Ended,
    encoded,
    response_document,
)
from bailee.serving.routing import Route
from bailee.serving.usage import Used, used_tokens

LONGEST_S: Final = 3600.0
"""How long work may take at most."""
_LOOK_S: Final = 1.0
_OK: Final = 200
_CLIENT_LEFT: Final = 499

Document = dict[str, Any]


class Job(NamedTuple):
    """One Response to be made."""

    call: Call
    routes: tuple[Route, ...]
    response: ResponseCall
    until: Instant | None
    recording: AnswerRecording
    settle: Callable[[Used], None]
    """Told what was used."""
    keep: Keep | None


class _Once:
    """A recording that takes one last part and no more."""

    def __init__(self, inner: AnswerRecording) -> None:
        self._inner = inner
        self._closed = False

    def answer(self, content: bytes, status: int, *, final: bool, broken: bool = False) -> None:
        if not self._closed:
            self._closed = final
            self._inner.answer(content, status, final=final, broken=broken)

    async def durable(self) -> None:
        await self._inner.durable()


class Background:
    """The work of one gateway worker."""

    def __init__(self, responses: Responses, clock: Clock) -> None:
        self._responses = responses
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def begin(self, job: Job) -> bytes:
        """Keep the queued Response, begin the work, and give what the client is told.

        Raises CallRefused (RECORDING_IMPOSSIBLE).
        """
        document = _document(job, QUEUED)
        body = encoded(document)
        try:
            await self._responses.keep(job.response.whose, job.response.stored(document), job.until)
            job.recording.answer(body, _OK, final=False)
            await job.recording.durable()
        except BaileeError:
            raise unrecordable("The answer") from None
        name = job.response.translation.made.response_id
        job = job._replace(recording=_Once(job.recording))
        task = asyncio.create_task(self._run(job, name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return body

    async def read(self, whose: KeptFor, name: str) -> Document:
        """A Response as it is now. Raises NotFound."""
        _, stored = await self._responses.read(whose, name)
        return self._seen(stored.response)

    async def cancel(self, whose: KeptFor, name: str) -> Document:
        """Stop the work; what has ended stays as it is. Raises NotFound, InvalidInput."""
        while True:
            opened, stored = await self._responses.read(whose, name)
            response = stored.response
            if not response.get("background"):
                raise InvalidInput("Only a Response in the background can be cancelled.")
            if response["status"] not in UNFINISHED:
                return response
            cancelled = response | {"status": "cancelled"}
            with suppress(Conflict):
                await self._responses.change(
                    whose, opened, StoredResponse(cancelled, stored.input, stored.chain)
                )
                task = self._tasks.get(name)
                if task is not None:
                    task.cancel()
                return cancelled

    async def drain(self) -> None:
        """The gateway worker stops: what is not finished says that it failed."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _seen(self, response: Document) -> Document:
        late = self._clock.now() / 1000 - response["created_at"] > LONGEST_S
        if response["status"] in UNFINISHED and late:
            error = {"code": "server_error", "message": "The work was interrupted. Try again."}
            return response | {"status": "failed", "error": error}
        return response

    async def _run(self, job: Job, name: str) -> None:
        whose = job.response.whose
        work = asyncio.ensure_future(self._work(job, name))
        try:
            async with asyncio.timeout(LONGEST_S):
                while not work.done():
                    await asyncio.wait({work}, timeout=_LOOK_S)
                    if not work.done() and not await self._wanted(whose, name):
                        raise asyncio.CancelledError
            await work
        except CallRefused as refused:
            await self._failed(job, name, refused)
        except (asyncio.CancelledError, TimeoutError, BaileeError):
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            message = "The server stopped. Try again." if self._stopping else "It took too long."
            await self._failed(job, name, CallRefused(Because.STOPPING, message))

    async def _work(self, job: Job, name: str) -> None:
        await self._change(job, name, _document(job, IN_PROGRESS))
        answer = await reach(job.call, job.routes)
        try:
            body = await whole_body(answer)
        except BaseException:
            answer.abandon()
            raise
        if answer.status != _OK:
            check_refusal(answer.status, body)
            raise CallRefused(
                Because.UPSTREAM_FAILED,
                f"The backend of this model refused the request with status {answer.status}.",
            )
        response = job.response.translation.response or _document(job, IN_PROGRESS)
        told = response | {"id": name, "background": True, "store": True}
        job.settle(used_tokens(body) or Used())
        job.recording.answer(encoded(told), _OK, final=True)
        await job.recording.durable()
        if job.keep is not None:
            await job.keep()
        await self._change(job, name, told)

    async def _failed(self, job: Job, name: str, refused: CallRefused) -> None:
        """Say so where it may still be said. Cancelled and deleted ones stay what they are."""
        error = {"code": "server_error", "message": str(refused)}
        document = _document(job, Ended("failed", error=error))
        with suppress(Unavailable):
            job.recording.answer(encoded(document), _CLIENT_LEFT, final=True, broken=True)
        with suppress(BaileeError):
            await self._change(job, name, document)

    async def _change(self, job: Job, name: str, document: Document) -> None:
        whose = job.response.whose
        opened, stored = await self._responses.read(whose, name)
        if stored.response["status"] not in UNFINISHED:
            raise Conflict("It has ended. Read it again.")
        await self._responses.change(whose, opened, job.response.stored(document))

    async def _wanted(self, whose: KeptFor, name: str) -> bool:
        """Whether anybody still wants it; a store that is away does not say no."""
        try:
            return await self._responses.status(whose, name) in UNFINISHED
        except NotFound:
            return False
        except BaileeError:
            return True


def _document(job: Job, ended: Ended) -> Document:
    translation = job.response.translation
    return response_document(translation.request, translation.made, ended, [])

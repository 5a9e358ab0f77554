"""One batch on its way. See `carrier` for what is promised."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import structlog

from bailee.application_state import batches, repository
from bailee.application_state.batches import (
    Batch,
    BatchDetails,
    BatchProblem,
    change_batch,
)
from bailee.application_state.carried import FencedError, end_without_grant, right_of
from bailee.application_state.files import Files
from bailee.application_state.keeping import Keeping, KeptFor
from bailee.application_state.model import PREFIXES, HeldObject, Kind
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import (
    BaileeError,
    Conflict,
    DestroyedKey,
    Forbidden,
    NotFound,
    Unavailable,
)
from bailee.kernel.ids import ObjectId
from bailee.kernel.instants import Instant
from bailee.serving.batching.answering import LineAnswering
from bailee.serving.batching.lines import (
    BATCHED,
    MOST_BYTES,
    Checker,
    Line,
    NumberedLine,
    lines_of,
    read_line,
)
from bailee.serving.batching.results import ExhaustedError, Results
from bailee.serving.caller import Caller
from bailee.serving.errors import CallRefused
from bailee.serving.private_models import PREFIX
from bailee.serving.routing import Planner, refused_by_policy

log = structlog.get_logger()

POLL_S: Final = 1.0
_ID_BYTES: Final = 16
_ENDPOINT: Final = "/v1/batches"
_EXPIRED: Final = "This request could not be executed before the completion window expired."

Standing = Callable[[Owner, bytes], Awaitable[Caller]]
"""What stands of a project now: a caller with this key's identifier, without limits of its own.
Raises CallRefused when it may not call, Unavailable when nobody can say."""
Prolong = Callable[[], Awaitable[int | None]]
"""Prolongs the lease; its token, or None while another has it."""


@dataclass(slots=True)
class BatchTools:
    """What carrying a batch takes."""

    files: Files
    planner: Planner
    lines: LineAnswering
    standing: Standing
    longest_line_bytes: int
    places: asyncio.Semaphore
    """For lines that are being answered, of whichever batch."""

    @property
    def keeping(self) -> Keeping:
        """Where everything is kept."""
        return self.files.keeping


class _FailedError(Exception):
    """The batch fails as a whole."""

    def __init__(self, *problems: BatchProblem) -> None:
        super().__init__()
        self.problems = list(problems)


class _LostError(Exception):
    """Another carries it, or it is gone."""


@dataclass(slots=True)
class Carrying:
    """One batch on its way."""

    tools: BatchTools
    held: HeldObject
    token: int
    prolong: Prolong
    whose: KeptFor = field(init=False)
    results: Results = field(init=False)
    batch: Batch = field(init=False)
    ticket: str = ""
    """What its lines call with, while lines are answered."""
    over: str = ""
    """Why no more lines are answered: what the batch is to become."""
    broken: Exception | None = None
    """Why it cannot go on here at all."""

    def __post_init__(self) -> None:
        self.whose = right_of(self.held)

    @property
    def keeping(self) -> Keeping:
        """Where everything is kept."""
        return self.tools.keeping

    async def carry(self) -> None:
        """To its end; or to where another can go on, when something is away."""
        watching = asyncio.create_task(self._watch())
        try:
            await self._carry()
        except _FailedError as failed:
            await self._fail(failed.problems)
        except ExhaustedError:
            message = "The batch was interrupted too often, or its results are too large."
            await self._fail([BatchProblem("interrupted", message)])
        except (_LostError, FencedError):
            return
        except BaileeError as error:
            # It stands where it stood, and whoever has the lease takes it up again.
            log.warning("batch_interrupted", kind=type(error).__name__)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self.tools.lines.tickets.withdraw(self.ticket)

    async def _carry(self) -> None:
        try:
            batch = await self._change(lambda details: details)
        except Forbidden:
            await end_without_grant(self.keeping, self.held, batches.EXPIRED)
            return
        details = batch.details
        until = Instant(self.held.created_at + batches.KEPT_MS)
        self.results = Results(self.keeping, self.whose, self.held.object, details.seed, until)
        if batch.status == batches.FINALIZING:
            await self._finalize(details.ending)
            return
        if batch.status == batches.CANCELLING:
            self.over = batches.CANCELLED
        elif self._late:
            self.over = batches.EXPIRED
        else:
            self.ticket = self.tools.lines.tickets.issue(await self._standing(), self.whose)
            if batch.status == batches.VALIDATING:
                await self._validate(details)
            await self._answer()
        if self.broken is not None:
            raise self.broken
        self.tools.lines.tickets.withdraw(self.ticket)
        self.ticket = ""
        await self._finalize(self.over or batches.COMPLETED)

    @property
    def _late(self) -> bool:
        return self.keeping.clock.now() >= self.batch.expires_at_s * 1000

    @property
    def _stopped(self) -> bool:
        return bool(self.over) or self.broken is not None

    # What may end it meanwhile.

    async def _watch(self) -> None:
        """Keep the lease and what was answered; notice what ends the batch."""
        while self.broken is None:
            await self.keeping.clock.sleep_s(POLL_S)
            try:
                if await self.prolong() != self.token:
                    raise _LostError
                if self.ticket and not self.over:
                    await self._look()
            except Unavailable as error:
                # What is away comes back; the lease may run out meanwhile, and fencing does the
                # rest.
                log.warning("batch_waits", kind=type(error).__name__)
            except Exception as broken:  # noqa: BLE001 - whoever carries raises it
                self.broken = broken

    async def _look(self) -> None:
        async with self.keeping.database.transaction(self.held.tenant) as transaction:
            rows = await repository.by_objects(transaction, [self.held.object])
        if not rows:
            raise _LostError
        self.tools.lines.tickets.confirm(self.ticket, await self._standing())
        await self._source()
        if rows[0].label == batches.CANCELLING:
            self.over = batches.CANCELLED
        elif self._late:
            self.over = batches.EXPIRED
        total = self.batch.details.counts.total
        if total and self.results.due(total):
            await self._keep_results()

    async def _standing(self) -> Caller:
        """The project as a caller. Raises _FailedError when it may not call any more."""
        try:
            caller = await self.tools.standing(self.held.owner, self.batch.details.key_id)
            _, decision = self.tools.planner.decide(caller, _ENDPOINT, self.keeping.clock.now())
            if not decision.allowed:
                raise refused_by_policy(decision)
        except CallRefused as refused:
            code = refused.name or refused.because.value
            raise _FailedError(BatchProblem(code, str(refused))) from None
        return caller

    # Validating.

    async def _validate(self, details: BatchDetails) -> None:
        source = await self._source()
        if source.size_bytes > MOST_BYTES:
            message = f"The input file is larger than {MOST_BYTES >> 20} MB. Split it."
            raise _FailedError(BatchProblem("file_too_large", message))
        checker = Checker(details.endpoint)
        async with aclosing(self._lines(source)) as lines:
            async for line in lines:
                checker.check(line)
                if self._stopped:
                    return
        checker.finish()
        problems = checker.problems or self._model_problems(checker.model or "", details.endpoint)
        if problems:
            raise _FailedError(*problems)
        counts = batches.Counts(checker.count)

        def change(details: BatchDetails) -> BatchDetails:
            return msgspec.structs.replace(details, counts=counts, model=checker.model)

        await self._change(change, batches.IN_PROGRESS)

    def _model_problems(self, model: str, endpoint: str) -> list[BatchProblem]:
        served = self.tools.planner.models.get(model)
        if model.startswith(PREFIX) or (served is not None and endpoint in served.endpoints):
            return []
        message = "The model of these requests does not exist here, or not at this endpoint."
        return [BatchProblem("model_not_found", message, 1, "body.model")]

    async def _source(self) -> HeldObject:
        """The input file. Raises _FailedError when it is gone."""
        name = ObjectId(self.batch.details.input_object)
        async with self.keeping.database.transaction(self.held.tenant) as transaction:
            rows = await repository.by_objects(transaction, [name])
        if not rows:
            raise _gone()
        return rows[0]

    async def _lines(self, source: HeldObject) -> AsyncGenerator[NumberedLine, None]:
        content = self.keeping.content(self.whose, source)
        try:
            async with aclosing(content):
                async for line in lines_of(content, self.tools.longest_line_bytes):
                    yield line
        except (NotFound, DestroyedKey):
            raise _gone() from None

    # Answering.

    async def _answer(self) -> None:
        """Answer what has no result yet, until there is nothing left or the batch is over."""
        await self.results.load()
        tasks: set[asyncio.Task[None]] = set()
        try:
            async with aclosing(self._open_lines()) as lines:
                async for line in lines:
                    if not await self._place():
                        break
                    task = asyncio.create_task(self._answer_line(line))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    # Not in the task: one that is cancelled before it runs never comes to it.
                    task.add_done_callback(lambda _: self.tools.places.release())
            while tasks and not self._stopped:
                await asyncio.wait(tasks, timeout=POLL_S)
        finally:
            left = list(tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # Also when this process stops: what was answered is not to be asked again.
            with suppress(BaileeError, FencedError, ExhaustedError, _LostError):
                await self._keep_results()

    async def _place(self) -> bool:
        """A place among the lines that are being answered; False: no more are answered."""
        taking = asyncio.ensure_future(self.tools.places.acquire())
        try:
            while not taking.done() and not self._stopped:
                await asyncio.wait({taking}, timeout=POLL_S)
        except BaseException:
            self._give_back(taking)
            raise
        if self._stopped:
            self._give_back(taking)
        return not self._stopped

    def _give_back(self, taking: "asyncio.Future[Literal[True]]") -> None:
        if not taking.cancel():
            self.tools.places.release()

    async def _open_lines(self) -> AsyncGenerator[Line, None]:
        """Lines without a result, in order. No more than a chunk of the input is held."""
        position = 0
        async with aclosing(self._lines(await self._source())) as lines:
            async for line in lines:
                if position not in self.results.done:
                    yield read_line(line, position)
                position += 1

    async def _answer_line(self, line: Line) -> None:
        try:
            operation = BATCHED[self.batch.details.endpoint]
            self.results.add(await self.tools.lines.answer(operation, self.ticket, line))
            while self.results.full and not self._stopped:
                try:
                    await self._keep_results()
                except Unavailable:
                    await self.keeping.clock.sleep_s(POLL_S)
        except Exception as broken:  # noqa: BLE001 - whoever carries raises it
            self.broken = broken

    async def _keep_results(self) -> None:
        if await self.results.keep():
            counts = self.results.counts(self.batch.details.counts.total)
            await self._change(lambda details: msgspec.structs.replace(details, counts=counts))

    # Ending.

    async def _finalize(self, ending: str) -> None:
        """Make the files, then say so: a crash in between makes them anew under other names."""
        await self.results.load()
        if ending == batches.EXPIRED:
            await self._expire_lines()
        await self.results.keep()
        missing = self.batch.details.counts.total - len(self.results.done)
        if ending == batches.COMPLETED and missing:
            raise Conflict("A line has no result. Answer it.")
        intended = await self._intend(ending)
        contents = await self.results.files()
        counts = self.results.counts(self.batch.details.counts.total)
        made: list[str | None] = []
        for name, kind, content, count in zip(
            intended, ("output", "error"), contents, (counts.completed, counts.failed), strict=True
        ):
            made.append(await self._make(name, kind, content) if count else None)
        output, error = made

        def change(details: BatchDetails) -> BatchDetails:
            return msgspec.structs.replace(
                details, counts=counts, output_file=output, error_file=error
            )

        try:
            await self._change(change, ending)
        except (FencedError, _LostError):
            await self._unmake(made)
            raise
        await self._leave()

    async def _intend(self, ending: str) -> list[str]:
        """Names for the files: those of an earlier attempt where it came to make them."""
        names: list[str] = []
        for name in self.batch.details.intended or ["", ""]:
            made = bool(name) and await self._is_made(name)
            fresh = self.keeping.randomness.random_bytes(_ID_BYTES).hex()
            names.append(name if made else PREFIXES[Kind.FILE] + fresh)

        def change(details: BatchDetails) -> BatchDetails:
            return msgspec.structs.replace(details, intended=names, ending=ending)

        await self._change(change, batches.FINALIZING)
        return names

    async def _is_made(self, name: str) -> bool:
        return bool(await self.keeping.find_all(self.whose, Kind.FILE, [name]))

    async def _make(self, name: str, kind: str, content: AsyncIterator[bytes]) -> str:
        if not await self._is_made(name):
            lifetime_ms = self.batch.details.output_expires_ms
            now = self.keeping.clock.now()
            await self.tools.files.made(
                self.whose,
                f"{self.held.public_id}_{kind}.jsonl",
                "batch_output",
                None if lifetime_ms is None else Instant(now + lifetime_ms),
                content,
                parent=self.held,
                public_id=name,
            )
        return name

    async def _expire_lines(self) -> None:
        """Whatever has no result has this one. Without its input, what was answered is all."""
        if not self.batch.details.counts.total:
            return
        with suppress(_FailedError):
            async with aclosing(self._open_lines()) as lines:
                async for line in lines:
                    self.results.add(self.tools.lines.unanswered(line, "batch_expired", _EXPIRED))
                    if self.results.full:
                        await self.results.keep()

    async def _unmake(self, names: list[str | None]) -> None:
        wanted = [name for name in names if name is not None]
        found = await self.keeping.find_all(self.whose, Kind.FILE, wanted)
        if found:
            async with self.keeping.database.transaction(self.held.tenant) as transaction:
                await repository.mark_deleting(transaction, [file.object for file in found])

    async def _fail(self, problems: list[BatchProblem]) -> None:
        def change(details: BatchDetails) -> BatchDetails:
            return msgspec.structs.replace(details, problems=problems)

        try:
            await self._change(change, batches.FAILED)
            await self._leave()
        except (_LostError, FencedError):
            return
        except BaileeError as error:
            log.warning("batch_interrupted", kind=type(error).__name__)

    async def _leave(self) -> None:
        """It is over: neither its results nor its grant are needed any more."""
        await self.results.drop()
        async with self.keeping.database.transaction(self.held.tenant) as transaction:
            await repository.drop_grant(transaction, self.held.object)

    async def _change(
        self, change: Callable[[BatchDetails], BatchDetails], label: str | None = None
    ) -> Batch:
        try:
            self.batch = await change_batch(
                self.keeping, self.whose, self.held.object, self.token, change, label
            )
        except (NotFound, DestroyedKey):
            raise _LostError from None
        return self.batch


def _gone() -> _FailedError:
    message = "The input file was deleted, or its time has passed."
    return _FailedError(BatchProblem("input_file_deleted", message, None, "input_file_id"))

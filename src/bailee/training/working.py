"""One fine-tuning job on its way. See `carrier` for what is promised."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from bailee.application_state import fine_tuning, repository
from bailee.application_state.carried import FencedError, end_without_grant, right_of
from bailee.application_state.files import RESULTS, FileDetails
from bailee.application_state.fine_tuning import (
    AdapterDetails,
    CheckpointNote,
    Job,
    JobDetails,
    JobError,
    JobOverError,
    change_job,
    model_name,
)
from bailee.application_state.keeping import Keeping, KeptFor, New
from bailee.application_state.model import PREFIXES, HeldObject, Kind
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import (
    DestroyedKey,
    Forbidden,
    InvalidInput,
    NotFound,
    Unavailable,
)
from bailee.kernel.ids import ObjectId
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Paused,
    Trainer,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
    TrainingTask,
)
from bailee.training.noting import RemoteNotes
from bailee.training.progress import Progress, table_of, told
from bailee.training.story import Story
from bailee.training.tasks import task_of

log = structlog.get_logger()

POLL_S: Final = 1.0
MOST_ATTEMPTS: Final = 5
CHECKPOINTS_KEPT: Final = 3
_GONE: Final = JobError("file_gone", "A file of this job was deleted.", "training_file")
_ID_BYTES: Final = 8


Standing = Callable[[Owner], Awaitable[JobError | None]]
"""Why a project may not train at present; None: it may. Raises Unavailable when nobody can say."""


class _EndedError(Exception):
    """The owner ended the job, or another carries it."""


class _RefusedError(Exception):
    """The project may not train any more."""

    def __init__(self, error: JobError) -> None:
        super().__init__()
        self.error = error


class Place(NamedTuple):
    """Where a job is trained."""

    trainer: Trainer
    backend: str = ""
    """The name of the backend that has what is made there; empty: nothing is elsewhere."""


Prolong = Callable[[], Awaitable[int | None]]
"""Prolongs the lease; its token, or None while another has it."""
ChoosePlace = Callable[[Owner, str], Awaitable[Place]]
"""Where an owner's content may be trained on, for a base model. Raises TrainingFailure."""


@dataclass(slots=True)
class Means:
    """What carrying a job takes."""

    keeping: Keeping
    choose: ChoosePlace
    standing: Standing
    prolong: Prolong


@dataclass(slots=True)
class Carrying:
    """One job on its way."""

    means: Means
    job: HeldObject
    token: int
    whose: KeptFor = field(init=False)
    story: Story = field(init=False)
    progress: Progress = field(default_factory=Progress)
    notes: RemoteNotes = field(init=False)
    over: bool = False
    """Whether the run has come to its last event."""
    learned: ObjectId | None = None
    """The training file's key."""
    deleted: bool = False
    """Whether its owner has deleted it meanwhile."""
    refused: JobError | None = None
    """Why its project may not train any more."""

    def __post_init__(self) -> None:
        self.notes = RemoteNotes(self.keeping, self.job)
        self.whose = right_of(self.job)
        self.story = Story(self.keeping, self.whose, self.job)

    @property
    def keeping(self) -> Keeping:
        return self.means.keeping

    async def carry(self) -> None:
        """To its end, a pause or a failure, each of which is kept."""
        holding = asyncio.ensure_future(self._hold())
        try:
            await self._permitted()
            job = await self._change(_one_more_attempt)
            if job.details.attempts > MOST_ATTEMPTS:
                raise TrainingFailure("The job was begun too often.", retry_safe=False)
            log.info("fine_tuning_begins", job=self.job.public_id)
            task = await self._task(job)
            job = await self._decide(task)
            await self._train(job, task)
        except _EndedError:
            return
        except _RefusedError as refused:
            await self._fail(refused.error)
        except InvalidInput as error:
            await self._fail(JobError("invalid_file", str(error), error.field))
        except TrainingFailure as failure:
            if failure.retry_safe:
                raise
            await self._fail(JobError("training_failed", str(failure)))
        except (DestroyedKey, NotFound):
            await self._fail(_GONE)
        except Forbidden:
            # The grant has ended: nothing sealed can be changed any more, only the status.
            await end_without_grant(self.keeping, self.job, fine_tuning.FAILED)
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            await self.story.tell()
            await self._leave()

    async def _hold(self) -> None:
        """Keep the lease while files are read, too: a large one takes longer than it lasts."""
        while True:
            await self.keeping.clock.sleep_s(POLL_S)
            with suppress(Unavailable):
                await self.means.prolong()

    async def _leave(self) -> None:
        """What the grant lets open, nobody needs to open for a job that is over."""
        async with self.keeping.database.transaction(self.job.tenant) as transaction:
            for row in await repository.by_objects(transaction, [self.job.object]):
                if row.label in fine_tuning.OVER:
                    await repository.drop_grant(transaction, row.object)

    async def _task(self, job: Job) -> TrainingTask:
        details = job.details
        await self.story.say("Validating training file")
        training = await self._read(details.training_object)
        validation = b""
        if details.validation_object is not None:
            validation = await self._read(details.validation_object)
        return task_of(details, training, validation)

    async def _decide(self, task: TrainingTask) -> Job:
        values = msgspec.to_builtins(task.hyperparameters)

        def change(details: JobDetails) -> JobDetails:
            return msgspec.structs.replace(details, hyperparameters=values)

        await self.story.say("Files validated, moving job to running state")
        return await self._change(change, fine_tuning.RUNNING)

    async def _train(self, job: Job, task: TrainingTask) -> None:
        state = None
        if job.details.state is not None:
            state = await self._read(job.details.state)
        self.progress.measured = {row.step: row for row in job.details.measured}
        self.learned = ObjectId(job.details.training_object)
        place = await self.means.choose(self.job.owner, job.details.model)
        self.notes.backend = place.backend
        run = await place.trainer.begin(task, state)
        watching = asyncio.ensure_future(self._watch(run))
        try:
            async for event in run.events():
                await self._follow(job, event)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self.over:
            return
        if self.deleted:
            raise NotFound("The training file was deleted.")
        if self.refused is not None:
            raise _RefusedError(self.refused)
        raise _EndedError

    async def _permitted(self) -> None:
        error = await self.means.standing(self.job.owner)
        if error is not None:
            raise _RefusedError(error)

    async def _watch(self, run: TrainingRun) -> None:
        """Keep the lease, and do what the owner asks meanwhile, until the run must end."""
        paused = False
        while True:
            await self.keeping.clock.sleep_s(POLL_S)
            try:
                wanted = await self._wanted()
            except Unavailable as error:
                # What is away comes back; the lease may run out meanwhile, and the fence does the
                # rest.
                log.warning("fine_tuning_waits", kind=type(error).__name__)
                continue
            if wanted is None:
                await run.cancel()
                return
            if wanted == fine_tuning.PAUSING and not paused:
                paused = True
                await run.pause()
            elif wanted == fine_tuning.QUEUED and not paused:
                # It was resumed before its pause was noticed: it never stopped.
                await self._change(lambda details: details, fine_tuning.RUNNING)

    async def _wanted(self) -> str | None:
        """The status that the job is to have; None: its run is to end now."""
        if await self.means.prolong() != self.token:
            return None
        async with self.keeping.database.transaction(self.job.tenant) as transaction:
            rows = await repository.by_objects(transaction, [self.job.object])
            learned = [] if self.learned is None else [self.learned]
            self.deleted = not await repository.by_objects(transaction, learned)
        self.refused = await self.means.standing(self.job.owner)
        if not rows or rows[0].label in fine_tuning.OVER or self.deleted or self.refused:
            return None
        return rows[0].label

    async def _follow(self, job: Job, event: TrainingEvent) -> None:
        self.progress.follow(event, self.keeping.clock.monotonic_s())
        if isinstance(event, Began):
            await self._begin(job, event)
        self.over = isinstance(event, Finished | Paused)
        words = told(event, self.progress.steps)
        await self.story.say(words.message, words.type, words.data)
        if isinstance(event, CheckpointReached):
            await self._keep_checkpoint(job, event)
        elif isinstance(event, Paused):
            await self._keep_state(event.state, fine_tuning.PAUSED)
        elif isinstance(event, Finished):
            await self._finish(event)

    async def _begin(self, job: Job, event: Began) -> None:
        """Before anything is sent elsewhere: what names it there, and what takes it up again."""
        await self.notes.run(event.elsewhere)
        if event.state and job.details.state is None:
            await self._keep_state(event.state)

    async def _keep_checkpoint(self, job: Job, event: CheckpointReached) -> None:
        """The adapter, and the state from which the run could go on; older ones go."""
        label = fine_tuning.CHECKPOINT
        remote = event.provider_model
        held, name = await self._keep_adapter(job, event.adapter, label, self.job.object, remote)
        metrics: dict[str, Any] = msgspec.to_builtins(event.metrics)
        now_s = self.keeping.clock.now() // 1000
        note = CheckpointNote(held.public_id, name, event.metrics.step, now_s, metrics)
        dropped: list[str] = []

        def change(details: JobDetails) -> JobDetails:
            # A run that was taken up again may tell of one for a second time.
            other = [old for old in details.checkpoints if old.step != note.step]
            kept = [*other, note][-CHECKPOINTS_KEPT:]
            dropped[:] = [old.public_id for old in details.checkpoints if old not in kept]
            return msgspec.structs.replace(
                details, checkpoints=kept, estimated_finish_s=self._finish_s(event.metrics.step)
            )

        await self._change_for(held, change)
        if event.state:
            await self._keep_state(event.state)
        for public_id in dropped:
            await self._drop(Kind.ADAPTER, public_id)

    async def _keep_state(self, state: bytes, label: str | None = None) -> None:
        # What was done before it is not done again: its events are kept first.
        await self.story.tell()
        slot = await self._slot()
        new = New(Kind.TRAINING_STATE, b"{}", parent=self.job.object, object=slot)
        held = await self.keeping.keep(self.whose, new, _whole(state))
        former: list[bytes] = []

        def change(details: JobDetails) -> JobDetails:
            former[:] = [] if details.state is None else [details.state]
            rows = self.progress.rows()
            return msgspec.structs.replace(details, state=slot, attempts=0, measured=rows)

        await self._change_for(held, change, label)
        await self._end([ObjectId(old) for old in former])

    async def _finish(self, event: Finished) -> None:
        """The model's name first, then the model, then the job that says so: after a crash the
        model is found by its name, or made under another."""
        held, name = await self._keep_model(event)
        results = await self._keep_results()
        now_s = self.keeping.clock.now() // 1000
        former: list[bytes] = []

        def change(details: JobDetails) -> JobDetails:
            former[:] = [] if details.state is None else [details.state]
            return msgspec.structs.replace(
                details,
                fine_tuned_model=name,
                trained_tokens=event.trained_tokens,
                finished_at_s=now_s,
                state=None,
                slots=[],
                intended=None,
                result_files=[results],
                measured=[],
                estimated_finish_s=None,
            )

        # Before the job says so: who has waited for that finds the whole story.
        await self.story.say("The job has successfully completed")
        await self.story.tell()
        await self._change_for(held, change, fine_tuning.SUCCEEDED)
        await self._end([ObjectId(old) for old in former])
        await self.notes.run_is_over()
        log.info("fine_tuning_succeeded", job=self.job.public_id)

    def _finish_s(self, step: int) -> int | None:
        left_s = self.progress.left_s(step, self.keeping.clock.monotonic_s())
        return None if left_s is None else round(self.keeping.clock.now() / 1000 + left_s)

    async def _keep_results(self) -> str:
        """The file of measurements, under a name that follows from the job: made once."""
        name = PREFIXES[Kind.FILE] + blake2b(self.job.object, person=b"results").hexdigest()[:32]
        if not await self.keeping.find_all(self.whose, Kind.FILE, [name]):
            new = New(
                Kind.FILE,
                msgspec.json.encode(FileDetails("step_metrics.csv")),
                RESULTS,
                public_id=name,
            )
            await self.keeping.keep(self.whose, new, _whole(table_of(self.progress.rows())))
        return name

    async def _keep_model(self, event: Finished) -> tuple[HeldObject, str]:
        job = await self._change(lambda details: details)
        intended = job.details.intended
        if intended is not None:
            made = await self.keeping.find_all(
                self.whose, Kind.ADAPTER, [PREFIXES[Kind.ADAPTER] + intended]
            )
            if made:
                await self.notes.model(event.provider_model, made[0])
                return made[0], model_name(self.job, job.details, intended)
        name = self.keeping.randomness.random_bytes(_ID_BYTES).hex()
        await self._change(lambda details: msgspec.structs.replace(details, intended=name))
        label, remote = fine_tuning.MODEL, event.provider_model
        return await self._keep_adapter(job, event.adapter, label, None, remote, name)

    async def _keep_adapter(
        self,
        job: Job,
        adapter: bytes,
        label: str,
        parent: ObjectId | None,
        remote: str,
        name: str | None = None,
    ) -> tuple[HeldObject, str]:
        name = name or self.keeping.randomness.random_bytes(_ID_BYTES).hex()
        called = model_name(self.job, job.details, name)
        backend = self.notes.backend if remote else ""
        details = AdapterDetails(called, job.details.model, self.job.public_id, backend, remote)
        new = New(
            Kind.ADAPTER,
            msgspec.json.encode(details),
            label,
            parent=parent,
            public_id=PREFIXES[Kind.ADAPTER] + name,
            object=await self._slot(),
        )
        held = await self.keeping.keep(self.whose, new, _whole(adapter))
        await self.notes.model(remote, held)
        return held, called

    async def _slot(self) -> ObjectId:
        """The name of a key that the grant covers, used up before it is used."""
        taken: list[bytes] = []

        def change(details: JobDetails) -> JobDetails:
            if not details.slots:
                raise TrainingFailure("The job has made too many things.", retry_safe=False)
            taken[:] = details.slots[:1]
            return msgspec.structs.replace(details, slots=details.slots[1:])

        await self._change(change)
        return ObjectId(taken[0])

    async def _read(self, name: bytes) -> bytes:
        async with self.keeping.database.transaction(self.job.tenant) as transaction:
            rows = await repository.by_objects(transaction, [ObjectId(name)])
        if not rows:
            raise NotFound("a thing of this job is gone")
        parts = [part async for part in self.keeping.content(self.whose, rows[0])]
        return b"".join(parts)

    async def _drop(self, kind: Kind, public_id: str) -> None:
        try:
            held = await self.keeping.find(self.whose, kind, public_id)
        except NotFound:
            return
        await self._end([held.object])

    async def _end(self, names: list[ObjectId]) -> None:
        """Nobody finds these from now on; the clerk destroys them."""
        if names:
            async with self.keeping.database.transaction(self.job.tenant) as transaction:
                await repository.mark_deleting(transaction, names)

    async def _fail(self, error: JobError) -> None:
        now_s = self.keeping.clock.now() // 1000

        left: list[JobDetails] = []

        def change(details: JobDetails) -> JobDetails:
            left[:] = [details]
            return msgspec.structs.replace(
                details,
                error=error,
                finished_at_s=now_s,
                slots=[],
                state=None,
                intended=None,
                estimated_finish_s=None,
            )

        await self.story.say("The job failed", level="error")
        await self.story.tell()
        log.warning("fine_tuning_failed", job=self.job.public_id, kind=error.code)
        with suppress(_EndedError):
            await self._change(change, fine_tuning.FAILED)
            for details in left:
                await self._end([] if details.state is None else [ObjectId(details.state)])
                if details.intended is not None:
                    await self._drop(Kind.ADAPTER, PREFIXES[Kind.ADAPTER] + details.intended)

    async def _change_for(
        self,
        made: HeldObject,
        change: Callable[[JobDetails], JobDetails],
        label: str | None = None,
    ) -> None:
        """Change the job because of what was made; if the job has ended, that ends too."""
        try:
            await self._change(change, label)
        except _EndedError:
            await self._end([made.object])
            raise

    async def _change(
        self, change: Callable[[JobDetails], JobDetails], label: str | None = None
    ) -> Job:
        try:
            return await change_job(
                self.keeping, self.whose, self.job.object, self.token, change, label
            )
        except (NotFound, JobOverError, FencedError):
            raise _EndedError from None


def _one_more_attempt(details: JobDetails) -> JobDetails:
    return msgspec.structs.replace(details, attempts=details.attempts + 1)


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data

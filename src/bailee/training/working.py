"""Carrying fine-tuning jobs: files are read, a trainer runs, what comes out is kept.

Promises: one worker at a time carries jobs (a lease with a token); a job whose worker was killed
goes on from its last kept state, and steps after it are done again; training content lies in
memory alone; everything that is made is sealed for the job's owner under the grant that the owner
gave; a job whose owner ended it, or whose files are gone, ends. Deliberately decides nothing about
hyper-parameters or methods (`hyperparameters`, the trainer).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from bailee.application_state import fine_tuning, repository
from bailee.application_state.fine_tuning import (
    AdapterDetails,
    CheckpointNote,
    Job,
    JobDetails,
    JobError,
    JobEvent,
    JobOverError,
    change_job,
    model_name,
)
from bailee.application_state.keeping import Keeping, KeptFor, New
from bailee.application_state.model import PREFIXES, HeldObject, Kind
from bailee.custody.seal.held import KeyBlock
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import BaileeError, DestroyedKey, Forbidden, InvalidInput, NotFound
from bailee.kernel.ids import ObjectId, Purpose
from bailee.ports.keeper import WorkGrant
from bailee.ports.leases import Leases
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Paused,
    PreferenceTask,
    SupervisedTask,
    Trainer,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
    TrainingTask,
)
from bailee.training.examples import preference_examples, supervised_examples
from bailee.training.hyperparameters import decided, read_hyperparameters
from bailee.training.noting import RemoteNotes
from bailee.training.progress import told

log = structlog.get_logger()

LEASE: Final = "fine-tuning"
LEASE_MS: Final = 60_000
POLL_S: Final = 1.0
EVENTS_TOGETHER: Final = 50
EVENTS_WAIT_S: Final = 5.0
MOST_ATTEMPTS: Final = 5
CHECKPOINTS_KEPT: Final = 3
_GONE: Final = JobError("file_gone", "A file of this job was deleted.", "training_file")
_ID_BYTES: Final = 8


class _EndedError(Exception):
    """The owner ended the job, or its files are gone."""


class Place(NamedTuple):
    """Where a job is trained."""

    trainer: Trainer
    backend: str = ""
    """The name of the backend that has what is made there; empty: nothing is elsewhere."""


ChoosePlace = Callable[[Owner, str], Awaitable[Place]]
"""Where an owner's content may be trained on, for a base model. Raises TrainingFailure."""


@dataclass(slots=True)
class Carrier:
    """Carries fine-tuning jobs, one at a time."""

    keeping: Keeping
    leases: Leases
    choose: ChoosePlace
    holder: str

    async def run(self) -> None:
        """Carry what there is, until cancelled."""
        while True:
            try:
                worked = await self.step()
            except (BaileeError, OSError) as error:
                log.warning("fine_tuning_step_failed", kind=type(error).__name__)
                worked = False
            if not worked:
                await self.keeping.clock.sleep_s(POLL_S)

    async def step(self) -> bool:
        """Carry the oldest job as far as it goes; False if there is none or another carries."""
        async with self.keeping.database.platform_reading() as transaction:
            waiting = await repository.of_kind(
                transaction, Kind.FINE_TUNING_JOB, list(fine_tuning.TO_DO)
            )
        if not waiting or await self.leases.acquire(LEASE, self.holder, LEASE_MS) is None:
            return False
        await _Carried(self, waiting[0]).carry()
        return True


@dataclass(slots=True)
class _Carried:
    """One job on its way."""

    carrier: Carrier
    job: HeldObject
    whose: KeptFor = field(init=False)
    events: list[JobEvent] = field(default_factory=list)
    steps: int = 0
    notes: RemoteNotes = field(init=False)
    over: bool = False
    """Whether the run has come to its last event."""
    told_at_s: float = 0.0
    learned: ObjectId | None = None
    """The training file's key."""
    deleted: bool = False
    """Whether its owner has deleted it meanwhile."""

    def __post_init__(self) -> None:
        grant = msgspec.msgpack.decode(self.job.work_grant or b"", type=WorkGrant)
        wrap = KeyBlock.decode(self.job.key_block).wrap_for(Purpose.APPLICATION_STATE)
        self.notes = RemoteNotes(self.keeping, self.job)
        self.whose = KeptFor(self.job.owner, wrap.generation, grant)

    @property
    def keeping(self) -> Keeping:
        return self.carrier.keeping

    async def carry(self) -> None:
        """To its end, a pause or a failure, each of which is kept."""
        try:
            job = await self._change(_one_more_attempt)
            if job.details.attempts > MOST_ATTEMPTS:
                raise TrainingFailure("The job was begun too often.", retry_safe=False)
            task = await self._task(job)
            job = await self._decide(task)
            await self._train(job, task)
        except _EndedError:
            return
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
            await self._give_up()
        finally:
            await self._tell_events()
            await self._leave()

    async def _leave(self) -> None:
        """What the grant lets open, nobody needs to open for a job that is over."""
        async with self.keeping.database.transaction(self.job.tenant) as transaction:
            for row in await repository.by_objects(transaction, [self.job.object]):
                if row.label in fine_tuning.OVER:
                    await repository.drop_grant(transaction, row.object)

    async def _task(self, job: Job) -> TrainingTask:
        details = job.details
        await self._say("Validating training file")
        training = await self._read(details.training_object)
        validation = b""
        if details.validation_object is not None:
            validation = await self._read(details.validation_object)
        given = {
            name: value for name, value in details.hyperparameters.items() if value is not None
        }
        if details.method == "dpo":
            preferred = preference_examples(training)
            asked = read_hyperparameters(given, "dpo")
            checked = (
                preference_examples(validation, field="validation_file", fewest=1)
                if validation
                else ()
            )
            values = decided(asked, "dpo", len(preferred))
            return PreferenceTask(preferred, checked, values, details.seed)
        examples = supervised_examples(training)
        asked = read_hyperparameters(given, "supervised")
        valid = (
            supervised_examples(validation, field="validation_file", fewest=1) if validation else ()
        )
        values = decided(asked, "supervised", len(examples))
        return SupervisedTask(examples, valid, values, details.seed)

    async def _decide(self, task: TrainingTask) -> Job:
        values = msgspec.to_builtins(task.hyperparameters)

        def change(details: JobDetails) -> JobDetails:
            return msgspec.structs.replace(details, hyperparameters=values)

        await self._say("Files validated, moving job to running state")
        return await self._change(change, fine_tuning.RUNNING)

    async def _train(self, job: Job, task: TrainingTask) -> None:
        state = None
        if job.details.state is not None:
            state = await self._read(job.details.state)
        self.learned = ObjectId(job.details.training_object)
        place = await self.carrier.choose(self.job.owner, job.details.model)
        self.notes.backend = place.backend
        run = await place.trainer.begin(task, state)
        watching = asyncio.ensure_future(self._watch(run))
        try:
            async for event in run.events():
                await self._follow(job, event)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self.deleted:
            raise NotFound("The training file was deleted.")
        if not self.over:
            raise _EndedError

    async def _watch(self, run: TrainingRun) -> None:
        """Keep the lease, and do what the owner asks meanwhile."""
        carrier, asked = self.carrier, False
        while True:
            await self.keeping.clock.sleep_s(POLL_S)
            if await carrier.leases.acquire(LEASE, carrier.holder, LEASE_MS) is None:
                await run.cancel()
                return
            async with self.keeping.database.transaction(self.job.tenant) as transaction:
                rows = await repository.by_objects(transaction, [self.job.object])
                wanted = [] if self.learned is None else [self.learned]
                self.deleted = not await repository.by_objects(transaction, wanted)
            if not rows or rows[0].label in fine_tuning.OVER or self.deleted:
                await run.cancel()
                return
            if rows[0].label == fine_tuning.PAUSING and not asked:
                asked = True
                await run.pause()

    async def _follow(self, job: Job, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            self.steps = event.steps
            await self._begin(job, event)
        self.over = isinstance(event, Finished | Paused)
        words = told(event, self.steps)
        await self._say(words.message, words.type, words.data)
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
            return msgspec.structs.replace(details, checkpoints=kept)

        await self._change_for(held, change)
        if event.state:
            await self._keep_state(event.state)
        for public_id in dropped:
            await self._drop(Kind.ADAPTER, public_id)

    async def _keep_state(self, state: bytes, label: str | None = None) -> None:
        slot = await self._slot()
        new = New(Kind.TRAINING_STATE, b"{}", parent=self.job.object, object=slot)
        held = await self.keeping.keep(self.whose, new, _whole(state))
        former: list[bytes] = []

        def change(details: JobDetails) -> JobDetails:
            former[:] = [] if details.state is None else [details.state]
            return msgspec.structs.replace(details, state=slot, attempts=0)

        await self._change_for(held, change, label)
        await self._end([ObjectId(old) for old in former])

    async def _finish(self, event: Finished) -> None:
        """The model's name first, then the model, then the job that says so: after a crash the
        model is found by its name, or made under another."""
        held, name = await self._keep_model(event)
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
            )

        # Before the job says so: who has waited for that finds the whole story.
        await self._say("The job has successfully completed")
        await self._tell_events()
        await self._change_for(held, change, fine_tuning.SUCCEEDED)
        await self._end([ObjectId(old) for old in former])
        await self.notes.run_is_over()

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
                details, error=error, finished_at_s=now_s, slots=[], state=None, intended=None
            )

        await self._say("The job failed", level="error")
        await self._tell_events()
        with suppress(_EndedError):
            await self._change(change, fine_tuning.FAILED)
            for details in left:
                await self._end([] if details.state is None else [ObjectId(details.state)])
                if details.intended is not None:
                    await self._drop(Kind.ADAPTER, PREFIXES[Kind.ADAPTER] + details.intended)

    async def _give_up(self) -> None:
        async with self.keeping.database.transaction(self.job.tenant) as transaction:
            for row in await repository.by_objects(transaction, [self.job.object]):
                sealed, failed = row.details, fine_tuning.FAILED
                await repository.update(
                    transaction, row.object, details=sealed, label=failed, former=sealed
                )

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
            return await change_job(self.keeping, self.whose, self.job, change, label)
        except (NotFound, JobOverError):
            raise _EndedError from None

    async def _say(
        self,
        message: str,
        kind: str = "message",
        data: dict[str, Any] | None = None,
        level: str = "info",
    ) -> None:
        clock = self.keeping.clock
        name = "ftevent-" + self.keeping.randomness.random_bytes(_ID_BYTES).hex()
        self.events.append(JobEvent(name, clock.now() // 1000, level, message, kind, data or {}))
        waited_s = clock.monotonic_s() - self.told_at_s
        if len(self.events) >= EVENTS_TOGETHER or waited_s > EVENTS_WAIT_S:
            await self._tell_events()

    async def _tell_events(self) -> None:
        self.told_at_s = self.keeping.clock.monotonic_s()
        if not self.events:
            return
        some, self.events = self.events, []
        encoded = msgspec.json.encode(some)
        new = New(Kind.FINE_TUNING_EVENTS, encoded, parent=self.job.object)
        try:
            await self.keeping.keep(self.whose, new)
        except BaileeError as error:
            # Words about a run are worth less than the run.
            log.warning("fine_tuning_events_lost", kind=type(error).__name__, count=len(some))


def _one_more_attempt(details: JobDetails) -> JobDetails:
    return msgspec.structs.replace(details, attempts=details.attempts + 1)


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data

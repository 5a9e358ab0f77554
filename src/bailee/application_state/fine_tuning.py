"""Fine-tuning jobs as their owner sees them, and the models that come out.

A job is kept like everything else: what was asked, what it came to and what it is called are
sealed; its status alone is in clear. Beside it lie its events, its checkpoints and the state from
which an interrupted run goes on, as parts that go with it. The trained adapter is a thing of its
own: it outlives its job and is destroyed by itself.

The work is done elsewhere (`training.working`), under a grant that the owner's API key obtains when
the job is created: for the files, for the job, and for the things that the work will make.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from bailee.application_state.carried import FencedError, Revised, carried, revise
from bailee.application_state.deletion import Deletion
from bailee.application_state.files import Files
from bailee.application_state.keeping import Keeping, KeptFor, New, Opened
from bailee.application_state.model import PREFIXES, HeldObject, Kind
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ObjectId, ObjectKeyName, tenant_text
from bailee.kernel.instants import DAY_MS, Instant
from bailee.kernel.redacted import Content, hidden
from bailee.ports.trainer import Metrics

VALIDATING: Final = "validating_files"
QUEUED: Final = "queued"
RUNNING: Final = "running"
PAUSING: Final = "pausing"
PAUSED: Final = "paused"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
TO_DO: Final = (VALIDATING, QUEUED, RUNNING, PAUSING)
OVER: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})

MODEL: Final = "model"
CHECKPOINT: Final = "checkpoint"
SLOTS: Final = 160
"""Things that one job may make: checkpoints of up to fifty epochs, states, models."""
GRANT_MS: Final = 30 * DAY_MS
SUFFIX: Final = re.compile(r"[a-zA-Z0-9-]{1,64}")
PREFIX: Final = "ft:"


class JobOverError(Exception):
    """The job is over: nothing changes it any more."""


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed."""

    code: str
    message: str
    param: str | None = None


class CheckpointNote(msgspec.Struct, frozen=True):
    """A checkpoint of a job."""

    public_id: str
    model: str
    step: int
    created_at_s: int
    metrics: dict[str, Any]

    def __repr__(self) -> str:
        return hidden(self)


class JobDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed of a job."""

    model: str
    training_file: str
    training_object: bytes
    validation_file: str | None = None
    validation_object: bytes | None = None
    method: str = "supervised"
    hyperparameters: dict[str, Any] = {}
    """As they were asked for; then as they were decided."""
    seed: int = 0
    suffix: str | None = None
    metadata: dict[str, str] | None = None
    slots: list[bytes] = []
    """Names of keys that are left for things to be made."""
    error: JobError | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    finished_at_s: int | None = None
    checkpoints: list[CheckpointNote] = []
    state: bytes | None = None
    """The object from which the run goes on."""
    intended: str | None = None
    """What the model will be called, from the moment on in which it may exist."""
    attempts: int = 0
    measured: list[Metrics] = []
    """Of a run that is interrupted; a finished one's are in its file."""
    result_files: list[str] = []
    estimated_finish_s: int | None = None
    fence: int = 0
    """The newest holder's token: an earlier one changes nothing any more."""

    def __repr__(self) -> str:
        return hidden(self)


class Job(NamedTuple):
    """A job, opened."""

    held: HeldObject
    details: JobDetails

    @property
    def status(self) -> str:
        """As the API has it."""
        return RUNNING if self.held.label == PAUSING else self.held.label


class JobEvent(msgspec.Struct, frozen=True):
    """Something that happened to a job. Numbers and fixed words, no content."""

    id: str
    created_at_s: int
    level: str
    message: str
    type: str
    data: dict[str, Any]


class AdapterDetails(msgspec.Struct, frozen=True):
    """What is sealed beside an adapter."""

    model: str
    """What its owner calls it: `ft:…`."""
    base: str
    job: str
    backend: str = ""
    """The backend that has the weights, if they are elsewhere."""
    remote: str = ""
    """What it calls them."""

    def __repr__(self) -> str:
        return hidden(self)


Change = Callable[[JobDetails], JobDetails]
"""What a job's details are to be instead."""


class NewJob(NamedTuple):
    """What is asked for."""

    model: str
    training_file: str
    validation_file: str | None
    method: str
    hyperparameters: dict[str, Any]
    seed: int
    suffix: str | None
    metadata: dict[str, str] | None

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class FineTuning:
    """A project's fine-tuning jobs and models."""

    files: Files

    @property
    def keeping(self) -> Keeping:
        """Where everything is kept."""
        return self.files.keeping

    @property
    def deletion(self) -> Deletion:
        """How it ends."""
        return self.files.deletion

    async def create(self, whose: KeptFor, new: NewJob) -> Job:
        """Begin a job. Raises InvalidInput naming the field."""
        if new.suffix is not None and SUFFIX.fullmatch(new.suffix) is None:
            raise InvalidInput("A suffix has 1 to 64 of a-z, A-Z, 0-9 and -.", field="suffix")
        training = await self._file(whose, new.training_file, "training_file")
        validation = None
        if new.validation_file is not None:
            validation = await self._file(whose, new.validation_file, "validation_file")
        slots = [self.keeping.new_object() for _ in range(SLOTS)]
        job = self.keeping.new_object()
        details = JobDetails(
            model=new.model,
            training_file=new.training_file,
            training_object=training.object,
            validation_file=new.validation_file,
            validation_object=None if validation is None else validation.object,
            method=new.method,
            hyperparameters=new.hyperparameters,
            seed=new.seed,
            suffix=new.suffix,
            metadata=new.metadata,
            slots=list(slots),
        )
        owner = whose.owner
        objects: list[ObjectId] = [job, training.object, *slots]
        if validation is not None:
            objects.append(validation.object)
        names = [ObjectKeyName(owner.region, owner.project, one) for one in objects]
        until = Instant(self.keeping.clock.now() + GRANT_MS)
        work = f"fine-tuning/{job.hex()}"
        grant = await self.keeping.grant_names(whose, names, work, until)
        kept = await self.keeping.keep(
            whose,
            New(
                Kind.FINE_TUNING_JOB,
                msgspec.json.encode(details),
                VALIDATING,
                object=job,
                work_grant=grant,
            ),
        )
        return Job(kept, details)

    async def find(self, whose: KeptFor, public_id: str) -> Job:
        """One job. Raises NotFound."""
        return job_of(await self.keeping.read(whose, Kind.FINE_TUNING_JOB, public_id))

    async def page(
        self, whose: KeptFor, *, after: str | None, limit: int
    ) -> tuple[list[Job], bool]:
        """Jobs, newest first, and whether there are more."""
        page = await self.keeping.page(whose, Kind.FINE_TUNING_JOB, after=after, limit=limit)
        opened = await self.keeping.listed(whose, page.objects)
        return [job_of(one) for one in opened], page.has_more

    async def events(self, whose: KeptFor, public_id: str) -> list[JobEvent]:
        """What has happened, newest first. Raises NotFound."""
        job = await self.find(whose, public_id)
        page = await self.keeping.page(
            whose, Kind.FINE_TUNING_EVENTS, parent=job.held.object, limit=10_000
        )
        opened = await self.keeping.listed(whose, page.objects)
        found = [_cancellation(job)] if job.status == CANCELLED else []
        for one in opened:
            found += reversed(msgspec.json.decode(one.details, type=list[JobEvent]))
        return found

    async def cancel(self, whose: KeptFor, public_id: str) -> Job:
        """End a job. Raises NotFound, Conflict if it is over."""

        def change(details: JobDetails) -> JobDetails:
            now_s = self.keeping.clock.now() // 1000
            return msgspec.structs.replace(
                details, finished_at_s=now_s, state=None, measured=[], estimated_finish_s=None
            )

        job = await self._move(whose, public_id, CANCELLED, change)
        states = await self.keeping.page(
            whose, Kind.TRAINING_STATE, parent=job.held.object, limit=SLOTS
        )
        ended = states.objects
        if job.details.intended is not None:
            # A worker that died between making the model and saying so: it is nobody's.
            made = [PREFIXES[Kind.ADAPTER] + job.details.intended]
            ended += await self.keeping.find_all(whose, Kind.ADAPTER, made)
        if ended:
            await self.deletion.delete(whose, ended)
        return job

    async def pause(self, whose: KeptFor, public_id: str) -> Job:
        """Let a job stop after its present step. Raises NotFound, Conflict."""
        return await self._move(whose, public_id, PAUSING)

    async def resume(self, whose: KeptFor, public_id: str) -> Job:
        """Let a paused job go on. Raises NotFound, Conflict."""
        return await self._move(whose, public_id, QUEUED)

    async def find_model(self, whose: KeptFor, model: str) -> Opened:
        """A fine-tuned model of one's own by its whole name. Raises NotFound."""
        name = model.rpartition(":")[2]
        found = await self.keeping.read(whose, Kind.ADAPTER, f"adapter-{name}")
        if msgspec.json.decode(found.details, type=AdapterDetails).model != model:
            raise NotFound("There is no such fine-tuned model.")
        return found

    async def models(self, whose: KeptFor) -> list[tuple[HeldObject, AdapterDetails]]:
        """One's fine-tuned models, newest first."""
        page = await self.keeping.page(whose, Kind.ADAPTER, limit=1000)
        opened = await self.keeping.listed(whose, page.objects)
        return [(one.held, msgspec.json.decode(one.details, type=AdapterDetails)) for one in opened]

    async def delete_model(self, whose: KeptFor, model: str) -> AdapterDetails:
        """Destroy a fine-tuned model; gives what it was. Raises NotFound."""
        found = await self.find_model(whose, model)
        await self.deletion.delete(whose, [found.held])
        return msgspec.json.decode(found.details, type=AdapterDetails)

    async def adapter(self, whose: KeptFor, held: HeldObject) -> Content:
        """The adapter's bytes."""
        return Content(b"".join([part async for part in self.keeping.content(whose, held)]))

    async def _file(self, whose: KeptFor, public_id: str, field: str) -> HeldObject:
        try:
            held = await self.keeping.find(whose, Kind.FILE, public_id)
        except NotFound:
            raise InvalidInput(f"invalid {field}: there is no such file.", field=field) from None
        if held.label != "fine-tune":
            raise InvalidInput(
                f"invalid {field}: the file's purpose is '{held.label}'; upload it with purpose "
                "'fine-tune'.",
                field=field,
            )
        return held

    async def _move(
        self,
        whose: KeptFor,
        public_id: str,
        status: str,
        change: Change = lambda details: details,
    ) -> Job:
        def revised(opened: Opened) -> Revised:
            job = job_of(opened)
            present = job.held.label
            if present not in _FROM[status]:
                raise Conflict(f"This job is {job.status}. Only {_WANTED[status]} can be.")
            target = PAUSED if status == PAUSING and present == QUEUED else status
            return Revised(msgspec.json.encode(change(job.details)), target)

        def read() -> Awaitable[Opened]:
            return self.keeping.read(whose, Kind.FINE_TUNING_JOB, public_id)

        return job_of(await revise(self.keeping, whose, read, revised))


_FROM: Final = {
    CANCELLED: frozenset({VALIDATING, QUEUED, RUNNING, PAUSING, PAUSED}),
    PAUSING: frozenset({QUEUED, RUNNING}),
    QUEUED: frozenset({PAUSED, PAUSING}),
}
_WANTED: Final = {
    CANCELLED: "one that is not over",
    PAUSING: "one that is queued or running",
    QUEUED: "one that is paused",
}


def _cancellation(job: Job) -> JobEvent:
    """The last event of a job that its owner ended: the job itself says it, nobody else has to."""
    name = "ftevent-" + job.held.public_id.rpartition("-")[2]
    return JobEvent(name, job.details.finished_at_s or 0, "info", "Job cancelled", "message", {})


def job_of(opened: Opened) -> Job:
    """A job from its details."""
    return Job(opened.held, msgspec.json.decode(opened.details, type=JobDetails))


def model_name(job: HeldObject, details: JobDetails, name: str) -> str:
    """What the owner calls an adapter whose public identifier ends in `name`."""
    owner = tenant_text(job.tenant)[4:12]
    return f"{PREFIX}{details.model}:{owner}:{details.suffix or ''}:{name}"


async def change_job(
    keeping: Keeping,
    whose: KeptFor,
    name: ObjectId,
    fence: int,
    change: Change,
    label: str | None = None,
) -> Job:
    """Change a job on the work's behalf, whatever its owner changes at the same time.

    Raises JobOverError when it is over or paused, whoever has ended or paused it, NotFound when it
    is gone, FencedError when a later holder has begun.
    """

    def revised(opened: Opened) -> Revised:
        present, details = opened.held.label, job_of(opened).details
        if present in OVER or present == PAUSED:
            raise JobOverError
        if details.fence > fence:
            raise FencedError
        kept = present if label is None else label
        if (label, present) in ((RUNNING, PAUSING), (PAUSED, QUEUED)):
            kept = present  # what the owner asked for meanwhile
        changed = msgspec.structs.replace(change(details), fence=fence)
        return Revised(msgspec.json.encode(changed), kept)

    def read() -> Awaitable[Opened]:
        return carried(keeping, whose, name)

    return job_of(await revise(keeping, whose, read, revised))

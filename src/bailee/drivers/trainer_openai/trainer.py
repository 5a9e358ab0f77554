"""Fine-tuning at a provider: examples are uploaded, a job is made, and its progress is asked for.

Everything of a run is named there by a token that its caller knows before anything is sent: the
files by their names, the job by its metadata. So whatever was cut short is found again, to be
followed or to be ended. What was uploaded is deleted as soon as the job is over, before its end is
told. The adapter stays with the provider, under the name that `Finished.provider_model` gives,
until `end_model`. A provider that is away is waited for. Its words never reach an error: they may
quote the examples.

This driver sends customers' content to somebody else. Whether that is allowed, by which terms and
as which sub-processor, its caller decides and records. It was tested against another installation
of Bailee and against a server that behaves as OpenAI's documents say, and never against OpenAI.
"""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from bailee.drivers.trainer_openai.ending import end_run, ended_files, ended_models, ended_results
from bailee.drivers.trainer_openai.lines import file_bytes, method_of
from bailee.drivers.trainer_openai.provider import (
    FAILED,
    METADATA_KEY,
    PAGE,
    asked,
    failure,
    file_name,
    find_job,
    mapped,
    metrics_of,
    open_client,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Metrics,
    Paused,
    StepDone,
    TrainingEvent,
    TrainingFailure,
    TrainingTask,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_TOKEN_BYTES: Final = 16


class ProviderSpecification(NamedTuple):
    """Where a provider is, and which of its models is trained."""

    base_url: str
    """As in `https://api.example.com/v1`."""
    model: str
    poll_s: float = 15.0
    """How often progress is asked for."""


class _Job(msgspec.Struct, frozen=True):
    """What a run is at the provider; as JSON it is the run's state."""

    token: str
    id: str = ""
    """Empty: it may be there all the same."""
    told: int = 0
    """Steps whose progress was told."""


class ProviderTrainer:
    """A driver of `ports.trainer.RemoteTrainer`."""

    def __init__(
        self,
        specification: ProviderSpecification,
        credential: Secret,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """Raises InvalidInput for an address that content may not be sent to."""
        parts = urlsplit(specification.base_url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or not parts.hostname:
            raise InvalidInput(
                "a provider's url is https://host[:port][/path] (clause C14); correct it",
                field="base_url",
            )
        self.specification: Final = specification
        self._credential = credential
        self._clock = clock
        self._randomness = randomness

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> "ProviderRun":
        """See `ports.trainer`. Nothing is sent before the run's first event was read."""
        if state is None:
            job = _Job(self._randomness.random_bytes(_TOKEN_BYTES).hex())
        else:
            try:
                job = msgspec.json.decode(state, type=_Job)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise TrainingFailure(
                    "the state to resume from cannot be read; begin the run anew", retry_safe=False
                ) from None
        return ProviderRun(self, self._client(), job, task, self._clock, again=state is not None)

    async def end_run(self, run: str, keep: frozenset[str]) -> None:
        """See `ports.trainer`."""
        async with self._client() as client:
            await end_run(client, run, keep)

    async def end_model(self, model: str) -> None:
        """See `ports.trainer`."""
        async with self._client() as client:
            await ended_models(client, [model])

    def _client(self) -> "AsyncOpenAI":
        return open_client(self.specification.base_url, self._credential)


class ProviderRun:
    """A driver of `ports.trainer.TrainingRun`: one job at a provider."""

    def __init__(
        self,
        trainer: ProviderTrainer,
        client: "AsyncOpenAI",
        job: _Job,
        task: TrainingTask,
        clock: Clock,
        *,
        again: bool,
    ) -> None:
        """`again`: it was begun before, and perhaps paused."""
        self._trainer = trainer
        self._client = client
        self._job = job
        self._task = task
        self._clock = clock
        self._again = again
        self._pausing = False
        self._cancelled = False
        self._happened: list[TrainingEvent] = []
        self._metrics: Metrics | None = None

    async def events(self) -> AsyncGenerator[TrainingEvent, None]:
        """See `ports.trainer`. Progress comes as late as it is asked for."""
        try:
            yield self._began()
            while not self._cancelled:
                await self._look()
                happened, self._happened = self._happened, []
                for event in happened:
                    yield event
                    if isinstance(event, Finished | Paused):
                        return
                await self._clock.sleep_s(self._trainer.specification.poll_s)
            # What was being made while it was cancelled is ended too.
            await self._trainer.end_run(self._job.token, frozenset())
        finally:
            await self._client.close()

    async def pause(self) -> None:
        """See `ports.trainer`. Asked again each time until the provider does it."""
        self._pausing = True

    async def cancel(self) -> None:
        """See `ports.trainer`. Raises TrainingFailure when something remains."""
        if self._cancelled or self._client.is_closed():
            return
        self._cancelled = True
        await self._trainer.end_run(self._job.token, frozenset())

    def _began(self) -> Began:
        shaped = self._task.hyperparameters
        per_epoch = -(-len(self._task.examples) // shaped.batch_size)
        steps = per_epoch * shaped.n_epochs
        return Began(steps, self._job.told + 1, 0, 0, self._state(), self._job.token)

    def _state(self) -> bytes:
        return msgspec.json.encode(self._job)

    async def _look(self) -> None:
        """See what has happened. A provider that is away is looked at again later."""
        try:
            await self._looked()
        except TrainingFailure as problem:
            if not problem.retry_safe:
                raise

    async def _looked(self) -> None:
        if not self._job.id:
            await self._make()
        job = await asked(self._client.fine_tuning.jobs.retrieve(self._job.id))
        await self._steps()
        # The SDK's list of states lacks `paused`.
        status: str = job.status
        if status == "paused" and self._again and not self._pausing:
            await asked(self._client.fine_tuning.jobs.resume(self._job.id))
        elif status == "paused":
            self._happened.append(Paused(self._job.told, self._state()))
        elif status in FAILED:
            await ended_files(self._client, self._job.token)
            if not self._cancelled:
                raise failure(status, job.error.code if job.error else None)
        elif status == "succeeded":
            checkpoints = await self._checkpoints()
            await ended_results(self._client, job)
            await ended_files(self._client, self._job.token)
            model = job.fine_tuned_model or ""
            last = Finished(self._metrics, job.trained_tokens or 0, b"", model)
            self._happened += [*checkpoints, last]
        elif self._pausing:
            await self._pause(self._job.id)
        self._again = False

    async def _pause(self, job: str) -> None:
        """Ask for a pause; a provider that cannot do it now is asked again, and goes on."""
        try:
            await asked(self._client.fine_tuning.jobs.pause(job))
        except TrainingFailure:
            return

    async def _make(self) -> None:
        """The job: found, where an earlier try was cut short, or made."""
        token = self._job.token
        found = await find_job(self._client, token) if self._again else None
        if found is None:
            if self._again:
                await ended_files(self._client, token)
            self._again = True
            found = await self._created(token)
        self._job = msgspec.structs.replace(self._job, id=found)

    async def _created(self, token: str) -> str:
        files: list[str] = []
        for name, examples in (("train", self._task.examples), ("valid", self._task.validation)):
            if examples and not self._cancelled:
                content = (file_name(token, name), file_bytes(examples), "application/jsonl")
                made = await asked(self._client.files.create(file=content, purpose="fine-tune"))
                files.append(made.id)
        if self._cancelled:
            raise TrainingFailure("it was cancelled", retry_safe=True)
        named: dict[str, Any] = {} if len(files) == 1 else {"validation_file": files[1]}
        job = await asked(
            self._client.fine_tuning.jobs.create(
                model=self._trainer.specification.model,
                training_file=files[0],
                seed=self._task.seed,
                method=method_of(self._task),  # type: ignore[arg-type]  # typed dictionaries
                metadata={METADATA_KEY: token},
                **named,
            )
        )
        return str(job.id)

    async def _steps(self) -> None:
        """Steps that were not told yet, in order."""
        found: dict[int, Metrics] = {}
        pages = self._client.fine_tuning.jobs.list_events(self._job.id, limit=PAGE)
        try:
            async for event in pages:
                if event.type != "metrics" or not isinstance(event.data, dict):
                    continue
                metrics = metrics_of(event.data)
                if metrics is None:
                    continue
                if metrics.step <= self._job.told:
                    break  # events come newest first
                found.setdefault(metrics.step, metrics)
        except Exception as error:  # noqa: BLE001 - its message may quote the examples
            raise mapped(error) from None
        for step in sorted(found):
            self._metrics = found[step]
            self._job = msgspec.structs.replace(self._job, told=step)
            self._happened.append(StepDone(found[step]))

    async def _checkpoints(self) -> list[CheckpointReached]:
        pages = self._client.fine_tuning.jobs.checkpoints.list(self._job.id, limit=PAGE)
        try:
            listed = [checkpoint async for checkpoint in pages]
        except Exception as error:  # noqa: BLE001 - its message may quote the examples
            raise mapped(error) from None
        told = []
        for one in sorted(listed, key=lambda checkpoint: checkpoint.step_number):
            measured = one.metrics.model_dump() | {"step": one.step_number}
            metrics = metrics_of(measured) or Metrics(one.step_number, 0.0)
            told.append(CheckpointReached(metrics, b"", b"", one.fine_tuned_model_checkpoint))
        return told

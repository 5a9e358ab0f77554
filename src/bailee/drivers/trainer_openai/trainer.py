"""Fine-tuning at a provider: examples are uploaded, a job is made, and its progress is asked for.

What was uploaded is deleted there when the job is over, however it ends. It stays while the job is
paused or goes on unwatched: take such a run up with its state, to follow or to cancel it. The
adapter stays with the provider, under the name that `Finished.provider_model` gives. The provider's
words never reach an error: they may quote the examples.

This driver sends customers' content to somebody else. Whether that is allowed, by which terms and
as which sub-processor, its caller decides and records. It was tested against a server that behaves
as OpenAI's documents say, and never against a real provider.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from bailee.drivers.trainer_openai.lines import file_bytes, method_of
from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
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
_CODE: Final = re.compile(r"[a-z_]{1,64}")
_PAGE: Final = 100
_FIRST_RETRIABLE: Final = 500
_RETRIABLE: Final = frozenset({408, 409, 429})
_FIELDS: Final = {
    "train_mean_token_accuracy": ("train_mean_token_accuracy", "train_accuracy"),
    "valid_loss": ("full_valid_loss", "valid_loss"),
    "valid_mean_token_accuracy": ("full_valid_mean_token_accuracy", "valid_mean_token_accuracy"),
}
"""Our names of a measurement, each with the provider's."""


class ProviderSpecification(NamedTuple):
    """Where a provider is, and which of its models is trained."""

    base_url: str
    """As in `https://api.example.com/v1`."""
    model: str
    poll_s: float = 15.0
    """How often progress is asked for."""


class _Job(msgspec.Struct, frozen=True):
    """What a run is at the provider; as JSON it is the run's state."""

    id: str
    files: tuple[str, ...]
    told: int = 0
    """Steps whose progress was told."""


class ProviderTrainer:
    """A driver of `ports.trainer`."""

    def __init__(
        self, specification: ProviderSpecification, credential: Secret, clock: Clock
    ) -> None:
        """Raises InvalidInput for an address that content may not be sent to."""
        parts = urlsplit(specification.base_url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or not parts.hostname:
            raise InvalidInput(
                "a provider's url is https://host[:port][/path] (clause C14); correct it",
                field="base_url",
            )
        self._specification = specification
        self._credential = credential
        self._clock = clock

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> "ProviderRun":
        """See `ports.trainer`."""
        client = self._client()
        try:
            if state is None:
                job = await self._created(client, task)
            else:
                job = await _taken_up(client, state)
        except BaseException:
            await client.close()
            raise
        return ProviderRun(client, job, task, self._specification.poll_s, self._clock)

    def _client(self) -> "AsyncOpenAI":
        try:
            from openai import AsyncOpenAI
        except ImportError:
            raise TrainingFailure(
                "fine-tuning at a provider needs `openai`: install the extra `finetuning-provider`",
                retry_safe=False,
            ) from None
        return AsyncOpenAI(base_url=self._specification.base_url, api_key=self._credential.decode())

    async def _created(self, client: "AsyncOpenAI", task: TrainingTask) -> _Job:
        files: list[str] = []
        try:
            for name, examples in (("train", task.examples), ("valid", task.validation)):
                if examples:
                    content = (f"{name}.jsonl", file_bytes(examples), "application/jsonl")
                    made = await _asked(client.files.create(file=content, purpose="fine-tune"))
                    files.append(made.id)
            named: dict[str, Any] = {} if len(files) == 1 else {"validation_file": files[1]}
            # Not asked twice: a job that was made and not answered for would be made again.
            once = client.with_options(max_retries=0)
            job = await _asked(
                once.fine_tuning.jobs.create(
                    model=self._specification.model,
                    training_file=files[0],
                    seed=task.seed,
                    method=method_of(task),  # type: ignore[arg-type]  # typed dictionaries
                    **named,
                )
            )
        except BaseException:
            await _deleted(client, files)
            raise
        return _Job(job.id, tuple(files))


class ProviderRun:
    """A driver of `ports.trainer.TrainingRun`: one job at a provider."""

    def __init__(
        self, client: "AsyncOpenAI", job: _Job, task: TrainingTask, poll_s: float, clock: Clock
    ) -> None:
        self._client = client
        self._job = job
        self._task = task
        self._poll_s = poll_s
        self._clock = clock
        self._cancelled = False
        self._followed = False
        self._metrics: Metrics | None = None

    async def events(self) -> AsyncGenerator[TrainingEvent, None]:
        """See `ports.trainer`. Progress comes as late as it is asked for."""
        over = False
        self._followed = True
        try:
            yield self._began()
            while not self._cancelled:
                job = await _asked(self._client.fine_tuning.jobs.retrieve(self._job.id))
                async for step in self._steps():
                    yield step
                # The SDK's list of states lacks `paused`.
                status: str = job.status
                over = status in ("failed", "cancelled", "succeeded")
                if status == "paused":
                    yield Paused(self._job.told, msgspec.json.encode(self._job))
                    return
                if status in ("failed", "cancelled"):
                    if self._was_cancelled():
                        return
                    raise _failure(status, job.error.code if job.error else None)
                if status == "succeeded":
                    async for checkpoint in self._checkpoints():
                        yield checkpoint
                    model = job.fine_tuned_model or ""
                    yield Finished(self._metrics, job.trained_tokens or 0, b"", model)
                    return
                await self._clock.sleep_s(self._poll_s)
        finally:
            # A job that goes on still wants its files, whatever ended the asking.
            if over or self._cancelled:
                await _deleted(self._client, self._job.files)
            await self._client.close()

    async def pause(self) -> None:
        """See `ports.trainer`."""
        await _asked(self._client.fine_tuning.jobs.pause(self._job.id))

    async def cancel(self) -> None:
        """See `ports.trainer`."""
        if self._cancelled or self._client.is_closed():
            return
        self._cancelled = True
        try:
            await _asked(self._client.fine_tuning.jobs.cancel(self._job.id))
            await _deleted(self._client, self._job.files)
        finally:
            if not self._followed:
                await self._client.close()

    def _was_cancelled(self) -> bool:
        return self._cancelled

    def _began(self) -> Began:
        shaped = self._task.hyperparameters
        per_epoch = -(-len(self._task.examples) // shaped.batch_size)
        state = msgspec.json.encode(self._job)
        return Began(per_epoch * shaped.n_epochs, self._job.told + 1, 0, 0, state)

    async def _steps(self) -> AsyncGenerator[StepDone, None]:
        """Steps that were not told yet, in order."""
        found: dict[int, Metrics] = {}
        pages = self._client.fine_tuning.jobs.list_events(self._job.id, limit=_PAGE)
        try:
            async for event in pages:
                if event.type != "metrics" or not isinstance(event.data, dict):
                    continue
                metrics = _metrics(event.data)
                if metrics is None:
                    continue
                if metrics.step <= self._job.told:
                    break  # events come newest first
                found.setdefault(metrics.step, metrics)
        except Exception as error:  # noqa: BLE001 - its message may quote the examples
            raise _mapped(error) from None
        for step in sorted(found):
            self._metrics = found[step]
            self._job = msgspec.structs.replace(self._job, told=step)
            yield StepDone(found[step])

    async def _checkpoints(self) -> AsyncGenerator[CheckpointReached, None]:
        pages = self._client.fine_tuning.jobs.checkpoints.list(self._job.id, limit=_PAGE)
        try:
            listed = [checkpoint async for checkpoint in pages]
        except Exception as error:  # noqa: BLE001 - its message may quote the examples
            raise _mapped(error) from None
        for one in sorted(listed, key=lambda checkpoint: checkpoint.step_number):
            measured = one.metrics.model_dump() | {"step": one.step_number}
            metrics = _metrics(measured) or Metrics(one.step_number, 0.0)
            yield CheckpointReached(metrics, b"", b"", one.fine_tuned_model_checkpoint)


async def _taken_up(client: "AsyncOpenAI", state: bytes) -> _Job:
    try:
        job = msgspec.json.decode(state, type=_Job)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TrainingFailure(
            "the state to resume from cannot be read; begin the run anew", retry_safe=False
        ) from None
    found = await _asked(client.fine_tuning.jobs.retrieve(job.id))
    if str(found.status) == "paused":
        await _asked(client.fine_tuning.jobs.resume(job.id))
    return job


async def _asked(answer: Any) -> Any:
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        raise _mapped(error) from None


async def _deleted(client: "AsyncOpenAI", files: Any) -> None:
    """Delete files; one that is gone already is well."""
    from openai import NotFoundError

    for file in files:
        try:
            await client.files.delete(file)
        except NotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - its message may quote the examples
            raise _mapped(error) from None


def _metrics(data: Mapping[str, Any]) -> Metrics | None:
    step, loss = data.get("step"), data.get("train_loss")
    if not isinstance(step, int | float) or not isinstance(loss, int | float):
        return None
    measured: dict[str, float] = {}
    for ours, theirs in _FIELDS.items():
        values = (data.get(name) for name in theirs)
        first = next((value for value in values if isinstance(value, int | float)), None)
        if first is not None:
            measured[ours] = float(first)
    return Metrics(int(step), float(loss), **measured)


def _failure(status: str, code: str | None) -> TrainingFailure:
    named = code if code and _CODE.fullmatch(code) else "no code"
    return TrainingFailure(
        f"the provider's job is {status} ({named}); look it up at the provider", retry_safe=False
    )


def _mapped(error: Exception) -> Exception:
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, TrainingFailure):
        return error
    if isinstance(error, APIConnectionError):
        return TrainingFailure("the provider cannot be reached; wait", retry_safe=True)
    if isinstance(error, APIStatusError):
        status = error.status_code
        retry_safe = status >= _FIRST_RETRIABLE or status in _RETRIABLE
        what = "wait" if retry_safe else "look at its model, credential and limits"
        return TrainingFailure(
            f"the provider answered with status {status}; {what}", retry_safe=retry_safe
        )
    return TrainingFailure(
        "the provider's answer cannot be understood; see that it speaks OpenAI's API",
        retry_safe=False,
    )

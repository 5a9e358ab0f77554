"""Fine-tuning on a Ray cluster: a job is submitted, and its log is read until it is over.

The task crosses Ray sealed to the cluster's key and what comes back is sealed under a key that the
task carries, so that nothing lies in clear in Ray's database, packages or logs. The job trains in a
process that cannot write files (`drivers.trainer_local`, on a node). A run has no checkpoints and
no states: one that is paused, or whose job is lost, begins anew, with the same result. When a run
is over its job is deleted; Ray itself decides when the sealed package goes.

What this surrenders: who may submit jobs to the cluster may run anything on its nodes, and so read
the cluster's key, every task still kept, and the memory of those that run.

Tried on one node of Ray 2.60 (`tests/contracts/test_trainer_ray.py`, soak); never on a cluster of
several, nor with processors of other kinds.
"""

import shlex
from collections.abc import AsyncGenerator
from typing import Final, NamedTuple

import msgspec

from bailee.drivers.trainer_ray.jobs import OVER, RayJobs
from bailee.drivers.trainer_ray.sealing import (
    KEY_BYTES,
    Handover,
    RayFailed,
    opened_lines,
    sealed_package,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness
from bailee.ports.trainer import (
    Began,
    Finished,
    Metrics,
    Paused,
    StepDone,
    TrainingEvent,
    TrainingFailure,
    TrainingTask,
)

_NAME_BYTES: Final = 16


class RayWeights(NamedTuple):
    """The model that is trained, as the nodes have it."""

    file: str
    """A GGUF file's path on every node."""
    sha256: str
    context_tokens: int = 2048
    threads: int = 0


class RaySpecification(NamedTuple):
    """A cluster."""

    address: str
    """Its dashboard, as in `https://ray.example.com`."""
    public_key: bytes
    """As its file has it."""
    entrypoint: tuple[str, ...]
    """The command that runs `run_entry` on a node."""
    weights: RayWeights = RayWeights("", "")
    cpus: float = 1.0
    """Reserved for the job."""
    poll_s: float = 15.0


class _Job(msgspec.Struct, frozen=True):
    """A run's state."""

    id: str
    key: bytes
    """Of its answers."""

    def __repr__(self) -> str:
        return f"<job {self.id}>"


class RayTrainer:
    """A driver of `ports.trainer.RemoteTrainer`."""

    def __init__(
        self,
        specification: RaySpecification,
        credential: Secret | None,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """Raises InvalidInput for an address that content may not be sent to."""
        self.specification: Final = specification
        self.jobs: Final = RayJobs(specification.address, credential)
        self.clock: Final = clock
        self._randomness = randomness

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> "RayRun":
        """See `ports.trainer`. Nothing is sent before the run's first event was read."""
        if state is None:
            return RayRun(self, self.new_job(), task)
        try:
            return RayRun(self, msgspec.json.decode(state, type=_Job), task)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise TrainingFailure(
                "the state to resume from cannot be read; begin the run anew", retry_safe=False
            ) from None

    async def end_run(self, run: str, keep: frozenset[str]) -> None:  # noqa: ARG002 - none are there
        """See `ports.trainer`."""
        status = await self.jobs.status(run)
        if status is None:
            return
        if status not in OVER:
            await self.jobs.stop(run)
            raise TrainingFailure("the cluster has not ended the job yet; wait", retry_safe=True)
        await self.jobs.delete(run)

    async def end_model(self, model: str) -> None:
        """See `ports.trainer`. No model lies there."""

    def new_job(self) -> _Job:
        """A job that does not exist yet."""
        name = f"bailee-{self._randomness.random_bytes(_NAME_BYTES).hex()}"
        return _Job(name, self._randomness.random_bytes(KEY_BYTES))


class RayRun:
    """A driver of `ports.trainer.TrainingRun`: one job of a cluster."""

    def __init__(self, trainer: RayTrainer, job: _Job, task: TrainingTask) -> None:
        self._trainer = trainer
        self._job = job
        self._task = task
        self._lines = 0
        self._step = 0
        self._pausing = False
        self._cancelled = False
        self._happened: list[TrainingEvent] = []
        self._metrics: Metrics | None = None
        self._finished: Finished | None = None
        self._failed: RayFailed | None = None

    async def events(self) -> AsyncGenerator[TrainingEvent, None]:
        """See `ports.trainer`. Progress comes as late as it is asked for."""
        yield self._began()
        trainer = self._trainer
        while not self._cancelled:
            await self._look()
            happened, self._happened = self._happened, []
            for event in happened:
                yield event
                if isinstance(event, Finished | Paused):
                    return
            await trainer.clock.sleep_s(trainer.specification.poll_s)

    async def pause(self) -> None:
        """See `ports.trainer`. The job is stopped; the run begins anew when it goes on."""
        self._pausing = True

    async def cancel(self) -> None:
        """See `ports.trainer`. Raises TrainingFailure when something remains."""
        if self._finished is not None:
            return
        self._cancelled = True
        await self._trainer.end_run(self._job.id, frozenset())

    def _began(self) -> Began:
        shaped = self._task.hyperparameters
        per_epoch = -(-len(self._task.examples) // shaped.batch_size)
        state = msgspec.json.encode(self._job)
        return Began(per_epoch * shaped.n_epochs, 1, 0, 0, state, self._job.id)

    async def _look(self) -> None:
        """See what has happened. A cluster that is away is looked at again later."""
        try:
            await self._looked()
        except TrainingFailure as problem:
            if not problem.retry_safe:
                raise
        except InvalidInput as problem:
            raise TrainingFailure(str(problem), retry_safe=False) from None

    async def _looked(self) -> None:
        jobs = self._trainer.jobs
        status = await jobs.status(self._job.id)
        if status is None and self._pausing:
            self._paused()
        elif status is None:
            await self._submit()
        elif self._pausing and status not in OVER:
            await jobs.stop(self._job.id)
        else:
            # Read after the status: the log of a job that is over is whole.
            self._read(await jobs.log(self._job.id))
            if status in OVER:
                await jobs.delete(self._job.id)
                self._over(status)

    async def _submit(self) -> None:
        specification, weights = self._trainer.specification, self._trainer.specification.weights
        handover = Handover(
            weights.file,
            weights.sha256,
            weights.context_tokens,
            weights.threads,
            self._task,
            self._job.key,
        )
        package = sealed_package(specification.public_key, handover)
        if not self._cancelled:
            command = shlex.join(specification.entrypoint)
            await self._trainer.jobs.submit(self._job.id, package, command, specification.cpus)

    def _read(self, log: str) -> None:
        whole = log[: log.rfind("\n") + 1]
        told = opened_lines(self._job.key, whole, self._lines)
        self._lines += len(told)
        for one in told:
            if isinstance(one, StepDone):
                self._step, self._metrics = one.metrics.step, one.metrics
                self._happened.append(one)
            elif isinstance(one, Finished):
                self._finished = one
            elif isinstance(one, RayFailed):
                self._failed = one

    def _over(self, status: str) -> None:
        if self._finished is not None:
            self._happened.append(self._finished)
        elif self._cancelled:
            return
        elif self._pausing:
            self._paused()
        elif self._failed is not None:
            raise TrainingFailure(self._failed.message, retry_safe=False)
        else:
            raise TrainingFailure(
                f"the cluster's job is {status.lower()} and said nothing; look at its nodes: the "
                "key file, the weights, and whether Bailee is installed there",
                retry_safe=False,
            )

    def _paused(self) -> None:
        anew = msgspec.json.encode(self._trainer.new_job())
        self._happened.append(Paused(self._step, anew))

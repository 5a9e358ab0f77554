"""Where fine-tuning runs: examples go in, progress, checkpoints and an adapter come out.

A trainer promises: what it is given it never writes in clear anywhere; two runs with the same
task, seed, trainer and machine give the same adapter as far as its arithmetic allows; a run ends
with exactly one of `Finished`, `Paused` or an exception, and nothing of it remains in the trainer
afterwards. A paused run uses no memory and no processor: it exists in `Paused.state` alone, and
goes on when `begin` is given that state with the same task. The state of a `CheckpointReached` can
be resumed from in the same way, after a crash for instance; steps after it are then done again.

A trainer whose runs are elsewhere names what it will leave there before it sends anything, so that
its caller can have it ended after any crash (`RemoteTrainer`).

A trainer does not keep checkpoints, does not seal and does not know whose examples these are: all
that is its caller's. What is learned from an example is the caller's decision too.
"""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from msgspec import Struct

from bailee.kernel.errors import BaileeError
from bailee.kernel.redacted import HiddenStruct, redacted

Role = Literal["system", "developer", "user", "assistant", "tool"]
Method = Literal["supervised", "dpo"]


class TrainingFailure(BaileeError):
    """The run came to no result.

    `retry_safe`: the same task may succeed later (the trainer was away or was killed); otherwise
    task or installation must change first, as the message says.
    """

    def __init__(self, message: str, *, retry_safe: bool) -> None:
        super().__init__(message)
        self.retry_safe = retry_safe


class Turn(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """One message of a conversation. Printed without its content."""

    role: Role
    content: str
    learn: bool = True
    """Whether an assistant's message is learned from; other messages never are."""

    def __repr__(self) -> str:
        return f"<{self.role} {redacted(len(self.content))}>"


class SupervisedExample(Struct, frozen=True, tag="supervised", forbid_unknown_fields=True):
    """A conversation whose assistant's messages are learned."""

    turns: tuple[Turn, ...]


class PreferenceExample(Struct, frozen=True, tag="preference", forbid_unknown_fields=True):
    """A conversation and two answers to it, the first to be preferred."""

    turns: tuple[Turn, ...]
    preferred: Turn
    rejected: Turn


class Hyperparameters(Struct, frozen=True, forbid_unknown_fields=True):
    """How to train, everything decided."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    """Of the learning rate that the trainer takes for a good one."""
    beta: float | None = None
    """For dpo alone: how far the model may go from what it was; higher stays closer."""


class SupervisedTask(HiddenStruct, frozen=True, tag="supervised", forbid_unknown_fields=True):
    """What a supervised run is to do."""

    examples: tuple[SupervisedExample, ...]
    validation: tuple[SupervisedExample, ...]
    hyperparameters: Hyperparameters
    seed: int


class PreferenceTask(HiddenStruct, frozen=True, tag="dpo", forbid_unknown_fields=True):
    """What a direct preference optimisation is to do."""

    examples: tuple[PreferenceExample, ...]
    validation: tuple[PreferenceExample, ...]
    hyperparameters: Hyperparameters
    seed: int


TrainingTask = SupervisedTask | PreferenceTask


class Metrics(Struct, frozen=True, omit_defaults=True):
    """What was measured at a step; absent where it was not."""

    step: int
    """From 1."""
    train_loss: float
    """Of this step's batch, before it was learned."""
    train_mean_token_accuracy: float | None = None
    """Supervised: share of learned tokens that the model would have chosen itself."""
    train_preference_accuracy: float | None = None
    """Dpo: share of pairs whose preferred answer gained more than the other."""
    valid_loss: float | None = None
    """Over the whole validation set, after this step; measured where an epoch ends."""
    valid_mean_token_accuracy: float | None = None
    valid_preference_accuracy: float | None = None


class Began(HiddenStruct, frozen=True, tag="began"):
    """The first event: what the run amounts to."""

    steps: int
    first_step: int
    """1, or the one after the state that was resumed from."""
    trained_tokens: int
    """Tokens that the whole run reads, all epochs together; 0: known only at its end."""
    truncated_examples: int
    """Examples that were cut at the model's context length, as far as that is known."""
    state: bytes = b""
    """What `begin` takes the run up again with, should its caller be killed; empty: nothing yet."""
    elsewhere: str = ""
    """What names everything of this run beyond this machine, where nothing is sent before the event
    after this one is asked for; empty: nothing leaves it. See `RemoteTrainer.end_run`."""


class StepDone(Struct, frozen=True, tag="step"):
    """One step was learned."""

    metrics: Metrics


class CheckpointReached(HiddenStruct, frozen=True, tag="checkpoint"):
    """An epoch ended. Printed without adapter and state."""

    metrics: Metrics
    adapter: bytes
    """What the model has learned so far, a GGUF file's bytes; empty where the trainer keeps it."""
    state: bytes
    """What `begin` resumes from."""
    provider_model: str = ""
    """The model's name at a provider that keeps the adapter itself."""

    def __repr__(self) -> str:
        return f"<checkpoint at step {self.metrics.step}, {redacted(len(self.adapter))}>"


class Paused(HiddenStruct, frozen=True, tag="paused"):
    """The run stopped because it was asked to. The last event. Printed without its state."""

    step: int
    state: bytes

    def __repr__(self) -> str:
        return f"<paused after step {self.step}>"


class Finished(HiddenStruct, frozen=True, tag="finished"):
    """The run is complete. The last event. Printed without the adapter."""

    metrics: Metrics | None
    trained_tokens: int
    adapter: bytes
    """A GGUF file's bytes; empty where the trainer keeps it."""
    provider_model: str = ""
    """The model's name at a provider that keeps the adapter itself."""

    def __repr__(self) -> str:
        return f"<finished, {redacted(len(self.adapter))}>"


TrainingEvent = Began | StepDone | CheckpointReached | Paused | Finished


class TrainingRun(Protocol):
    """One run. Read its events to their end, or cancel it."""

    def events(self) -> AsyncGenerator[TrainingEvent, None]:
        """What happens, in order; to be read once. Raises TrainingFailure.

        Ends without a last event after `cancel`. Closed early, a run of this machine ends; a job
        elsewhere goes on, and is taken up by the state that the run gave last.
        """
        ...

    async def pause(self) -> None:
        """Ask the run to stop after the present step; `Paused` follows, or `Finished` if it was
        the last."""
        ...

    async def cancel(self) -> None:
        """End the run at once and for good. Harmless after the end; nothing of it remains.

        Raises TrainingFailure when something may remain elsewhere: `RemoteTrainer.end_run` then
        ends it.
        """
        ...


class Trainer(Protocol):
    """A place where fine-tuning runs."""

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> TrainingRun:
        """Begin a run, or go on from `state`, which came from a run of the same task.

        Raises TrainingFailure.
        """
        ...


class RemoteTrainer(Trainer, Protocol):
    """One whose runs and models lie elsewhere until they are ended."""

    async def end_run(self, run: str, keep: frozenset[str]) -> None:
        """End what lies elsewhere of the run that `Began.elsewhere` named: the job, what was
        uploaded, and models that it made but those in `keep`. Harmless when it is gone.

        Raises TrainingFailure when something may remain.
        """
        ...

    async def end_model(self, model: str) -> None:
        """End a model, by its `provider_model`. Harmless when it is gone. Raises TrainingFailure
        when it may remain."""
        ...

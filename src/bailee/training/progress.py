"""What is known of a run while it goes: its events folded into one state, and told in words.

Pure: whoever follows a run stores and seals what it needs of this. Messages hold numbers alone.
"""

from typing import Any, Final

import msgspec

from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Metrics,
    Paused,
    StepDone,
    TrainingEvent,
)

CHECKPOINTS_KEPT: Final = 3


class Progress(msgspec.Struct, frozen=True):
    """A run so far."""

    steps: int = 0
    trained_tokens: int = 0
    metrics: Metrics | None = None
    """Of the step that was done last."""
    checkpoints: tuple[CheckpointReached, ...] = ()
    """The last three, oldest first; earlier ones are to be destroyed."""
    paused: Paused | None = None
    begun: bytes = b""
    """The state with which the run began."""
    finished: Finished | None = None

    def resume_from(self) -> bytes | None:
        """The state with which a run that ended early goes on; None: from the beginning."""
        if self.paused is not None:
            return self.paused.state
        if self.checkpoints and self.checkpoints[-1].state:
            return self.checkpoints[-1].state
        return self.begun or None


class Told(msgspec.Struct, frozen=True):
    """An event as `fine_tuning.job.event` tells it."""

    type: str
    """`message` or `metrics`."""
    message: str
    data: dict[str, Any]


def after(progress: Progress, event: TrainingEvent) -> Progress:
    """The progress after one more event."""
    if isinstance(event, Began):
        return msgspec.structs.replace(
            progress,
            steps=event.steps,
            trained_tokens=event.trained_tokens,
            paused=None,
            begun=event.state,
        )
    if isinstance(event, StepDone):
        return msgspec.structs.replace(progress, metrics=event.metrics)
    if isinstance(event, CheckpointReached):
        kept = (*progress.checkpoints, event)[-CHECKPOINTS_KEPT:]
        return msgspec.structs.replace(progress, checkpoints=kept)
    if isinstance(event, Paused):
        return msgspec.structs.replace(progress, paused=event)
    return msgspec.structs.replace(progress, finished=event)


def told(progress: Progress, event: TrainingEvent) -> Told:
    """An event in words; `progress` is what it was before or after it."""
    if isinstance(event, Began):
        message = f"Training begins at step {event.first_step} of {event.steps}"
        if event.truncated_examples:
            message += f"; {event.truncated_examples} examples are cut at the context length"
        return Told("message", message, {})
    if isinstance(event, StepDone):
        metrics = event.metrics
        message = f"Step {metrics.step}/{progress.steps}: training loss={metrics.train_loss:.2f}"
        if metrics.valid_loss is not None:
            message += f", validation loss={metrics.valid_loss:.2f}"
        return Told("metrics", message, msgspec.to_builtins(metrics))
    if isinstance(event, CheckpointReached):
        step = event.metrics.step
        return Told("message", f"Checkpoint created at step {step}", {"step": step})
    if isinstance(event, Paused):
        return Told("message", f"Training paused after step {event.step}", {"step": event.step})
    return Told("message", "Training is complete", {})

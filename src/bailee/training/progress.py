"""A run's events in words. Pure; messages hold numbers alone."""

from typing import Any

import msgspec

from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Paused,
    StepDone,
    TrainingEvent,
)


class Told(msgspec.Struct, frozen=True):
    """An event as `fine_tuning.job.event` tells it."""

    type: str
    """`message` or `metrics`."""
    message: str
    data: dict[str, Any]


def told(event: TrainingEvent, steps: int) -> Told:
    """An event of a run of so many steps, in words."""
    if isinstance(event, Began):
        message = f"Training begins at step {event.first_step} of {event.steps}"
        if event.truncated_examples:
            message += f"; {event.truncated_examples} examples are cut at the context length"
        return Told("message", message, {})
    if isinstance(event, StepDone):
        metrics = event.metrics
        message = f"Step {metrics.step}/{steps}: training loss={metrics.train_loss:.2f}"
        if metrics.valid_loss is not None:
            message += f", validation loss={metrics.valid_loss:.2f}"
        return Told("metrics", message, msgspec.to_builtins(metrics))
    if isinstance(event, CheckpointReached):
        step = event.metrics.step
        return Told("message", f"Checkpoint created at step {step}", {"step": step})
    if isinstance(event, Paused):
        return Told("message", f"Training paused after step {event.step}", {"step": event.step})
    return Told("message", "Training is complete", {})

"""A run while it goes: how far it is, what was measured, its events in words.

Pure; words and measurements hold numbers alone.
"""

import csv
import io
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Metrics,
    Paused,
    StepDone,
    TrainingEvent,
)

MOST_ROWS: Final = 5_000
"""Measurements that are remembered: of the last steps."""


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    steps: int = 0
    """Of the whole run."""
    measured: dict[int, Metrics] = field(default_factory=dict)
    """By step; a step that was done again counts as it was done last."""
    _first_step: int = 0
    _began_s: float = 0.0

    def follow(self, event: TrainingEvent, now_s: float) -> None:
        """Take one more event, at a monotonic instant in seconds."""
        if isinstance(event, Began):
            self.steps, self._first_step, self._began_s = event.steps, event.first_step, now_s
        elif isinstance(event, StepDone):
            self.measured[event.metrics.step] = event.metrics

    def left_s(self, step: int, now_s: float) -> float | None:
        """How long it will take if it goes on as it went; None: nobody can say."""
        done = step - self._first_step + 1
        if done <= 0 or step > self.steps:
            return None
        return (now_s - self._began_s) / done * (self.steps - step)

    def rows(self) -> list[Metrics]:
        """What was measured, in order."""
        return [self.measured[step] for step in sorted(self.measured)[-MOST_ROWS:]]


def table_of(rows: list[Metrics]) -> bytes:
    """Measurements as comma-separated values with a head."""
    names = Metrics.__struct_fields__
    written = io.StringIO(newline="")
    table = csv.writer(written, lineterminator="\n")
    table.writerow(names)
    table.writerows([getattr(row, name) for name in names] for row in rows)
    return written.getvalue().encode()


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

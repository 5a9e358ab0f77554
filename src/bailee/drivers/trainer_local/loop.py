"""The training loop: what is learned in which order, measured, and handed out.

Which examples a step learns, and how fast, follow from task and step number alone: a run that goes
on from a state ends with the same adapter as one that was never interrupted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import torch

from bailee.drivers.trainer_local import objective, state
from bailee.drivers.trainer_local.model import Adapted
from bailee.drivers.trainer_local.tokens import Sequence as Tokenised
from bailee.drivers.trainer_local.tokens import Tokens, pieces
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Metrics,
    Paused,
    PreferenceTask,
    StepDone,
    SupervisedTask,
    TrainingEvent,
    TrainingFailure,
)

LEARNING_RATE: Final = {"supervised": 1e-3, "dpo": 1e-4}
"""For a multiplier of 1."""
_WARM_UP: Final = 0.05
"""Share of the steps over which the learning rate rises; then it falls to nothing."""
_LARGEST_GRADIENT: Final = 1.0
_BETA: Final = 0.1
_TOKENS_AT_ONCE: Final = 512
"""Through the model; a larger batch is learned in pieces, with the same result."""

Emit = Callable[[TrainingEvent], None]


class Loop:
    """One run in one process."""

    def __init__(
        self, adapted: Adapted, task: SupervisedTask | PreferenceTask, context_tokens: int
    ) -> None:
        self._adapted = adapted
        self._task = task
        self._context_tokens = context_tokens
        self._truncated = 0
        tokens = Tokens(adapted.tokenizer)
        self._examples = self._prepared(tokens, task.examples)
        self._validation = self._prepared(tokens, task.validation, counted=False)
        asked = task.hyperparameters
        self._steps_per_epoch = -(-len(self._examples) // asked.batch_size)
        self._steps = self._steps_per_epoch * asked.n_epochs
        kind = "supervised" if isinstance(task, SupervisedTask) else "dpo"
        self._peak = LEARNING_RATE[kind] * asked.learning_rate_multiplier
        longest = max(len(one.ids) for example in self._examples for one in example)
        if longest > _TOKENS_AT_ONCE:
            # A third more work for a fraction of the memory. It takes effect in training mode
            # alone, which changes nothing else: there is no dropout.
            adapted.model.train()
            adapted.model.gradient_checkpointing_enable({"use_reentrant": False})
        self._weights = [weight for _, weight in adapted.weights()]
        self._optimiser = torch.optim.AdamW(self._weights, lr=self._peak, weight_decay=0.0)
        self._metrics: Metrics | None = None

    def run(
        self,
        emit: Emit,
        pause_asked: Callable[[], bool],
        resumed: Mapping[str, Any] | None,
        digest: bytes,
    ) -> None:
        """Train to the end or to a pause, from the tensors of a state if there are some.

        Raises TrainingFailure.
        """
        done = 0
        if resumed is not None:
            done = state.restore(self._adapted, self._optimiser, resumed)
        each_epoch = sum(len(one.ids) for example in self._examples for one in example)
        trained_tokens = each_epoch * self._task.hyperparameters.n_epochs
        emit(Began(self._steps, done + 1, trained_tokens, self._truncated))
        for step in range(done + 1, self._steps + 1):
            metrics = self._learn(step)
            ends_epoch = step % self._steps_per_epoch == 0
            if ends_epoch and self._validation:
                metrics = self._validated(metrics)
            emit(StepDone(metrics))
            if ends_epoch:
                kept = state.saved(self._adapted, self._optimiser, step, digest)
                emit(CheckpointReached(metrics, self._adapted.adapter(), kept))
            self._metrics = metrics
            if step < self._steps and pause_asked():
                kept = state.saved(self._adapted, self._optimiser, step, digest)
                emit(Paused(step, kept))
                return
        emit(Finished(self._metrics, trained_tokens, self._adapted.adapter()))

    def _prepared(
        self, tokens: Tokens, examples: Sequence[Any], *, counted: bool = True
    ) -> list[tuple[Tokenised, ...]]:
        """Examples as tokens: one sequence each, or two where one is preferred."""
        prepared = []
        for example in examples:
            if isinstance(self._task, SupervisedTask):
                sequences: tuple[Tokenised, ...] = (tokens.supervised(example),)
            else:
                sequences = tokens.preference(example)
            cut = tuple(one.cut(self._context_tokens) for one in sequences)
            if not all(any(one.learned[1:]) for one in cut):
                raise TrainingFailure(
                    "an example's answer lies beyond the model's context length; shorten what "
                    "precedes it",
                    retry_safe=False,
                )
            self._truncated += counted and cut != sequences
            prepared.append(cut)
        return prepared

    def _learn(self, step: int) -> Metrics:
        rate = self._rate(step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        batch = self._batch(step)
        size = sum(self._size(example) for example in batch)
        loss, right = 0.0, 0
        self._optimiser.zero_grad(set_to_none=True)
        for piece in pieces(batch, _TOKENS_AT_ONCE):
            measured = self._measured(piece)
            share = measured.size / size
            (measured.loss * share).backward()
            loss += float(measured.loss) * share
            right += measured.right
        torch.nn.utils.clip_grad_norm_(self._weights, _LARGEST_GRADIENT)
        self._optimiser.step()
        share = right / size
        if isinstance(self._task, SupervisedTask):
            return Metrics(step, loss, train_mean_token_accuracy=share)
        return Metrics(step, loss, train_preference_accuracy=share)

    def _rate(self, step: int) -> float:
        rising = max(1, round(self._steps * _WARM_UP))
        if step <= rising:
            return self._peak * step / rising
        return self._peak * (self._steps - step + 1) / (self._steps - rising + 1)

    def _batch(self, step: int) -> list[tuple[Tokenised, ...]]:
        epoch, within = divmod(step - 1, self._steps_per_epoch)
        generator = torch.Generator().manual_seed(self._task.seed + epoch)
        order = torch.randperm(len(self._examples), generator=generator).tolist()
        size = self._task.hyperparameters.batch_size
        return [self._examples[index] for index in order[within * size : (within + 1) * size]]

    def _measured(self, batch: list[tuple[Tokenised, ...]]) -> objective.Measured:
        model, padding_id = self._adapted.model, self._adapted.padding_id
        if isinstance(self._task, SupervisedTask):
            return objective.supervised(model, [one[0] for one in batch], padding_id)
        beta = self._task.hyperparameters.beta or _BETA
        return objective.preference(model, [(one[0], one[1]) for one in batch], padding_id, beta)

    def _size(self, example: tuple[Tokenised, ...]) -> int:
        """What an example counts in a mean: its learned tokens, or one pair."""
        return sum(example[0].learned[1:]) if isinstance(self._task, SupervisedTask) else 1

    def _validated(self, metrics: Metrics) -> Metrics:
        loss, right, count = 0.0, 0, 0
        with torch.no_grad():
            for piece in pieces(self._validation, _TOKENS_AT_ONCE):
                measured = self._measured(piece)
                loss += float(measured.loss) * measured.size
                right += measured.right
                count += measured.size
        changed: dict[str, Any] = {"valid_loss": loss / count}
        if isinstance(self._task, SupervisedTask):
            changed["valid_mean_token_accuracy"] = right / count
        else:
            changed["valid_preference_accuracy"] = right / count
        return _with(metrics, changed)


def _with(metrics: Metrics, changed: dict[str, Any]) -> Metrics:
    replaced: Metrics = msgspec.structs.replace(metrics, **changed)
    return replaced

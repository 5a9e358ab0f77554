"""Examples as the lines of a training file, the way OpenAI's API takes them."""

from typing import Any

import msgspec

from bailee.ports.trainer import (
    PreferenceExample,
    PreferenceTask,
    SupervisedExample,
    TrainingTask,
    Turn,
)


def file_bytes(examples: tuple[SupervisedExample, ...] | tuple[PreferenceExample, ...]) -> bytes:
    """The file."""
    return b"".join(msgspec.json.encode(_document(example)) + b"\n" for example in examples)


def method_of(task: TrainingTask) -> dict[str, Any]:
    """The `method` of a job."""
    asked = task.hyperparameters
    values: dict[str, Any] = {
        "n_epochs": asked.n_epochs,
        "batch_size": asked.batch_size,
        "learning_rate_multiplier": asked.learning_rate_multiplier,
    }
    if isinstance(task, PreferenceTask):
        if asked.beta is not None:
            values["beta"] = asked.beta
        return {"type": "dpo", "dpo": {"hyperparameters": values}}
    return {"type": "supervised", "supervised": {"hyperparameters": values}}


def _document(example: SupervisedExample | PreferenceExample) -> dict[str, Any]:
    messages = [_message(turn) for turn in example.turns]
    if isinstance(example, SupervisedExample):
        return {"messages": messages}
    return {
        "input": {"messages": messages},
        "preferred_output": [_message(example.preferred)],
        "non_preferred_output": [_message(example.rejected)],
    }


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.role == "assistant" and not turn.learn:
        message["weight"] = 0
    return message

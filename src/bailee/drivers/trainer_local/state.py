"""What a run needs to go on where it stopped: adapter, optimiser, step, and which task it was.

The bytes are a safetensors file: numbers alone, nothing that could be executed.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import safetensors
import safetensors.torch
import torch

from bailee.drivers.trainer_local.model import Adapted
from bailee.ports.trainer import TrainingFailure, TrainingTask

_STEP: Final = "step"
_TASK: Final = "task"
_UNREADABLE: Final = "the state to resume from cannot be read; begin the run anew"


def task_digest(task: TrainingTask, sha256: str) -> bytes:
    """What two runs must share for one to go on from the other."""
    return hashlib.sha256(msgspec.msgpack.encode((task, sha256))).digest()


def saved(adapted: Adapted, optimiser: Any, step: int, digest: bytes) -> bytes:
    """The state after `step`."""
    tensors = {_STEP: torch.tensor(step), _TASK: torch.tensor(list(digest), dtype=torch.uint8)}
    for name, weight in adapted.weights():
        kept = optimiser.state[weight]
        tensors[f"weight.{name}"] = weight.detach()
        tensors[f"mean.{name}"] = kept["exp_avg"]
        tensors[f"square.{name}"] = kept["exp_avg_sq"]
    return bytes(safetensors.torch.save(tensors))


def read(state: bytes, digest: bytes) -> Mapping[str, Any]:
    """The tensors of a state of this task. Raises TrainingFailure for any other."""
    try:
        tensors: dict[str, Any] = safetensors.torch.load(state)
        belongs = bytes(tensors[_TASK].tolist()) == digest
    except (safetensors.SafetensorError, KeyError, ValueError):
        raise TrainingFailure(_UNREADABLE, retry_safe=False) from None
    if not belongs:
        raise TrainingFailure(
            "this state belongs to another task; give the same task, or begin anew",
            retry_safe=False,
        )
    return tensors


def restore(adapted: Adapted, optimiser: Any, tensors: Mapping[str, Any]) -> int:
    """Put adapter and optimiser back; the step that was done last. Raises TrainingFailure."""
    try:
        step = int(tensors[_STEP])
        with torch.no_grad():
            for name, weight in adapted.weights():
                weight.copy_(tensors[f"weight.{name}"])
                optimiser.state[weight] = {
                    "step": torch.tensor(float(step)),
                    "exp_avg": tensors[f"mean.{name}"],
                    "exp_avg_sq": tensors[f"square.{name}"],
                }
    except (KeyError, RuntimeError):
        raise TrainingFailure(_UNREADABLE, retry_safe=False) from None
    return step

"""A Ray job's own process: it opens its task in memory, trains, and says in sealed lines how it
goes. Neither the task nor what comes of it is written in clear."""

from collections.abc import Callable

from bailee.drivers.trainer_ray.sealing import (
    Handover,
    RayFailed,
    Told,
    opened_task,
    sealed_line,
)
from bailee.ports.randomness import Randomness
from bailee.ports.trainer import Began, Finished, StepDone, Trainer, TrainingFailure

OpenTrainer = Callable[[Handover], Trainer]
"""The trainer of a node."""


async def run_entry(
    private: bytes,
    sealed: bytes,
    open_trainer: OpenTrainer,
    say: Callable[[str], None],
    randomness: Randomness,
) -> bool:
    """Carry a task, as `TASK_FILE` in the working folder has it; whether it came to an end.

    Raises InvalidInput for a task that this key does not open.
    """
    handover = opened_task(private, sealed)
    number = 0

    def tell(told: Told) -> None:
        nonlocal number
        say(sealed_line(handover.answer_key, number, told, randomness))
        number += 1

    try:
        run = await open_trainer(handover).begin(handover.task)
        async for event in run.events():
            # Checkpoints stay behind: each would be read again with every look at the log.
            if isinstance(event, Began | StepDone | Finished):
                tell(event)
    except TrainingFailure as failure:
        tell(RayFailed(str(failure), failure.retry_safe))
        return False
    return True

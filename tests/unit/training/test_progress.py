"""A run's events become one state and plain words."""

from bailee.ports.trainer import Began, CheckpointReached, Finished, Metrics, Paused, StepDone
from bailee.training.progress import Progress, after, told


def checkpoint(step: int) -> CheckpointReached:
    return CheckpointReached(Metrics(step, 1.0), b"adapter", b"state %d" % step)


def test_the_last_three_checkpoints_are_kept() -> None:
    progress = Progress()
    for step in range(1, 6):
        progress = after(progress, checkpoint(step))
    assert [one.metrics.step for one in progress.checkpoints] == [3, 4, 5]
    assert progress.resume_from() == b"state 5"


def test_a_paused_run_goes_on_from_where_it_paused() -> None:
    progress = after(after(Progress(), checkpoint(2)), Paused(3, b"paused"))
    assert progress.resume_from() == b"paused"
    resumed = after(progress, Began(9, 3, 4, 100, 0))
    assert resumed.paused is None
    assert resumed.resume_from() == b"state 2"
    finished = after(resumed, Finished(Metrics(9, 0.1), 100, b"adapter"))
    assert finished.finished is not None


def test_a_run_that_a_provider_keeps_is_taken_up_by_what_it_began_with() -> None:
    assert Progress().resume_from() is None
    progress = after(Progress(), Began(9, 3, 1, 0, 0, b"job"))
    progress = after(progress, CheckpointReached(Metrics(3, 1.0), b"", b"", "ft:theirs"))
    assert progress.resume_from() == b"job"


def test_events_are_told_in_numbers() -> None:
    progress = after(Progress(), Began(9, 3, 1, 100, 2))
    step = StepDone(Metrics(4, 1.234, train_mean_token_accuracy=0.5, valid_loss=2.0))
    said = told(progress, step)
    assert (said.type, said.message) == (
        "metrics",
        "Step 4/9: training loss=1.23, validation loss=2.00",
    )
    assert said.data == {
        "step": 4,
        "train_loss": 1.234,
        "train_mean_token_accuracy": 0.5,
        "valid_loss": 2.0,
    }
    assert told(progress, Began(9, 3, 1, 100, 2)).message == (
        "Training begins at step 1 of 9; 2 examples are cut at the context length"
    )
    assert told(progress, checkpoint(3)).data == {"step": 3}
    assert told(progress, Paused(4, b"")).message == "Training paused after step 4"
    assert told(progress, Finished(None, 0, b"")).message == "Training is complete"
    assert "adapter" not in repr(checkpoint(1))

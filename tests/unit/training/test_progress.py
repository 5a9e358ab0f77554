"""A run's events in plain words."""

from bailee.ports.trainer import Began, CheckpointReached, Finished, Metrics, Paused, StepDone
from bailee.training.progress import told


def test_events_are_told_in_numbers() -> None:
    step = StepDone(Metrics(4, 1.234, train_mean_token_accuracy=0.5, valid_loss=2.0))
    said = told(step, 9)
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
    assert told(Began(9, 1, 100, 2), 9).message == (
        "Training begins at step 1 of 9; 2 examples are cut at the context length"
    )
    checkpoint = CheckpointReached(Metrics(3, 1.0), b"adapter", b"state")
    assert told(checkpoint, 9).data == {"step": 3}
    assert told(Paused(4, b""), 9).message == "Training paused after step 4"
    assert told(Finished(None, 0, b""), 9).message == "Training is complete"
    assert "adapter" not in repr(checkpoint)

"""Where fine-tuning runs."""

from bailee.drivers.trainer_local import LocalTrainer, LocalTrainerSpecification
from bailee.ports.trainer import Trainer
from bailee.settings import Settings


def open_trainer(settings: Settings) -> Trainer:
    """The trainer of the embedded model; whether its packages are there shows when it begins."""
    model = settings.model
    return LocalTrainer(
        LocalTrainerSpecification(
            model.file.absolute(), model.sha256, model.context_tokens, model.threads
        )
    )

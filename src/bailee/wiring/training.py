"""Where fine-tuning runs."""

import importlib.util

from bailee.drivers.trainer_local import LocalTrainer, LocalTrainerSpecification
from bailee.ports.trainer import Trainer
from bailee.settings import Settings


def can_train() -> bool:
    """Whether the packages of the extra `finetuning` are there; none of them is loaded."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "peft", "gguf"))


def open_trainer(settings: Settings) -> Trainer:
    """The trainer of the embedded model; whether its packages are there shows when it begins."""
    model = settings.model
    return LocalTrainer(
        LocalTrainerSpecification(
            model.file.absolute(), model.sha256, model.context_tokens, model.threads
        )
    )

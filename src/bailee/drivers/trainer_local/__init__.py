"""The trainer driver for the embedded model: LoRA with torch in a process of its own."""

from bailee.drivers.trainer_local.trainer import (
    LocalRun,
    LocalTrainer,
    LocalTrainerSpecification,
    missing_packages,
)

__all__ = ["LocalRun", "LocalTrainer", "LocalTrainerSpecification", "missing_packages"]

"""The trainer driver for a provider's fine-tuning API, spoken as OpenAI's."""

from bailee.drivers.trainer_openai.trainer import (
    ProviderRun,
    ProviderSpecification,
    ProviderTrainer,
)

__all__ = ["ProviderRun", "ProviderSpecification", "ProviderTrainer"]

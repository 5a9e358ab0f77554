"""Fine-tuned models on a vLLM that loads adapters while it runs. Not tried on a real vLLM."""

from bailee.drivers.adapters_vllm.folder import SharedFolder
from bailee.drivers.adapters_vllm.runner import VllmAdapters

__all__ = ["SharedFolder", "VllmAdapters"]

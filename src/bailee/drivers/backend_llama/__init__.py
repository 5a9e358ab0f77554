"""The backend driver for the embedded local model: llama.cpp in a process of its own."""

from bailee.drivers.backend_llama.backend import LlamaBackend
from bailee.drivers.backend_llama.process import ModelProcess, ModelRunning, ModelSpecification

__all__ = ["LlamaBackend", "ModelProcess", "ModelRunning", "ModelSpecification"]

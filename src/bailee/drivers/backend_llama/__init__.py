"""The backend driver for the embedded local model: llama.cpp in a process of its own.

Its fine-tuned variants have processes of their own: `AdapterHost` runs them where the model runs,
`AdapterRunners` asks for them from anywhere else.
"""

from bailee.drivers.backend_llama.adapter_backend import AdapterBackend, AdapterRunners
from bailee.drivers.backend_llama.adapter_socket import AdapterServer, AdapterSocket
from bailee.drivers.backend_llama.adapters import AdapterHost
from bailee.drivers.backend_llama.backend import LlamaBackend
from bailee.drivers.backend_llama.process import ModelProcess, ModelRunning, ModelSpecification

__all__ = [
    "AdapterBackend",
    "AdapterHost",
    "AdapterRunners",
    "AdapterServer",
    "AdapterSocket",
    "LlamaBackend",
    "ModelProcess",
    "ModelRunning",
    "ModelSpecification",
]

"""The process of the embedded text models: embeddings and moderations, as an upstream serves them.

The gateway reaches it as it reaches any OpenAI-compatible upstream, on a loopback port behind a
key that only its parent knows. What it serves is given (`ports.embedder`, `ports.classifier`).
"""

from bailee.drivers.text_runner.embeddings import Embeddings
from bailee.drivers.text_runner.messages import Instructions, Ready
from bailee.drivers.text_runner.process import TextProcess, TextRunning, TextSpecification
from bailee.drivers.text_runner.server import TextServer

__all__ = [
    "Embeddings",
    "Instructions",
    "Ready",
    "TextProcess",
    "TextRunning",
    "TextServer",
    "TextSpecification",
]

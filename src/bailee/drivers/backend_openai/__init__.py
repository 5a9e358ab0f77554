"""The backend driver for OpenAI-compatible servers, and its HTTP/1.1 client."""

from bailee.drivers.backend_openai.backend import OpenAiBackend
from bailee.drivers.backend_openai.pool import Limits
from bailee.drivers.backend_openai.target import Target, parse_target

__all__ = ["Limits", "OpenAiBackend", "Target", "parse_target"]

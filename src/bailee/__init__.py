"""Bailee: an OpenAI-compatible LLM API that keeps its promises about data, and proves it.

The package is laid out in layers; `ARCHITECTURE.md` says which may import which.
"""

__version__ = "0.1.0"

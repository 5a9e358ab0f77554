"""Fine-tuned models that are loaded when they are asked for.

An adapter answers under the one name that it was loaded with and under no other; the base model's
answers are the same whatever is loaded. Its bytes are handed over in memory and never lie on a
disk. One that nobody asked for some time is unloaded, and so is the one idle longest when another
wants its place. Who may call a name is decided before anything here is asked: a runner does not
know owners.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from bailee.ports.backend import Backend

ReadAdapter = Callable[[], Awaitable[bytes]]
"""Gives an adapter's bytes, a GGUF file's, when it has to be loaded."""


class AdapterRunner(Protocol):
    """What runs adapters."""

    async def unload_adapter(self, name: str) -> bool:
        """Forget an adapter at once; what it is answering breaks off. False: it was not loaded.

        Raises Unavailable when the runner is away.
        """
        ...

    def backend(self, name: str, read: ReadAdapter) -> Backend:
        """A backend whose answers are this adapter's; it loads it when it is not loaded.

        While an answer is read the adapter stays loaded. Whatever loading raises becomes a
        BackendFailure (`overloaded` when every place is taken by one that is answering), except
        for what `read` raises, which passes through.
        """
        ...

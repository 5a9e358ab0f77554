"""Models that one project alone may call: fine-tuned ones.

They are looked up when they are asked for, since what a project has is sealed; a name that begins
otherwise never comes here, so that other calls wait for nothing.
"""

from typing import Final, Protocol

from bailee.serving.caller import Caller
from bailee.serving.routing import ServedModel

PREFIX: Final = "ft:"


class PrivateModels(Protocol):
    """A caller's own models."""

    async def find(self, caller: Caller, credential: str, name: str) -> ServedModel:
        """One of them. Raises NotFound, also for another's, and Unavailable."""
        ...

    async def all(self, caller: Caller, credential: str) -> list[ServedModel]:
        """All of them. Raises Unavailable."""
        ...

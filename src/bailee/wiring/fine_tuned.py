"""Fine-tuned models in a gateway: found for their owner, loaded when called, unloaded when gone."""

from collections.abc import Callable
from typing import Any

from bailee.application_state.fine_tuning import FineTuning
from bailee.application_state.keeping import KeptFor
from bailee.application_state.model import HeldObject
from bailee.kernel.errors import BaileeError
from bailee.kernel.redacted import Secret
from bailee.ports.adapters import AdapterRunner
from bailee.ports.backend import Backend
from bailee.serving.caller import Caller
from bailee.serving.routing import TEXT_ENDPOINTS, Route, ServedModel
from bailee.settings import EMBEDDED_BACKEND
from bailee.training.hyperparameters import read_hyperparameters
from bailee.wiring.backends import embedded_terms


class FineTunedModels:
    """`serving.private_models.PrivateModels` of the embedded model's adapters."""

    def __init__(
        self,
        tuning: FineTuning,
        adapters: AdapterRunner,
        whose: Callable[[Caller, str], KeptFor] | None = None,
    ) -> None:
        """`whose` tells what opens a caller's models; None: the credential does."""
        self._tuning = tuning
        self._adapters = adapters
        self._whose = whose or _whose

    async def find(self, caller: Caller, credential: str, name: str) -> ServedModel:
        """See the port. The keeper is asked each time: what was deleted is found no more."""
        whose = self._whose(caller, credential)
        found = await self._tuning.find_model(whose, name)
        return self._served(caller, whose, found.held, name)

    async def all(self, caller: Caller, credential: str) -> list[ServedModel]:
        """See the port."""
        whose = self._whose(caller, credential)
        return [
            self._served(caller, whose, held, details.model)
            for held, details in await self._tuning.models(whose)
        ]

    async def delete(self, whose: KeptFor, name: str) -> None:
        """Destroy a model; if it is loaded, it is unloaded."""
        await self._tuning.delete_model(whose, name)
        try:
            await self._adapters.unload_adapter(name)
        except BaileeError:
            # The runner is away, and what it had loaded with it.
            return

    def _served(self, caller: Caller, whose: KeptFor, held: HeldObject, name: str) -> ServedModel:
        async def read() -> bytes:
            return bytes(await self._tuning.adapter(whose, held))

        backend: Backend = self._adapters.backend(name, read)
        route = Route(EMBEDDED_BACKEND, backend, name, embedded_terms(caller.region))
        return ServedModel(
            name, held.created_at // 1000, "organization-owner", (route,), TEXT_ENDPOINTS
        )


def check_method(method: str, given: dict[str, Any]) -> None:
    """Hyper-parameters as they may be asked for. Raises InvalidInput."""
    read_hyperparameters(
        {name: value for name, value in given.items() if value is not None},
        "dpo" if method == "dpo" else "supervised",
    )


def _whose(caller: Caller, credential: str) -> KeptFor:
    right = Secret(credential.encode("utf-8", "replace"))
    return KeptFor(caller.owner, caller.scope_generation, right)

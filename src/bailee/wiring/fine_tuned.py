"""Fine-tuned models in a gateway: found for their owner, loaded when called, unloaded when gone."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from bailee.application_state.fine_tuning import AdapterDetails, FineTuning
from bailee.application_state.keeping import KeptFor
from bailee.application_state.model import HeldObject
from bailee.kernel.errors import NotFound
from bailee.kernel.redacted import Secret
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused
from bailee.serving.private_models import PREFIX
from bailee.serving.routing import TEXT_ENDPOINTS, ServedModel, unknown_model
from bailee.training.hyperparameters import read_hyperparameters
from bailee.wiring.adapter_homes import AdapterHomes


class FineTunedModels:
    """`serving.private_models.PrivateModels` of fine-tuned models."""

    def __init__(
        self,
        tuning: FineTuning,
        homes: AdapterHomes,
        whose: Callable[[Caller, str], KeptFor] | None = None,
    ) -> None:
        """`whose` tells what opens a caller's models; None: the credential does."""
        self._tuning = tuning
        self._homes = homes
        self._whose = whose or _whose

    async def find(self, caller: Caller, credential: str, name: str) -> ServedModel:
        """See the port. The keeper is asked each time: what was deleted is found no more."""
        whose = self._whose(caller, credential)
        found = await self._tuning.find_model(whose, name)
        details = msgspec.json.decode(found.details, type=AdapterDetails)
        return self._served(whose, found.held, details)

    async def all(self, caller: Caller, credential: str) -> list[ServedModel]:
        """See the port."""
        whose = self._whose(caller, credential)
        served = []
        for held, details in await self._tuning.models(whose):
            with suppress(NotFound):  # its backend is not configured any more
                served.append(self._served(whose, held, details))
        return served

    async def delete(self, whose: KeptFor, name: str) -> None:
        """Destroy a model; if it is loaded, it is unloaded. Raises CallRefused (MODEL_UNKNOWN)."""
        if not name.startswith(PREFIX):
            raise CallRefused(
                Because.MODEL_UNKNOWN,
                f"Only fine-tuned models of this project can be deleted, and `{name[:128]}` is "
                f"none: their names begin with `{PREFIX}`. `GET /v1/models` lists them.",
                field="model",
            )
        try:
            deleted = await self._tuning.delete_model(whose, name)
        except NotFound:
            raise unknown_model(name) from None
        await self._homes.unload(deleted)

    def _served(self, whose: KeptFor, held: HeldObject, details: AdapterDetails) -> ServedModel:
        async def read() -> bytes:
            return bytes(await self._tuning.adapter(whose, held))

        route = self._homes.route(details, read)
        created_s = held.created_at // 1000
        return ServedModel(details.model, created_s, "organization-owner", (route,), TEXT_ENDPOINTS)


def check_method(method: str, given: dict[str, Any]) -> None:
    """Hyper-parameters as they may be asked for. Raises InvalidInput."""
    read_hyperparameters(
        {name: value for name, value in given.items() if value is not None},
        "dpo" if method == "dpo" else "supervised",
    )


def _whose(caller: Caller, credential: str) -> KeptFor:
    right = Secret(credential.encode("utf-8", "replace"))
    return KeptFor(caller.owner, caller.scope_generation, right)

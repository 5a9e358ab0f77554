"""Where fine-tuned models answer: beside the local model, on a vLLM, or where they were trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from bailee.application_state.fine_tuning import AdapterDetails
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.kernel.errors import BaileeError, NotFound
from bailee.ports.adapters import AdapterRunner, ReadAdapter
from bailee.ports.backend import Backend
from bailee.serving.routing import Route
from bailee.settings import EMBEDDED_BACKEND, BackendSettings, Settings
from bailee.wiring.backends import embedded_terms, terms_of
from bailee.wiring.training import backends_by_name


@dataclass(slots=True)
class AdapterHomes:
    """One process's ways to fine-tuned models."""

    settings: Settings
    backends: Mapping[str, Backend]
    embedded: AdapterRunner

    def route(self, details: AdapterDetails, read: ReadAdapter) -> Route:
        """The way to a model. Raises NotFound where it is at a backend that is not configured."""
        if details.remote:
            configured = self._configured(details.backend)
            return Route(
                configured.name,
                self.backends[configured.name],
                details.remote,
                terms_of(configured.terms),
                configured.responses,
                configured.cache_salt,
            )
        vllm = self._vllm(details.base)
        if vllm is not None:
            configured, runner = vllm
            backend = runner.backend(details.model, read)
            return Route(configured.name, backend, details.model, terms_of(configured.terms))
        backend = self.embedded.backend(details.model, read)
        terms = embedded_terms(self.settings.region)
        return Route(EMBEDDED_BACKEND, backend, details.model, terms)

    async def unload(self, details: AdapterDetails) -> None:
        """Forget a model's weights where they are loaded."""
        if details.remote:
            return
        vllm = self._vllm(details.base)
        try:
            await (self.embedded if vllm is None else vllm[1]).unload_adapter(details.model)
        except BaileeError:
            # The runner is away. Nobody finds the model's name any more, loaded or not.
            return

    def _vllm(self, base: str) -> tuple[BackendSettings, AdapterRunner] | None:
        where = self.settings.fine_tuning.get(base)
        if where is None or where.adapters is None:
            return None
        configured = self._configured(where.adapters)
        folder = configured.adapters_folder
        if folder is None:
            raise NotFound("This model's backend loads no fine-tuned models any more.")
        # With numpy, which nobody waits for who has no vLLM.
        from bailee.drivers.adapters_vllm import SharedFolder, VllmAdapters

        shared = SharedFolder(folder, SystemClock(), SystemRandomness())
        reached = self.backends[configured.name]
        return configured, VllmAdapters(reached, shared, most=configured.adapters)

    def _configured(self, name: str) -> BackendSettings:
        configured = backends_by_name(self.settings).get(name)
        if configured is None:
            raise NotFound("This model's backend is not configured any more.")
        return configured

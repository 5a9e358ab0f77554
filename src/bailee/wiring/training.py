"""Where fine-tuning runs, for each model that can be trained and each owner who may have it so."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailee.custody.seal.part import Owner
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.drivers.trainer_local import LocalTrainer, LocalTrainerSpecification
from bailee.drivers.trainer_openai import ProviderSpecification, ProviderTrainer
from bailee.drivers.trainer_ray import Handover, RaySpecification, RayTrainer, RayWeights
from bailee.kernel.errors import InvalidInput, NotFound, UnknownKey
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.trainer import RemoteTrainer, Trainer, TrainingFailure
from bailee.serving.batching.carrying import Standing
from bailee.serving.caller import Caller
from bailee.serving.errors import CallRefused
from bailee.serving.routing import Planner
from bailee.settings import BackendSettings, FineTuningSettings, Settings
from bailee.training.working import Place
from bailee.wiring.backends import Reveal, terms_of

ENDPOINT: Final = "/v1/fine_tuning/jobs"
_NOT_INSTALLED: Final = (
    "nothing can be here until the operator runs `make install-finetuning` (or, for a provider, "
    "`make install-finetuning-provider`) and starts again"
)
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "local": ("torch", "peft", "gguf"),
    "upstream": ("openai",),
    "ray": (),
}
CLUSTER: Final = "ray:cluster"
"""How notes call the cluster; no backend can have this name."""


def trained_models(settings: Settings) -> dict[str, FineTuningSettings]:
    """The models that can be trained, each with where; the packages for it are there."""
    wanted = dict(settings.fine_tuning)
    if settings.model.enabled:
        wanted.setdefault(settings.model.name, FineTuningSettings())
    return {model: where for model, where in wanted.items() if _installed(where.at)}


def may_have_own_models(settings: Settings) -> bool:
    """Whether fine-tuned models can be called at all, whatever can be trained at present."""
    return settings.model.enabled or bool(settings.fine_tuning)


def backends_by_name(settings: Settings) -> Mapping[str, BackendSettings]:
    """The configured upstreams."""
    return {backend.name: backend for backend in settings.backends}


class Trainable:
    """Which base models a caller's content may train: `api.fine_tuning.CheckBase`."""

    def __init__(self, settings: Settings, planner: Planner, clock: Clock) -> None:
        self._models = trained_models(settings)
        self._backends = backends_by_name(settings)
        self._cluster = settings.ray.terms
        self._planner = planner
        self._clock = clock

    def __call__(self, caller: Caller, model: str) -> None:
        """Raises InvalidInput, CallRefused (BACKEND_TERMS)."""
        where = self._models.get(model)
        if where is None:
            known = ", ".join(f"'{name}'" for name in self._models)
            can = f"{known} can be" if known else _NOT_INSTALLED
            raise InvalidInput(f"This model cannot be fine-tuned; {can}.", field="model")
        if where.at == "local":
            return
        # What a request to somebody else would need, training content needs too.
        name, declared = "ray", self._cluster
        if where.backend is not None:
            name, declared = where.backend, self._backends[where.backend].terms
        now = self._clock.now()
        self._planner.check_terms(caller, ENDPOINT, now, name, terms_of(declared))


@dataclass(slots=True)
class TrainingPlaces:
    """Chooses where a job is trained, with what stands when it begins."""

    settings: Settings
    trainable: Trainable
    standing: Standing
    reveal: Reveal

    async def choose(self, owner: Owner, model: str) -> Place:
        """See `training.working.ChoosePlace`."""
        try:
            self.trainable(await self.standing(owner, b""), model)
        except (CallRefused, InvalidInput) as refused:
            raise TrainingFailure(str(refused), retry_safe=False) from None
        where = trained_models(self.settings)[model]
        if where.at == "ray":
            return Place(await self._ray(where), CLUSTER)
        if where.backend is None:
            return Place(_local(self.settings))
        backend = backends_by_name(self.settings)[where.backend]
        trainer = await self._provider(backend, backend.models[model], where.poll_s)
        return Place(trainer, backend.name)

    async def find(self, name: str) -> RemoteTrainer:
        """See `training.ending.FindTrainer`."""
        if name == CLUSTER and self.settings.ray.address:
            return await self._ray(FineTuningSettings())
        backend = backends_by_name(self.settings).get(name)
        if backend is None:
            raise NotFound(
                f"models and files lie at backend {name}, which is not configured any more; "
                "configure it again until they are ended there"
            )
        return await self._provider(backend, "")

    async def _provider(
        self, backend: BackendSettings, model: str, poll_s: float = 15.0
    ) -> ProviderTrainer:
        specification = ProviderSpecification(backend.base_url, model, poll_s)
        credential = await self._credential(backend.credential) or Secret(b"none")
        return ProviderTrainer(specification, credential, SystemClock(), SystemRandomness())

    async def _ray(self, where: FineTuningSettings) -> RayTrainer:
        ray = self.settings.ray
        try:
            public = ray.public_key_file.read_bytes() if ray.public_key_file else b""
        except OSError:
            raise TrainingFailure(
                "ray.public_key_file cannot be read; make it with `bailee ray make-key`",
                retry_safe=False,
            ) from None
        weights = RayWeights(where.weights, where.weights_sha256 or "", where.context_tokens)
        specification = RaySpecification(
            ray.address, public, ray.command, weights, ray.cpus, where.poll_s
        )
        credential = await self._credential(ray.credential)
        return RayTrainer(specification, credential, SystemClock(), SystemRandomness())

    async def _credential(self, name: str | None) -> Secret | None:
        if name is None:
            return None
        try:
            return Secret(await self.reveal(name))
        except UnknownKey:
            raise TrainingFailure(
                "the trainer's credential is not in the keyring: run "
                f"`bailee backends set-credential {name}`",
                retry_safe=False,
            ) from None


def node_trainer(handover: Handover) -> Trainer:
    """The trainer of a cluster's node."""
    weights = Path(handover.weights)
    return LocalTrainer(
        LocalTrainerSpecification(
            weights, handover.sha256, handover.context_tokens, handover.threads
        )
    )


def _local(settings: Settings) -> Trainer:
    model = settings.model
    return LocalTrainer(
        LocalTrainerSpecification(
            model.file.absolute(), model.sha256, model.context_tokens, model.threads
        )
    )


def _installed(at: str) -> bool:
    """Whether the packages are there; none of them is loaded."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED[at])

"""From settings to backends, and from model names to the backends that may answer for them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bailee.drivers.backend_llama import AdapterRunners, AdapterSocket, LlamaBackend
from bailee.drivers.backend_openai import Limits, OpenAiBackend, parse_target
from bailee.drivers.classifier_openai import OpenAiClassifier
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.kernel.errors import BaileeError, UnknownKey
from bailee.kernel.ids import Region
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.policy.model import BackendTerms
from bailee.ports.adapters import AdapterRunner
from bailee.ports.backend import Backend, BackendAnswer, BackendCall, BackendFailure
from bailee.serving.call import EMBEDDINGS, MODERATIONS
from bailee.serving.moderating import ModerationBackend
from bailee.serving.routing import TEXT_ENDPOINTS, UPSTREAM_ENDPOINTS, Route, ServedModel
from bailee.settings import (
    EMBEDDED_BACKEND,
    EMBEDDED_TEXT_BACKEND,
    BackendSettings,
    DeclaredTerms,
    Settings,
)
from bailee.wiring.places import Places

EMBEDDED_CONCURRENCY: Final = 64
EMBEDDED_QUEUE: Final = 256
EMBEDDED_TIMEOUT_S: Final = 600.0
EMBEDDED_START_S: Final = 20.0
"""How long a request waits for a model that is being loaded."""
EMBEDDED_POLL_S: Final = 0.1
_EMBEDDED: Final = frozenset({EMBEDDED_BACKEND, EMBEDDED_TEXT_BACKEND})
_MODERATION: Final = frozenset({MODERATIONS.endpoint})
_REFUSED_CREDENTIAL: Final = frozenset({401, 403})


class ModelRunnerAddress(NamedTuple):
    """Where an embedded model listens on loopback, and the key that it wants."""

    base_url: str
    key: str


Reveal = Callable[[str], Awaitable[bytes]]
"""Gives a backend's credential by name."""


def read_model_runner(file: Path) -> ModelRunnerAddress:
    """Where the model runner said that a model is. Raises BackendFailure before it has."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=ModelRunnerAddress)
    except (OSError, msgspec.DecodeError):
        raise BackendFailure(
            "the local model is not running yet; wait", reason="unreachable", retry_safe=True
        ) from None


def open_backend(settings: BackendSettings, reveal: Reveal) -> Backend:
    """One configured upstream. Raises InvalidInput for an address that cannot be used."""
    if settings.credential is not None:
        return CredentialedBackend(settings, reveal)
    return _opened(settings, None)


def _opened(settings: BackendSettings, credential: Secret | None) -> Backend:
    limits = Limits(
        concurrency=settings.concurrency,
        queue=settings.queue,
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        total_timeout_s=settings.total_timeout_s,
    )
    return OpenAiBackend(parse_target(settings.base_url), credential, limits, SystemClock())


class CredentialedBackend:
    """An upstream that wants a credential: read from the keyring when it is first needed.

    Nothing is sent while there is none. One that is refused is read again, so that replacing it
    needs no restart.
    """

    def __init__(self, settings: BackendSettings, reveal: Reveal) -> None:
        """Raises InvalidInput for an address that cannot be used."""
        parse_target(settings.base_url)
        self._settings = settings
        self._reveal = reveal
        self._credential: Secret | None = None
        self._backend: Backend | None = None

    async def send(self, call: BackendCall) -> BackendAnswer:
        """See `ports.backend`."""
        answer = await (await self._found()).send(call)
        if answer.status not in _REFUSED_CREDENTIAL or not await self._replaced():
            return answer
        answer.abandon()
        return await (await self._found()).send(call)

    async def check(self) -> None:
        """See `ports.backend`."""
        await self._replaced()
        await (await self._found()).check()

    async def close(self) -> None:
        """See `ports.backend`."""
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    async def _found(self) -> Backend:
        if self._backend is None:
            self._credential = await self._read()
            self._backend = _opened(self._settings, self._credential)
        return self._backend

    async def _replaced(self) -> bool:
        """Whether the keyring holds another credential than the one in use, used from now on."""
        if self._backend is None:
            return False
        credential = await self._read()
        if credential == self._credential:
            return False
        # Calls in flight keep the former backend's connections to their end.
        self._credential, self._backend = credential, _opened(self._settings, credential)
        return True

    async def _read(self) -> Secret:
        name = self._settings.credential
        try:
            return Secret(await self._reveal(name or ""))
        except UnknownKey:
            problem = (
                f"its credential is not in the keyring: run `bailee backends set-credential {name}`"
            )
        except BaileeError:
            problem = "its credential cannot be read; the keeper is away"
        raise BackendFailure(problem, reason="unreachable", retry_safe=True) from None


class EmbeddedBackend:
    """A local model, found anew whenever its runner was started again."""

    def __init__(
        self,
        file: Path,
        shaped: Callable[[Backend], Backend] | None = None,
        concurrency: int = EMBEDDED_CONCURRENCY,
    ) -> None:
        """`file` says where the runner is; `shaped` puts a driver in front of it, which gets at
        most `concurrency` answers at once."""
        self._file = file
        self._concurrency = concurrency
        self._shaped = shaped
        self._address: ModelRunnerAddress | None = None
        self._backend: Backend | None = None

    async def send(self, call: BackendCall) -> BackendAnswer:
        """See `ports.backend`. Waits for a runner that is starting, and looks for a new one once
        when the known one does not answer."""
        backend = await self._awaited()
        try:
            return await backend.send(call)
        except BackendFailure as failure:
            if not failure.retry_safe:
                raise
            return await (await self._found(anew=True)).send(call)

    async def check(self) -> None:
        """See `ports.backend`."""
        await (await self._found(anew=True)).check()

    async def close(self) -> None:
        """See `ports.backend`."""
        if self._backend is not None:
            await self._backend.close()

    async def _awaited(self) -> Backend:
        clock = SystemClock()
        deadline_s = clock.monotonic_s() + EMBEDDED_START_S
        while True:
            try:
                return await self._found(anew=False)
            except BackendFailure:
                if clock.monotonic_s() >= deadline_s:
                    raise
            await clock.sleep_s(EMBEDDED_POLL_S)

    async def _found(self, *, anew: bool) -> Backend:
        if self._backend is not None and not anew:
            return self._backend
        address = read_model_runner(self._file)
        if self._backend is None or address != self._address:
            await self.close()
            self._address = address
            key = Secret(address.key.encode())
            runner = _open_runner(address.base_url, key, self._concurrency)
            self._backend = runner if self._shaped is None else self._shaped(runner)
        return self._backend


def _open_runner(base_url: str, key: Secret, concurrency: int = EMBEDDED_CONCURRENCY) -> Backend:
    limits = Limits(
        concurrency=concurrency,
        queue=EMBEDDED_QUEUE,
        queue_wait_s=EMBEDDED_TIMEOUT_S,
        idle_timeout_s=EMBEDDED_TIMEOUT_S,
        total_timeout_s=EMBEDDED_TIMEOUT_S,
    )
    target = parse_target(base_url)
    return OpenAiBackend(target, key, limits, SystemClock())


def _open_llama(base_url: str, key: Secret) -> LlamaBackend:
    return LlamaBackend(_open_runner(base_url, key))


def open_adapters(places: Places) -> AdapterRunner:
    """Fine-tuned models of the embedded one, loaded when they are asked for."""
    socket = AdapterSocket(places.adapters, SystemClock(), wait_s=EMBEDDED_START_S)
    return AdapterRunners(socket, _open_llama)


def open_backends(
    settings: Settings,
    places: Places,
    reveal: Reveal,
    *,
    model_concurrency: int = EMBEDDED_CONCURRENCY,
) -> dict[str, Backend]:
    """Every backend by its name. Raises what `open_backend` raises.

    `model_concurrency` is how many answers of the local model are asked for at once.
    """
    backends: dict[str, Backend] = {}
    if settings.model.enabled:
        model = EmbeddedBackend(places.model_runner, LlamaBackend, model_concurrency)
        backends[EMBEDDED_BACKEND] = model
    if settings.embeddings.enabled or settings.moderation.enabled:
        backends[EMBEDDED_TEXT_BACKEND] = EmbeddedBackend(places.text_runner)
    for configured in settings.backends:
        backends[configured.name] = open_backend(configured, reveal)
    return backends


def terms_of(declared: DeclaredTerms) -> BackendTerms:
    """What a backend's operator has promised, as the policy takes it."""
    return BackendTerms(
        region=None if declared.region is None else Region(declared.region),
        retention_days=declared.retention_days,
        trains=declared.trains,
        business_associate=declared.business_associate,
        zero_retention=declared.zero_retention,
    )


def embedded_terms(region: str) -> BackendTerms:
    """The embedded model keeps nothing, learns nothing and runs here."""
    return BackendTerms(
        region=Region(region),
        retention_days=0,
        trains=False,
        business_associate=True,
        zero_retention=True,
    )


class _Offers:
    """The routes to each model name, gathered one by one."""

    def __init__(self) -> None:
        self.routes: dict[str, dict[str, Route]] = {}
        self.endpoints: dict[str, frozenset[str]] = {}

    def add(self, name: str, route: Route, endpoints: frozenset[str]) -> None:
        """`route` answers for `name` at `endpoints`."""
        self.routes.setdefault(name, {})[route.name] = route
        self.endpoints[name] = self.endpoints.get(name, frozenset()) | endpoints


def served_models(
    settings: Settings, backends: dict[str, Backend], started_at: Instant
) -> dict[str, ServedModel]:
    """Every model name with its backends, in the order of `[models]` or else of `[[backends]]`."""
    offers = _Offers()
    _offer_local(settings, backends, offers)
    for backend in settings.backends:
        reached, terms = backends[backend.name], terms_of(backend.terms)
        for name, upstream in backend.models.items():
            route = Route(
                backend.name, reached, upstream, terms, backend.responses, backend.cache_salt
            )
            offers.add(name, route, UPSTREAM_ENDPOINTS)
        for name, upstream in backend.moderation_models.items():
            offers.add(name, _moderation(backend.name, reached, upstream, terms), _MODERATION)
    _offer_aliases(settings, offers)
    models = {}
    for name, by_backend in offers.routes.items():
        order = settings.models[name].backends if name in settings.models else tuple(by_backend)
        models[name] = ServedModel(
            name,
            started_at // 1000,
            "bailee" if by_backend.keys() & _EMBEDDED else order[0],
            tuple(by_backend[backend] for backend in order),
            offers.endpoints[name],
        )
    return models


def _offer_local(settings: Settings, backends: dict[str, Backend], offers: _Offers) -> None:
    terms = embedded_terms(settings.region)
    if settings.model.enabled:
        name = settings.model.name
        route = Route(EMBEDDED_BACKEND, backends[EMBEDDED_BACKEND], name, terms)
        offers.add(name, route, TEXT_ENDPOINTS)
    if settings.embeddings.enabled:
        name = settings.embeddings.name
        route = Route(EMBEDDED_TEXT_BACKEND, backends[EMBEDDED_TEXT_BACKEND], name, terms)
        offers.add(name, route, frozenset({EMBEDDINGS.endpoint}))
    if settings.moderation.enabled:
        name = settings.moderation.name
        reached = backends[EMBEDDED_TEXT_BACKEND]
        offers.add(name, _moderation(EMBEDDED_TEXT_BACKEND, reached, name, terms), _MODERATION)


def _offer_aliases(settings: Settings, offers: _Offers) -> None:
    """The embedded classifier's further names, those of them that no backend has."""
    if settings.moderation.enabled:
        route = offers.routes[settings.moderation.name][EMBEDDED_TEXT_BACKEND]
        for alias in settings.moderation.aliases:
            if alias not in offers.routes:
                offers.add(alias, route, _MODERATION)


def _moderation(name: str, reached: Backend, upstream: str, terms: BackendTerms) -> Route:
    classifier = OpenAiClassifier(reached, upstream)
    return Route(name, ModerationBackend(classifier, reached, SystemRandomness()), upstream, terms)


async def problem_of(backend: Backend) -> str | None:
    """None if a backend answers and accepts its credential, else one sentence."""
    try:
        await backend.check()
    except BaileeError as error:
        return str(error)
    return None

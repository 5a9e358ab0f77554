"""The model runner's process: it starts the local models, says where they are, and starts again
what has ended.

Each model is a process of its own below this one: llama.cpp, fine-tuned models beside it, started
and ended as gateways ask for them, and the runner of embeddings and moderations. One that crashes
or cannot start takes nothing with it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from bailee.drivers.backend_llama import (
    AdapterHost,
    AdapterServer,
    ModelProcess,
    ModelSpecification,
)
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.drivers.text_runner import TextProcess, TextSpecification
from bailee.kernel.errors import Unavailable
from bailee.kernel.redacted import Secret
from bailee.settings import Settings
from bailee.wiring.backends import ModelRunnerAddress
from bailee.wiring.giving_up import give_up
from bailee.wiring.places import Places
from bailee.wiring.processes import run_until_stopped, start_logging, until_first
from bailee.wiring.secrets import write_private

log = structlog.get_logger()

NOT_FOR_THE_MODEL: Final = ("keyring", "secrets", "postgres", "journals", "objects")
RESTART_PAUSE_S: Final = 1.0
FAILED_START_PAUSE_S: Final = 10.0
TEXT_RUNNER: Final = "bailee.wiring.text_runner"


class Running(Protocol):
    """Where a started model answers."""

    @property
    def base_url(self) -> str:
        """As in `http://127.0.0.1:49153/v1`."""
        ...

    @property
    def api_key(self) -> Secret:
        """The key that it wants."""
        ...


class Process(Protocol):
    """A model's process."""

    async def start(self) -> Running:
        """Start it and wait until it answers. Raises Unavailable."""
        ...

    async def ended(self) -> int:
        """Wait until it has ended; its exit status."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class LocalModel(NamedTuple):
    """One model to keep running."""

    name: str
    process: Process
    file: Path
    """Where its address is written for the gateways."""


def run_model_runner(
    settings: Settings,
    *,
    secrets: Mapping[str, bytes],  # noqa: ARG001 - part of every process's signature
    descriptors: Mapping[str, int],  # noqa: ARG001 - part of every process's signature
    ready: Callable[[], None],
) -> None:
    """See `cli.administration.Wiring`."""
    start_logging(settings, "model-runner")
    places = Places(settings.data_folder.absolute())
    give_up(places, NOT_FOR_THE_MODEL)

    async def main(stop: asyncio.Event) -> None:
        models = local_models(settings, places)
        waiting = {model.name for model in models}

        def started(model: LocalModel) -> None:
            if model.name in waiting:
                waiting.discard(model.name)
                if not waiting:
                    ready()

        try:
            async with _adapters(settings, places) as adapters:
                await until_first(
                    stop, *(_keep_running(model, started) for model in models), *adapters
                )
        finally:
            for model in models:
                await model.process.stop()
                model.file.unlink(missing_ok=True)

    run_until_stopped(main)


def local_models(settings: Settings, places: Places) -> list[LocalModel]:
    """The models that are on."""
    models: list[LocalModel] = []
    if settings.model.enabled:
        process = ModelProcess(_llama(settings), SystemRandomness())
        models.append(LocalModel(settings.model.name, process, places.model_runner))
    if settings.embeddings.enabled or settings.moderation.enabled:
        name = settings.embeddings.name
        text = TextSpecification(TEXT_RUNNER, name, settings.embeddings.threads)
        models.append(LocalModel(name, TextProcess(text, SystemRandomness()), places.text_runner))
    return models


def _llama(settings: Settings) -> ModelSpecification:
    model = settings.model
    return ModelSpecification(
        model.file.absolute(),
        model.sha256,
        model.name,
        model.context_tokens,
        model.parallel,
        model.threads,
    )


@asynccontextmanager
async def _adapters(
    settings: Settings, places: Places
) -> AsyncIterator[tuple[Awaitable[None], ...]]:
    """Fine-tuned models of the text model, while it is on: what has to run beside the models."""
    if not settings.model.enabled:
        yield ()
        return
    host = AdapterHost(
        _llama(settings),
        SystemRandomness(),
        SystemClock(),
        most=settings.model.adapters,
        idle_s=settings.model.adapter_idle_s,
    )
    server = AdapterServer(host)
    await server.start(places.adapters)
    try:
        yield (host.unload_idle(),)
    finally:
        await server.stop()
        await host.close()
        places.adapters.unlink(missing_ok=True)


async def _keep_running(model: LocalModel, started: Callable[[LocalModel], None]) -> None:
    clock = SystemClock()
    while True:
        try:
            running = await model.process.start()
        except Unavailable as problem:
            log.error("model_not_started", model=model.name, reason=str(problem))
            await clock.sleep_s(FAILED_START_PAUSE_S)
            continue
        address = ModelRunnerAddress(running.base_url, running.api_key.decode())
        write_private(model.file, msgspec.json.encode(address))
        log.info("model_ready", model=model.name)
        started(model)
        status = await model.process.ended()
        log.warning("model_ended", model=model.name, status=status)
        await clock.sleep_s(RESTART_PAUSE_S)

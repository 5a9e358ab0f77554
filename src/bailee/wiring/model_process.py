"""The model runner's process: it starts llama.cpp, says where it is, and starts it again.

Fine-tuned models run beside it, started and ended as gateways ask for them.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from bailee.drivers.backend_llama import (
    AdapterHost,
    AdapterServer,
    ModelProcess,
    ModelSpecification,
)
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.settings import Settings
from bailee.wiring.backends import ModelRunnerAddress
from bailee.wiring.giving_up import give_up
from bailee.wiring.places import Places
from bailee.wiring.processes import run_until_stopped, start_logging, until_first
from bailee.wiring.secrets import write_private

log = structlog.get_logger()

NOT_FOR_THE_MODEL: Final = ("keyring", "secrets", "postgres", "journals", "objects")
RESTART_PAUSE_S: Final = 1.0


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
    model = settings.model
    specification = ModelSpecification(
        model.file.absolute(),
        model.sha256,
        model.name,
        model.context_tokens,
        model.parallel,
        model.threads,
    )

    async def main(stop: asyncio.Event) -> None:
        clock = SystemClock()
        process = ModelProcess(specification, SystemRandomness())
        host = AdapterHost(
            specification,
            SystemRandomness(),
            clock,
            most=model.adapters,
            idle_s=model.adapter_idle_s,
        )
        adapters = AdapterServer(host)
        await adapters.start(places.adapters)

        async def keep_running() -> None:
            while True:
                running = await process.start()
                address = ModelRunnerAddress(running.base_url, running.api_key.decode())
                write_private(places.model_runner, msgspec.json.encode(address))
                log.info("model_ready", model=model.name)
                ready()
                status = await process.ended()
                log.warning("model_ended", status=status)
                await clock.sleep_s(RESTART_PAUSE_S)

        try:
            await until_first(stop, keep_running(), host.unload_idle())
        finally:
            await adapters.stop()
            await host.close()
            places.adapters.unlink(missing_ok=True)
            await process.stop()
            places.model_runner.unlink(missing_ok=True)

    run_until_stopped(main)

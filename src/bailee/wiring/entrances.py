"""How gateway and clerk begin: they read what they need, give up the rest, and only then load.

Landlock must come before the first thread, and some libraries start one when they are imported:
what a process is made of is imported behind its confinement.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from bailee.drivers.confinement import protect_memory
from bailee.schema.roles import ADMINISTRATOR, CLERK, GATEWAY
from bailee.settings import Settings
from bailee.wiring.database import database_url
from bailee.wiring.giving_up import give_up
from bailee.wiring.places import Places
from bailee.wiring.processes import start_logging
from bailee.wiring.seal import read_seal
from bailee.wiring.secrets import LOG_KEY, PEPPER, WEBHOOK_KEY, read_secret, token_name
from bailee.wiring.trust import read_trust, region_of

log = structlog.get_logger()

NOT_FOR_GATEWAYS: Final = ("keyring", "secrets", "postgres")
NOT_FOR_THE_CLERK: Final = ("keyring", "postgres")


def run_gateway(
    settings: Settings,
    index: int,
    *,
    secrets: Mapping[str, bytes],
    descriptors: Mapping[str, int],  # noqa: ARG001 - part of every process's signature
    ready: Callable[[], None],
) -> None:
    """See `cli.administration.Wiring`."""
    start_logging(settings, f"gateway-{index}")
    places = Places(settings.data_folder.absolute())
    trust = read_trust(places)
    region_of(settings, trust)
    token = read_secret(places.secrets, token_name("gateway"), secrets)
    pepper = read_secret(places.secrets, PEPPER, secrets)
    webhook_key = read_secret(places.secrets, WEBHOOK_KEY, secrets)
    database = database_url(settings, places, GATEWAY)
    administration = database_url(settings, places, ADMINISTRATOR)
    protection = protect_memory()
    log.info("memory_protected", locked=protection.memory_locked, swaps=len(protection.swaps))
    give_up(places, NOT_FOR_GATEWAYS)
    from bailee.wiring.gateway_process import GatewayNeeds, serve_gateway

    needs = GatewayNeeds(trust, token, pepper, webhook_key, database, administration)
    serve_gateway(settings, places, index, needs, ready)


def run_worker(
    settings: Settings,
    *,
    secrets: Mapping[str, bytes],
    descriptors: Mapping[str, int],  # noqa: ARG001 - part of every process's signature
    ready: Callable[[], None],
) -> None:
    """See `cli.administration.Wiring`."""
    start_logging(settings, "worker")
    places = Places(settings.data_folder.absolute())
    trust = read_trust(places)
    region_of(settings, trust)
    token = read_secret(places.secrets, token_name("worker"), secrets)
    webhook_key = read_secret(places.secrets, WEBHOOK_KEY, secrets)
    database = database_url(settings, places, CLERK)
    protect_memory()
    give_up(places, NOT_FOR_GATEWAYS)
    from bailee.wiring.worker_process import WorkerNeeds, serve_worker

    serve_worker(settings, places, WorkerNeeds(trust, token, webhook_key, database), ready)


def run_clerk(
    settings: Settings,
    *,
    secrets: Mapping[str, bytes],
    descriptors: Mapping[str, int],  # noqa: ARG001 - part of every process's signature
    ready: Callable[[], None],
) -> None:
    """See `cli.administration.Wiring`."""
    start_logging(settings, "clerk")
    places = Places(settings.data_folder.absolute())
    trust = read_trust(places)
    region_of(settings, trust)
    token = read_secret(places.secrets, token_name("clerk"), secrets)
    log_key = read_secret(places.secrets, LOG_KEY, secrets)
    seal = read_seal(settings, places, secrets)
    database = database_url(settings, places, CLERK)
    give_up(places, NOT_FOR_THE_CLERK)
    from bailee.wiring.clerk_process import ClerkNeeds, serve_clerk

    serve_clerk(settings, places, ClerkNeeds(trust, token, log_key, seal, database), ready)

"""The keeper's process: locked down first, caught up second, serving last."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.roles import ROLES, Role
from bailee.custody.keeper.service import KeeperService
from bailee.drivers.confinement import landlock_abi, protect_keeper
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperServer, listen, token_hash
from bailee.drivers.keys_file import FileRootSlots
from bailee.drivers.system import SystemRandomness, ThreadOffload
from bailee.ports.keeper import KeeperAdministration
from bailee.settings import Settings
from bailee.wiring.giving_up import give_up
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock, run_until_stopped, start_logging, until_first
from bailee.wiring.secrets import read_secret, token_name
from bailee.wiring.trust import pin_keeper, read_trust, region_of

log = structlog.get_logger()

NOT_FOR_THE_KEEPER: Final = ("secrets", "postgres", "journals", "objects", "tls", "logs")


def run_keeper(
    settings: Settings,
    *,
    secrets: Mapping[str, bytes],
    descriptors: Mapping[str, int],  # noqa: ARG001 - part of every process's signature
    ready: Callable[[], None],
) -> None:
    """See `cli.administration.Wiring`."""
    start_logging(settings, "keeper")
    places = Places(settings.data_folder.absolute())
    trust = read_trust(places)
    hashes: dict[str, bytes] = {
        role: token_hash(read_secret(places.secrets, token_name(role), secrets)) for role in ROLES
    }
    clock = open_clock(places)
    protection = protect_keeper()
    log.info("memory_protected", locked=protection.memory_locked, swaps=len(protection.swaps))
    give_up(places, NOT_FOR_THE_KEEPER)

    async def main(stop: asyncio.Event) -> None:
        files = LocalFiles(places.data)
        slots = FileRootSlots(files)
        randomness = SystemRandomness()
        service = KeeperService(
            Keyring(files, slots, randomness),
            slots,
            clock,
            randomness,
            ThreadOffload(1),
            trust.verifier,
            enforcement="landlock" if landlock_abi() else "none",
            trust_clock=trust.simulated,
            region=region_of(settings, trust),
        )
        # What fell due while nobody watched dies before anybody can ask for anything.
        statements = await service.start()
        status = await service.status()
        pin_keeper(places, status.identity)
        log.info("keeper_started", generation=status.generation, statements=len(statements))

        def keeper_for(role: str) -> KeeperAdministration:
            known: dict[str, Role] = {name: name for name in ROLES}
            return service.for_role(known[role])

        places.keeper_socket.unlink(missing_ok=True)
        server = KeeperServer(keeper_for, hashes)
        await server.start(listen(places.keeper_socket))
        ready()
        await until_first(stop, service.keep(), service.keep_deadlines())
        await server.stop()

    run_until_stopped(main)

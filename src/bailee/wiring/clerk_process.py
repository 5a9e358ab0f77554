"""The clerk's process: destruction, the log, receipts, the census, journals into segments."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from bailee.custody.journal.recovery import Recovery
from bailee.custody.segment.packing import Packer
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.engine import check_schema, open_engine
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.drivers.system import SystemClock, SystemRandomness, ThreadOffload
from bailee.lifecycle.census import Census
from bailee.lifecycle.clerk import Clerk
from bailee.lifecycle.epochs import EpochLifecycle
from bailee.lifecycle.log_reader import LogReader
from bailee.lifecycle.receipts import DestructionReceipts
from bailee.lifecycle.sequencer import Sequencer
from bailee.schema.roles import CLERK
from bailee.settings import Settings
from bailee.transparency.note import Signer
from bailee.wiring.database import database_url
from bailee.wiring.giving_up import give_up
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock, run_until_stopped, start_logging, until_first
from bailee.wiring.secrets import LOG_KEY, read_secret, token_name
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import read_trust

log = structlog.get_logger()


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
    token = read_secret(places.secrets, token_name("clerk"), secrets)
    signer = Signer(trust.origin, read_secret(places.secrets, LOG_KEY, secrets))
    url = database_url(settings, places, CLERK)
    clock = open_clock(places)
    holder = f"{trust.node}-{SystemRandomness().random_bytes(8).hex()}"

    give_up(places, ("keyring",))

    async def main(stop: asyncio.Event) -> None:
        engine = open_engine(url, CLERK)
        await check_schema(engine)
        ledger, outbox = PostgresLedger(engine), PostgresOutbox(engine)
        leases = PostgresLeases(engine, clock)
        objects = objects_of(settings, places)
        files, offload = LocalFiles(places.data), ThreadOffload(2)
        keeper = KeeperClient(places.keeper_socket, "clerk", token, SystemClock())
        log_reader = LogReader(objects, trust.verifier)
        recovery = Recovery(files, offload, ledger, clock, node=trust.node, identity=trust.identity)
        packer = Packer(
            files,
            offload,
            objects,
            ledger,
            clock,
            node=trust.node,
            segment_bytes=settings.journal.segment_size_bytes,
        )

        async def keep_local() -> None:
            await recovery.run()
            await packer.run()

        clerk = Clerk(
            clock,
            leases,
            holder,
            EpochLifecycle(ledger, keeper, objects, files, clock),
            DestructionReceipts(ledger, keeper, objects, outbox, log_reader),
            Census(ledger, keeper, clock),
            keep_local,
        )
        sequencer = Sequencer(outbox, leases, objects, clock, signer, holder=holder)
        # What fell due is finished before anybody is told that the installation serves.
        await clerk.tick()
        ready()
        await until_first(stop, clerk.run(), sequencer.run())
        await keeper.close()
        await engine.dispose()

    run_until_stopped(main)

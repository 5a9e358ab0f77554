"""The clerk's process: destruction, the log, receipts, the census, journals into segments."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy import URL

from bailee.application_state.deletion import Deletion
from bailee.custody.journal.recovery import Recovery
from bailee.custody.segment.packing import Packer
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import check_schema, open_engine
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.drivers.system import SystemClock, SystemRandomness, ThreadOffload
from bailee.governance.consent.ending import SharingEnd
from bailee.governance.decisions.counting import DecisionsForgotten
from bailee.kernel.redacted import Secret
from bailee.lifecycle.census import Census
from bailee.lifecycle.clerk import Clerk
from bailee.lifecycle.epochs import EpochLifecycle
from bailee.lifecycle.log_reader import LogReader
from bailee.lifecycle.receipts import DestructionReceipts
from bailee.lifecycle.sequencer import Sequencer
from bailee.schema.roles import CLERK
from bailee.settings import Settings
from bailee.transparency.note import Signer
from bailee.wiring.agreements import execution
from bailee.wiring.budgets import spend_watch
from bailee.wiring.database import when_there
from bailee.wiring.holding import become_holder
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock, run_until_stopped, until_first
from bailee.wiring.seal import document_root
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import Trust, public_keys

PUBLIC_KEYS: Final = "log/public-keys.json"
"""Published beside the log. Whoever verifies should have the keys from elsewhere as well."""


class ClerkNeeds(NamedTuple):
    """What the clerk read before it gave up what is not its business."""

    trust: Trust
    token: Secret
    log_key: Secret
    seal: Secret
    """What seals signed documents."""
    database: str | URL


def serve_clerk(
    settings: Settings, places: Places, needs: ClerkNeeds, ready: Callable[[], None]
) -> None:
    """Run the clerk until it is told to stop."""
    trust, clock = needs.trust, open_clock(places)
    signer = Signer(trust.origin, needs.log_key)

    async def main(stop: asyncio.Event) -> None:
        engine = open_engine(needs.database, CLERK)
        await when_there(lambda: check_schema(engine))
        ledger, outbox = PostgresLedger(engine), PostgresOutbox(engine)
        leases = PostgresLeases(engine, clock)
        holder = await become_holder(places, trust.node, "clerk", leases, SystemRandomness())
        objects = objects_of(settings, places)
        files, offload = LocalFiles(places.data), ThreadOffload(2)
        keeper = KeeperClient(places.keeper_socket, "clerk", needs.token, SystemClock())
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
            Census(ledger, keeper),
            keep_local,
            more=(
                (
                    "held",
                    Deletion(PostgresDatabase(engine), keeper, objects, clock).finish,
                ),
                (
                    "consent",
                    SharingEnd(PostgresDatabase(engine), keeper, clock).settle,
                ),
                ("spend_alerts", spend_watch(settings, PostgresDatabase(engine), clock).step),
                ("decisions", DecisionsForgotten(PostgresDatabase(engine), clock).step),
                ("agreements", execution(engine, clock, offload, needs.seal).step),
            ),
        )
        sequencer = Sequencer(outbox, leases, objects, clock, signer, holder=holder)
        await objects.put(PUBLIC_KEYS, public_keys(trust, document_root(needs.seal)))
        # What fell due is finished before anybody is told that the installation serves.
        await clerk.tick()
        ready()
        await until_first(stop, clerk.run(), sequencer.run())
        await keeper.close()
        await engine.dispose()

    run_until_stopped(main)

"""One gateway worker's process: it reads what it needs, gives up the rest, then answers."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog
from sqlalchemy import URL

from bailee.api.application import Application
from bailee.api.bridge import AsgiBridge
from bailee.api.errors import OpenAiRefusals
from bailee.api.http1.server import Http1Server
from bailee.api.listener import Listener
from bailee.api.operations import make_operations_application
from bailee.custody.reading import Reading
from bailee.custody.recorder import Recorder
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.changes import PostgresChanges
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import check_schema, connector, open_engine
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.drivers.rate_limit_shared import SharedRateLimit
from bailee.drivers.system import SystemClock, SystemRandomness, ThreadOffload
from bailee.governance.tenancy.last_used import LastUsed
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.kernel.ids import Region
from bailee.kernel.redacted import Secret
from bailee.lifecycle.log_reader import LogReader
from bailee.policy.decide import Decider
from bailee.policy.load import packaged_policy
from bailee.ports.files import Files
from bailee.schema.roles import GATEWAY
from bailee.serving.answer import Answering
from bailee.serving.limits import Limits
from bailee.serving.owner_reads import OwnerReads
from bailee.serving.routing import Planner
from bailee.settings import Settings
from bailee.wiring.backends import open_backends, served_models
from bailee.wiring.callers import CallerDirectory
from bailee.wiring.operations import GatewayParts, operations_of, prove_journal
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock, run_until_stopped, until_first
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import Trust

log = structlog.get_logger()


class GatewayNeeds(NamedTuple):
    """What a gateway worker read before it gave up what is not its business."""

    trust: Trust
    token: Secret
    pepper: Secret
    database: str | URL


def serve_gateway(
    settings: Settings,
    places: Places,
    index: int,
    needs: GatewayNeeds,
    ready: Callable[[], None],
    *,
    listener: Listener | None = None,
    files: Files | None = None,
) -> None:
    """Run one worker until it is told to stop. `listener` and `files` are given by benchmarks."""
    trust, url = needs.trust, needs.database
    clock, real_clock, randomness = open_clock(places), SystemClock(), SystemRandomness()
    region = Region(settings.region)

    async def main(stop: asyncio.Event) -> None:
        engine = open_engine(url, GATEWAY, connections=settings.database.connections)
        await check_schema(engine)
        # The snapshot's own connection: a busy ledger must not let the facts grow old.
        snapshot_engine = open_engine(url, GATEWAY, connections=1)
        database, ledger = PostgresDatabase(engine), PostgresLedger(engine)
        changes = PostgresChanges(connector(url, GATEWAY), real_clock)
        snapshot = FactsSnapshot(
            PostgresDatabase(snapshot_engine),
            changes,
            real_clock,
            needs.pepper,
            grace_s=settings.snapshot.grace_s,
        )
        keeper = KeeperClient(places.keeper_socket, "gateway", needs.token, real_clock)
        stored, offload = files or LocalFiles(places.data), ThreadOffload(4)
        recorder = Recorder(
            stored,
            offload,
            ledger,
            keeper,
            clock,
            randomness,
            node=trust.node,
            worker=f"{trust.node}-{index}-{randomness.random_bytes(6).hex()}",
            regions=(region,),
            identity=trust.identity,
            close_after_s=settings.journal.close_after_s,
            max_journal_bytes=settings.journal.size_bytes,
            ledger_grace_s=settings.snapshot.grace_s,
        )
        backends = await open_backends(settings, places, keeper.reveal_secret)
        policies = packaged_policy()
        planner = Planner(served_models(settings, backends, clock.now()), Decider(policies))
        last_used = LastUsed(database, real_clock)
        directory = CallerDirectory(snapshot, last_used, settings.limits)
        answering = Answering(
            directory.authenticate,
            planner,
            Limits(SharedRateLimit(places.rate_limits)),
            recorder,
            OpenAiRefusals(),
            clock,
            randomness,
        )
        objects = objects_of(settings, places)
        outbox, log_reader = PostgresOutbox(engine), LogReader(objects, trust.verifier)
        reading = Reading(stored, offload, objects, ledger, node=trust.node, regions=(region,))
        parts = GatewayParts(
            settings,
            answering,
            OwnerReads(reading, keeper, prove_journal(outbox, log_reader)),
            reading,
            outbox,
            log_reader,
            objects,
            policies,
            clock,
            snapshot,
            recorder,
            keeper,
            backends,
        )
        bridge = AsgiBridge(
            make_operations_application(operations_of(parts)),
            body_limit_bytes=settings.limits.body_size_bytes,
        )
        application = Application(
            answering,
            bridge,
            real_clock,
            parts.report,
            body_limit_bytes=settings.limits.body_size_bytes,
        )
        server = Http1Server(application, listener or listener_of(settings, places), real_clock)
        await snapshot.refresh()
        await recorder.tick()
        ready()
        stopped = asyncio.Event()

        async def serve() -> None:
            cut_off = await server.run(stop, settings.server.drain_timeout_s)
            log.info("gateway_drained", cut_off=cut_off)
            stopped.set()

        await until_first(
            stopped, serve(), recorder.run(), snapshot.run(), changes.run(), last_used.run()
        )
        await recorder.drain()
        await last_used.flush()
        for backend in backends.values():
            await backend.close()
        await keeper.close()
        await engine.dispose()
        await snapshot_engine.dispose()

    run_until_stopped(main)


def listener_of(settings: Settings, places: Places) -> Listener:
    """Where the API listens: over TLS, always."""
    server = settings.server
    return Listener.over_tls(
        server.host,
        server.port,
        server.certificate_file or places.data / "tls" / "server.pem",
        server.private_key_file or places.data / "tls" / "server-key.pem",
    )

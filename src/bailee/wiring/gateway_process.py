"""One gateway worker's process: it reads what it needs, gives up the rest, then answers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

import structlog
from litestar import Litestar
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.api.application import Application
from bailee.api.bridge import AsgiBridge
from bailee.api.errors import OpenAiRefusals
from bailee.api.http1.server import Http1Server
from bailee.api.listener import Listener
from bailee.api.operations import make_operations_application
from bailee.application_state.deletion import Deletion
from bailee.application_state.keeping import Keeping
from bailee.custody.reading import Reading
from bailee.custody.recorder import Recorder
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.changes import PostgresChanges
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import check_schema, connector, open_engine
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.drivers.rate_limit_shared import LeasedRateLimit, SharedRateLimit
from bailee.drivers.system import SystemClock, SystemRandomness, ThreadOffload
from bailee.governance.decisions.counting import DecisionCounts
from bailee.governance.policy_drafts.published import PolicyInForce
from bailee.governance.tenancy.last_used import LastUsed
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.governance.usage.counting import UsageCounts
from bailee.kernel.errors import BaileeError
from bailee.kernel.ids import Region
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.lifecycle.log_reader import LogReader
from bailee.policy.decide import Decider
from bailee.ports.backend import Backend
from bailee.ports.files import Files
from bailee.ports.objects import Objects
from bailee.ports.snapshot import Changes
from bailee.schema.roles import ADMINISTRATOR, GATEWAY
from bailee.serving.answer import Answering
from bailee.serving.client_certificates import ClientCertificates
from bailee.serving.limits import Limits
from bailee.serving.owner_reads import OwnerReads
from bailee.serving.prefix_cache import salt_from
from bailee.serving.routing import Planner
from bailee.serving.usage import Count
from bailee.settings import Settings
from bailee.wiring.adapter_homes import AdapterHomes
from bailee.wiring.administration import AdministrationDesk, administration_of
from bailee.wiring.backends import open_adapters, open_backends, served_models
from bailee.wiring.callers import CallerDirectory
from bailee.wiring.database import when_there
from bailee.wiring.fine_tuned import FineTunedModels
from bailee.wiring.held import HeldParts, fine_tuning_of, state_of
from bailee.wiring.held_routers import LONGER_BODIES, admit_of, held_routers
from bailee.wiring.operations import GatewayParts, operations_of, prove_journal
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock, run_until_stopped, until_first
from bailee.wiring.recording import RecorderNeeds, open_recorder, report_defect
from bailee.wiring.residency import residency_of
from bailee.wiring.stores import objects_of
from bailee.wiring.training import Trainable, may_have_own_models
from bailee.wiring.trust import Trust
from bailee.wiring.webhooks import WebhookTerms

if TYPE_CHECKING:
    from bailee.api.granian_server import GranianServer

log = structlog.get_logger()


class GatewayNeeds(NamedTuple):
    """What a gateway worker read before it gave up what is not its business."""

    trust: Trust
    token: Secret
    pepper: Secret
    webhook_key: Secret
    database: str | URL
    administration: str | URL
    """The database as `administrator`, for commands that admin keys give."""


class Stores(NamedTuple):
    """Where a gateway worker's rows, files and objects are, and who holds the keys."""

    engine: AsyncEngine
    facts_engine: AsyncEngine
    """The snapshot's own: a busy ledger must not let the facts grow old."""
    administration: AsyncEngine
    keeper: KeeperClient
    files: Files
    objects: Objects

    @classmethod
    def open(
        cls, settings: Settings, places: Places, needs: GatewayNeeds, files: Files | None
    ) -> Self:
        """Open everything; connections are made when they are first used."""
        return cls(
            open_engine(needs.database, GATEWAY, connections=settings.database.connections),
            open_engine(needs.database, GATEWAY, connections=1),
            open_engine(needs.administration, ADMINISTRATOR, connections=2),
            KeeperClient(places.keeper_socket, "gateway", needs.token, SystemClock()),
            files or LocalFiles(places.data),
            objects_of(settings, places),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.keeper.close()
        await self.engine.dispose()
        await self.facts_engine.dispose()
        await self.administration.dispose()


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
    """Run one gateway worker until it is told to stop.

    `listener` and `files` are given by benchmarks.
    """
    address = listener or listener_of(settings, places)

    async def main(stop: asyncio.Event) -> None:
        stores = Stores.open(settings, places, needs, files)
        await check_schema(stores.engine)
        changes = PostgresChanges(connector(needs.database, GATEWAY), SystemClock())
        made = assemble(settings, places, index, needs, stores, changes)
        snapshot, recorder, last_used, usage, decisions, parts = made[:6]
        server = _server(settings, places, made.application, address)
        await when_there(snapshot.refresh)
        await recorder.tick()
        drained = asyncio.Event()

        async def serve() -> None:
            cut_off = await server.run(stop, settings.server.drain_timeout_s, ready)
            log.info("gateway_drained", cut_off=cut_off)
            drained.set()

        await until_first(
            drained,
            serve(),
            recorder.run(),
            snapshot.run(),
            changes.run(),
            last_used.run(),
            usage.run(),
            decisions.run(),
        )
        if parts.answering.background is not None:
            await parts.answering.background.drain()
        await recorder.drain()
        await last_used.flush()
        await usage.flush()
        await decisions.flush()
        with suppress(BaileeError):  # its lease lapses in a second
            await snapshot.leave()
        for backend in parts.backends.values():
            await backend.close()
        await stores.close()

    run_until_stopped(main)


class Assembled(NamedTuple):
    """A gateway worker, put together and not started."""

    snapshot: FactsSnapshot
    recorder: Recorder
    last_used: LastUsed
    usage: UsageCounts
    decisions: DecisionCounts
    parts: GatewayParts
    application: Application


def assemble(
    settings: Settings,
    places: Places,
    index: int,
    needs: GatewayNeeds,
    stores: Stores,
    changes: Changes,
) -> Assembled:
    """Put a gateway worker together. Nothing is connected yet."""
    in_force = PolicyInForce()
    snapshot = _snapshot(settings, index, needs, stores, changes, in_force)
    last_used = LastUsed(PostgresDatabase(stores.facts_engine), SystemClock())
    recorder = open_recorder(settings, _recorder_needs(places, index, needs, stores))
    backends = open_backends(settings, places, stores.keeper.reveal_secret)
    directory = CallerDirectory(snapshot, last_used, settings.limits)
    usage = UsageCounts(PostgresDatabase(stores.engine), SystemClock())
    decisions = DecisionCounts(PostgresDatabase(stores.engine), open_clock(places), SystemClock())
    parts = _parts(
        *(settings, places, needs, stores, recorder, snapshot, directory, backends),
        *(usage.count, decisions, in_force),
    )
    desk = AdministrationDesk(
        *(stores.administration, stores.keeper, parts.clock, needs.pepper, snapshot),
        settings,
        WebhookTerms(needs.webhook_key, settings.webhooks.allow_private_addresses),
        residency_of(settings),
    )
    application = _application(parts, desk)
    return Assembled(snapshot, recorder, last_used, usage, decisions, parts, application)


def _snapshot(
    settings: Settings,
    index: int,
    needs: GatewayNeeds,
    stores: Stores,
    changes: Changes,
    in_force: PolicyInForce,
) -> FactsSnapshot:
    return FactsSnapshot(
        PostgresDatabase(stores.facts_engine),
        changes,
        SystemClock(),
        needs.pepper,
        grace_s=settings.snapshot.grace_s,
        worker=f"{needs.trust.node}-{index}-{SystemRandomness().random_bytes(6).hex()}",
        beside=in_force.read,
    )


def _server(
    settings: Settings, places: Places, application: Application, address: Listener
) -> "Http1Server | GranianServer":
    """See docs/decisions/0009-http-server.md."""
    if settings.server.http2:
        from bailee.api.granian_server import GranianServer

        return GranianServer(application, address)
    port = settings.server.client_certificate_port
    asking = listener_of(settings, places)._replace(port=port) if port else None
    return Http1Server(application, address, SystemClock(), asking)


def _recorder_needs(
    places: Places, index: int, needs: GatewayNeeds, stores: Stores
) -> RecorderNeeds:
    clock = open_clock(places)
    return RecorderNeeds(
        stores.files, stores.engine, stores.keeper, clock, needs.trust, str(index), threads=4
    )


def _parts(
    settings: Settings,
    places: Places,
    needs: GatewayNeeds,
    stores: Stores,
    recorder: Recorder,
    snapshot: FactsSnapshot,
    directory: CallerDirectory,
    backends: dict[str, Backend],
    count: Count,
    decisions: DecisionCounts,
    in_force: PolicyInForce,
) -> GatewayParts:
    clock = open_clock(places)
    database = PostgresDatabase(stores.engine)
    held = HeldParts(
        Keeping(
            *(database, stores.keeper, stores.objects, clock, SystemRandomness()),
            needs.trust.identity,
        ),
        Deletion(database, stores.keeper, stores.objects, clock),
    )
    homes = AdapterHomes(settings, backends, open_adapters(places))
    fine_tuned = FineTunedModels(fine_tuning_of(held), homes)
    rate_limit = LeasedRateLimit(SharedRateLimit(places.rate_limits))
    answering = Answering(
        directory.authenticate,
        _planner(settings, needs, backends, clock.now(), decisions, in_force),
        Limits(rate_limit),
        recorder,
        OpenAiRefusals(),
        clock,
        SystemRandomness(),
        state_of(held),
        fine_tuned if may_have_own_models(settings) else None,
        count,
        ClientCertificates(settings.server.client_certificate_port or None),
    )
    outbox = PostgresOutbox(stores.engine)
    log_reader = LogReader(stores.objects, needs.trust.verifier)
    reading = Reading(
        stores.files,
        ThreadOffload(2),
        stores.objects,
        PostgresLedger(stores.engine),
        node=needs.trust.node,
        regions=(Region(settings.region),),
    )
    return GatewayParts(
        settings=settings,
        answering=answering,
        owner_reads=OwnerReads(reading, stores.keeper, prove_journal(outbox, log_reader)),
        reading=reading,
        outbox=outbox,
        log_reader=log_reader,
        objects=stores.objects,
        policies=in_force,
        clock=clock,
        snapshot=snapshot,
        recorder=recorder,
        keeper=stores.keeper,
        backends=backends,
        held=held,
        fine_tuned=fine_tuned,
        worker_sign=places.worker_sign,
        rate_limit=rate_limit,
    )


def _planner(
    settings: Settings,
    needs: GatewayNeeds,
    backends: dict[str, Backend],
    now: Instant,
    decisions: DecisionCounts,
    in_force: PolicyInForce,
) -> Planner:
    decider = Decider(in_force())
    in_force.tell(decider.replace)
    return Planner(
        served_models(settings, backends, now),
        decider,
        salt_of=salt_from(needs.pepper),
        keeps_application_state=True,
        tally_of=decisions.tally,
        residency=residency_of(settings),
    )


def _application(parts: GatewayParts, desk: AdministrationDesk) -> Application:
    limit_bytes = parts.settings.limits.body_size_bytes
    bridge = AsgiBridge(
        operations_application(parts, desk),
        body_limit_bytes=limit_bytes,
        longer=LONGER_BODIES,
    )
    return Application(
        parts.answering, bridge, SystemClock(), report_defect, body_limit_bytes=limit_bytes
    )


def operations_application(parts: GatewayParts, desk: AdministrationDesk) -> Litestar:
    """Everything that is served off the hot path."""
    operations = operations_of(parts)
    admit = admit_of(parts.answering, parts.clock, operations.authenticate)
    trainable = Trainable(parts.settings, parts.answering.planner, parts.clock)
    routers = held_routers(parts.held, parts.answering, admit, trainable, parts.fine_tuned)
    administration = administration_of(
        desk, parts.settings, tuple(parts.answering.planner.models), parts.rate_limit
    )
    return make_operations_application(operations, routers, administration)


def listener_of(settings: Settings, places: Places) -> Listener:
    """Where the API listens: over TLS, always."""
    server = settings.server
    return Listener.over_tls(
        server.host,
        server.port,
        server.certificate_file or places.data / "tls" / "server.pem",
        server.private_key_file or places.data / "tls" / "server-key.pem",
    )

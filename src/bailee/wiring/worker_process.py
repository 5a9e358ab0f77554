"""The worker's process: what goes on in the background on a customer's behalf, under grants.

It is not one of the gateway workers, and answers nobody. It opens what a grant names and nothing
else; what it makes is sealed to its owner. The lines of batches take the gateways' road from here,
so that they are recorded as single calls are (docs/decisions/0034-batches-in-the-worker.md).
Retention modes that were approved for a later instant begin from here, and webhooks are sent.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import URL

from bailee.application_state.keeping import Keeping
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import check_schema, open_engine
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import INSTALLATION
from bailee.governance.audit.service import AuditTrail
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.zero_retention.watch import RetentionWatch
from bailee.kernel.redacted import Secret
from bailee.schema.roles import CLERK
from bailee.settings import Settings
from bailee.training.carrier import Carrier
from bailee.training.ending import RemoteEnds
from bailee.wiring.agreements import EnterpriseStanding
from bailee.wiring.batching import CONNECTIONS, Batching, open_batching
from bailee.wiring.database import when_there
from bailee.wiring.holding import become_holder
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock, run_until_stopped, until_first
from bailee.wiring.standing import may_train_of
from bailee.wiring.stores import objects_of
from bailee.wiring.training import Trainable, TrainingPlaces
from bailee.wiring.trust import Trust
from bailee.wiring.webhooks import deliverer
from bailee.wiring.worker_sign import keep_saying


class WorkerNeeds(NamedTuple):
    """What the worker read before it gave up what is not its business."""

    trust: Trust
    token: Secret
    webhook_key: Secret
    database: str | URL


def serve_worker(
    settings: Settings, places: Places, needs: WorkerNeeds, ready: Callable[[], None]
) -> None:
    """Run the worker until it is told to stop."""
    clock, randomness = open_clock(places), SystemRandomness()

    async def main(stop: asyncio.Event) -> None:
        engine = open_engine(needs.database, CLERK, connections=CONNECTIONS)
        await when_there(lambda: check_schema(engine))
        keeper = KeeperClient(places.keeper_socket, "worker", needs.token, SystemClock())
        keeping = Keeping(
            PostgresDatabase(engine),
            keeper,
            objects_of(settings, places),
            clock,
            randomness,
            needs.trust.identity,
        )
        leases = PostgresLeases(engine, clock)
        holder = await become_holder(places, needs.trust.node, "worker", leases, randomness)
        batching = open_batching(settings, places, needs.trust, keeping, engine, holder)
        tools = batching.carrier.tools
        may_train = may_train_of(tools.standing, tools.planner, clock)
        training = _training(settings, batching, keeping)
        carrier = Carrier(keeping, leases, training.choose, may_train, holder)
        database = PostgresDatabase(engine)
        retention = RetentionWatch(
            database,
            leases,
            Acknowledgements(database, SystemClock()),
            AuditTrail(INSTALLATION, clock, randomness),
            *(clock, SystemClock(), holder),
            grace_ms=round(1000 * settings.snapshot.grace_s),
            has_agreement=EnterpriseStanding(database, clock),
        )
        ends = RemoteEnds(keeping.database, leases, SystemClock(), training.find, holder)
        ready()
        saying = keep_saying(places.worker_sign, SystemClock())
        webhooks = deliverer(settings, database, leases, clock, needs.webhook_key, holder)
        work = (batching.run(), carrier.run(), ends.run(), retention.run(), webhooks.run())
        await until_first(stop, *work, saying)
        await batching.close()
        await keeper.close()
        await engine.dispose()

    run_until_stopped(main)


def _training(settings: Settings, batching: Batching, keeping: Keeping) -> TrainingPlaces:
    """Where jobs are trained: what may go where is decided as for calls."""
    trainable = Trainable(settings, batching.answering.planner, keeping.clock)
    standing = batching.carrier.tools.standing
    return TrainingPlaces(settings, trainable, standing, keeping.keeper.reveal_secret)

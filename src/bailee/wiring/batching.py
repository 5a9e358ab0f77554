"""Answering the lines of batches, put together for the worker's process.

It is the gateways' road with other ends: who calls follows from the batch's project, and limits of
keys and projects are left out, since a batch waits its turn anyway.
"""

import asyncio
from contextlib import suppress
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.api.errors import OpenAiRefusals
from bailee.application_state.deletion import Deletion
from bailee.application_state.keeping import Keeping
from bailee.custody.recorder import Recorder
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.leases import PostgresLeases
from bailee.drivers.rate_limit_shared import LeasedRateLimit, SharedRateLimit
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.decisions.counting import DecisionCounts
from bailee.governance.policy_drafts.published import PolicyInForce
from bailee.governance.tenancy.standing import ConsentsAhead
from bailee.governance.usage.counting import UsageCounts
from bailee.kernel.errors import Unavailable
from bailee.policy.decide import Decider
from bailee.ports.backend import Backend
from bailee.serving.answer import Answering
from bailee.serving.batching.answering import LineAnswering, Tickets
from bailee.serving.batching.carrier import BatchCarrier
from bailee.serving.batching.carrying import BatchTools
from bailee.serving.limits import Limits
from bailee.serving.prefix_cache import salt_from
from bailee.serving.routing import Planner
from bailee.settings import Settings
from bailee.wiring.adapter_homes import AdapterHomes
from bailee.wiring.backends import open_adapters, open_backends, served_models
from bailee.wiring.fine_tuned import FineTunedModels
from bailee.wiring.held import HeldParts, fine_tuning_of, state_of
from bailee.wiring.places import Places
from bailee.wiring.recording import RecorderNeeds, open_recorder, report_defect
from bailee.wiring.residency import residency_of
from bailee.wiring.standing import consenting_of, standing_of
from bailee.wiring.training import may_have_own_models
from bailee.wiring.trust import Trust

CONNECTIONS: Final = 8


class Batching(NamedTuple):
    """What carries batches in a process."""

    carrier: BatchCarrier
    answering: Answering
    recorder: Recorder
    usage: UsageCounts
    ahead: ConsentsAhead
    decisions: DecisionCounts
    backends: dict[str, Backend]

    async def run(self) -> None:
        """Carry batches until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.recorder.run())
            tasks.create_task(self.answering.streams.run())
            tasks.create_task(self.usage.run())
            tasks.create_task(self.ahead.run())
            tasks.create_task(self.decisions.run())
            tasks.create_task(self.carrier.run())

    async def close(self) -> None:
        """What was recorded is made durable, connections are closed."""
        await self.recorder.drain()
        with suppress(Unavailable):  # what was used while the database was away goes uncounted
            await self.usage.flush()
            await self.decisions.flush()
        for backend in self.backends.values():
            await backend.close()


def open_batching(
    settings: Settings,
    places: Places,
    trust: Trust,
    keeping: Keeping,
    engine: AsyncEngine,
    holder: str,
) -> Batching:
    """Everything that carrying batches takes. Nothing is connected yet."""
    clock, keeper, randomness = keeping.clock, keeping.keeper, SystemRandomness()
    held = HeldParts(keeping, Deletion(keeping.database, keeper, keeping.objects, clock))
    recorder = open_recorder(
        settings,
        RecorderNeeds(LocalFiles(places.data), engine, keeper, clock, trust, "batches", threads=2),
    )
    # A place of the local model is left to those who wait for their answer.
    left = max(1, settings.model.parallel - 1)
    backends = open_backends(settings, places, keeper.reveal_secret, model_concurrency=left)
    tickets = Tickets(randomness)
    usage = UsageCounts(keeping.database, SystemClock())
    ahead = ConsentsAhead(keeping.database, SystemClock())
    decisions = DecisionCounts(keeping.database, clock, SystemClock())
    in_force = PolicyInForce()
    decider = Decider(in_force())
    in_force.tell(decider.replace)
    tuning = fine_tuning_of(held)
    homes = AdapterHomes(settings, backends, open_adapters(places))
    own = FineTunedModels(tuning, homes, lambda _, ticket: tickets.whose(ticket))
    answering = Answering(
        consenting_of(tickets, ahead),
        Planner(
            served_models(settings, backends, clock.now()),
            decider,
            # The worker's own: what gateways have cached is not needed here.
            salt_of=salt_from(randomness.random_bytes(32)),
            keeps_application_state=True,
            tally_of=decisions.tally,
            residency=residency_of(settings),
        ),
        Limits(LeasedRateLimit(SharedRateLimit(places.rate_limits))),
        recorder,
        OpenAiRefusals(),
        clock,
        randomness,
        state_of(held),
        own if may_have_own_models(settings) else None,
        usage.count,
    )
    tools = BatchTools(
        tuning.files,
        answering.planner,
        LineAnswering(answering, tickets, clock, randomness, report_defect),
        standing_of(PostgresDatabase(engine), in_force, ahead),
        settings.limits.body_size_bytes,
        asyncio.Semaphore(settings.batches.concurrency),
    )
    carrier = BatchCarrier(tools, PostgresLeases(engine, clock), holder)
    return Batching(carrier, answering, recorder, usage, ahead, decisions, backends)

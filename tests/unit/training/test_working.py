"""A fine-tuning job on its way, with a trainer that says what the test wants it to say."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.application_state.conftest import MINE, House, house  # noqa: F401 - a fixture

from bailee.application_state import fine_tuning
from bailee.application_state.files import Files, FileTerms
from bailee.application_state.fine_tuning import FineTuning, Job, NewJob
from bailee.application_state.keeping import Keeping
from bailee.application_state.model import Kind
from bailee.custody.seal.part import Owner
from bailee.drivers.memory import SeededRandomness
from bailee.drivers.memory.database import Database, MemoryLeases
from bailee.kernel.errors import Unavailable
from bailee.kernel.instants import DAY_MS, Instant
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Metrics,
    RemoteTrainer,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
    TrainingTask,
)
from bailee.training.ending import RemoteEnds
from bailee.training.working import Carrier, Place

LINE = {
    "messages": [
        {"role": "user", "content": "a question"},
        {"role": "assistant", "content": "an answer"},
    ]
}
LINES = b"".join(json.dumps(LINE).encode() + b"\n" for _ in range(10))
METRICS = Metrics(1, 0.5)
WHOLE: list[TrainingEvent] = [
    Began(1, 1, 10, 0),
    CheckpointReached(METRICS, b"GGUF checkpoint", b"the state"),
    Finished(METRICS, 10, b"GGUF model"),
]


@dataclass
class Scripted:
    """Trainer and run."""

    backend: str = ""
    """Where it says to be."""
    ended: list[tuple[str, ...]] = field(default_factory=list)
    """What was to be ended there: runs with what is kept, models."""
    away: bool = False

    events_of: list[TrainingEvent] = field(default_factory=lambda: list(WHOLE))
    before: dict[type, Any] = field(default_factory=dict)
    """What happens just before an event of a type is given."""
    states: list[bytes | None] = field(default_factory=list)

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> TrainingRun:
        assert len(task.examples) == 10
        self.states.append(state)
        return self

    async def events(self) -> AsyncGenerator[TrainingEvent, None]:
        for event in self.events_of:
            if type(event) in self.before:
                await self.before[type(event)]()
            yield event

    async def choose(self, owner: Owner, model: str) -> Place:
        assert model == "base"
        return Place(self, self.backend)

    async def find(self, backend: str) -> RemoteTrainer:
        assert backend == self.backend
        return self

    async def end_run(self, run: str, keep: frozenset[str]) -> None:
        if self.away:
            raise TrainingFailure("away", retry_safe=True)
        self.ended.append((run, *sorted(keep)))

    async def end_model(self, model: str) -> None:
        if self.away:
            raise TrainingFailure("away", retry_safe=True)
        self.ended.append((model,))

    async def pause(self) -> None:
        raise AssertionError

    async def cancel(self) -> None:
        self.events_of = []


@dataclass
class Shop:
    """What owner and worker have."""

    house: House
    tuning: FineTuning
    trainer: Scripted
    carrier: Carrier

    async def begin(self) -> Job:
        async def content() -> AsyncIterator[bytes]:
            yield LINES

        terms = FileTerms("fine-tune", None, None)
        file = await self.tuning.files.create(MINE, "a.jsonl", content(), terms)
        new = NewJob("base", file.held.public_id, None, "supervised", {}, 1, "mine", None)
        return await self.tuning.create(MINE, new)

    async def now(self, job: Job) -> Job:
        return await self.tuning.find(MINE, job.held.public_id)

    async def kept(self, kind: Kind) -> list[str]:
        page = await self.house.keeping.page(MINE, kind, limit=100)
        return [one.label for one in page.objects]


@pytest.fixture
def shop(house: House) -> Shop:  # noqa: F811 - the fixture
    keeping = house.keeping
    working = Keeping(
        house.clerk.database,
        house.world.keeper.for_role("worker"),
        keeping.objects,
        house.world.clock,
        SeededRandomness(99),
    )
    trainer = Scripted()
    leases = MemoryLeases(Database(), house.world.clock)
    tuning = FineTuning(Files(keeping, house.deletion))
    return Shop(house, tuning, trainer, Carrier(working, leases, trainer.choose, "one"))


async def test_a_job_ends_with_one_model_and_no_state(shop: Shop) -> None:
    job = await shop.begin()
    assert await shop.carrier.step()
    done = await shop.now(job)
    assert done.status == fine_tuning.SUCCEEDED
    assert done.held.work_grant is None
    assert await shop.kept(Kind.TRAINING_STATE) == []
    assert sorted(await shop.kept(Kind.ADAPTER)) == ["checkpoint", "model"]
    found = await shop.tuning.find_model(MINE, done.details.fine_tuned_model or "")
    assert await shop.tuning.adapter(MINE, found.held) == b"GGUF model"
    assert not await shop.carrier.step(), "there is nothing left to do"


async def test_a_death_between_model_and_job_leaves_one_model(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await shop.begin()
    whole = fine_tuning.change_job

    async def dies(*arguments: Any) -> Job:
        if arguments[-1] == fine_tuning.SUCCEEDED:
            raise Unavailable("dead")
        return await whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("bailee.training.working.change_job", dies)
        with pytest.raises(Unavailable):
            await shop.carrier.step()
    assert (await shop.now(job)).status == fine_tuning.RUNNING
    assert await shop.carrier.step()
    assert shop.trainer.states == [None, b"the state"], "it went on from what was kept"
    assert (await shop.now(job)).status == fine_tuning.SUCCEEDED
    assert (await shop.kept(Kind.ADAPTER)).count("model") == 1


@pytest.mark.parametrize("event", [CheckpointReached, Finished])
async def test_what_is_made_after_its_owner_ended_the_job_ends_too(shop: Shop, event: type) -> None:
    job = await shop.begin()

    async def cancel() -> None:
        await shop.tuning.cancel(MINE, job.held.public_id)

    shop.trainer.before[event] = cancel
    assert await shop.carrier.step()
    assert (await shop.now(job)).status == fine_tuning.CANCELLED
    assert await shop.kept(Kind.TRAINING_STATE) == []
    assert "model" not in await shop.kept(Kind.ADAPTER)
    if event is CheckpointReached:
        assert await shop.kept(Kind.ADAPTER) == []


async def test_a_grant_that_has_ended_fails_its_job_and_blocks_no_other(shop: Shop) -> None:
    old = await shop.begin()
    shop.house.world.clock.set(Instant(shop.house.world.clock.now() + 31 * DAY_MS))
    young = await shop.begin()
    assert await shop.carrier.step()
    assert (await shop.now(old)).status == fine_tuning.FAILED
    assert await shop.carrier.step()
    assert (await shop.now(young)).status == fine_tuning.SUCCEEDED


async def test_a_job_whose_file_is_gone_fails(shop: Shop) -> None:
    job = await shop.begin()
    await shop.tuning.files.delete(MINE, job.details.training_file)
    assert await shop.carrier.step()
    done = await shop.now(job)
    assert (done.status, done.details.error) == (fine_tuning.FAILED, done.details.error)
    assert done.details.error is not None
    assert done.details.error.code == "file_gone"


async def test_one_worker_carries_at_a_time(shop: Shop) -> None:
    await shop.begin()
    other = Carrier(shop.carrier.keeping, shop.carrier.leases, Scripted().choose, "two")
    assert await shop.carrier.leases.acquire("fine-tuning", "two", 60_000) is not None
    assert not await shop.carrier.step()
    assert await other.step()


REMOTE: list[TrainingEvent] = [
    Began(1, 1, 0, 0, b"the token", "token"),
    CheckpointReached(METRICS, b"", b"", "ft:theirs:ckpt"),
    Finished(METRICS, 10, b"", "ft:theirs"),
]


def ends(shop: Shop) -> RemoteEnds:
    keeping = shop.carrier.keeping
    leases = shop.carrier.leases
    return RemoteEnds(keeping.database, leases, keeping.clock, shop.trainer.find, "one")


async def test_what_is_elsewhere_ends_with_what_it_belongs_to(shop: Shop) -> None:
    shop.trainer.events_of, shop.trainer.backend = list(REMOTE), "provider"
    job = await shop.begin()
    assert await shop.carrier.step()
    done = await shop.now(job)
    assert done.status == fine_tuning.SUCCEEDED
    assert await ends(shop).step()
    assert shop.trainer.ended == [], "all of it is wanted"
    await shop.tuning.delete_model(MINE, done.details.fine_tuned_model or "")
    shop.trainer.away = True
    assert not await ends(shop).step(), "it is away"
    shop.trainer.away = False
    assert await ends(shop).step()
    assert await ends(shop).step()
    assert shop.trainer.ended == [("ft:theirs",)], "once"
    await shop.tuning.delete_model(MINE, done.details.checkpoints[0].model)
    assert await ends(shop).step()
    assert shop.trainer.ended[1:] == [("ft:theirs:ckpt",)]


async def test_a_run_elsewhere_is_taken_up_by_what_it_began_with(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.trainer.events_of, shop.trainer.backend = list(REMOTE), "provider"
    job = await shop.begin()

    async def dies() -> None:
        raise Unavailable("dead")

    shop.trainer.before[CheckpointReached] = dies
    with pytest.raises(Unavailable):
        await shop.carrier.step()
    assert await ends(shop).step()
    assert shop.trainer.ended == [], "it goes on there"
    shop.trainer.before.clear()
    assert await shop.carrier.step()
    assert shop.trainer.states == [None, b"the token"]
    assert (await shop.now(job)).status == fine_tuning.SUCCEEDED
    assert sorted(await shop.kept(Kind.ADAPTER)) == ["checkpoint", "model"]


async def test_a_job_that_its_owner_ends_is_ended_elsewhere_but_for_what_is_kept(
    shop: Shop,
) -> None:
    shop.trainer.events_of, shop.trainer.backend = list(REMOTE), "provider"
    job = await shop.begin()

    async def cancel() -> None:
        await shop.tuning.cancel(MINE, job.held.public_id)

    shop.trainer.before[Finished] = cancel
    assert await shop.carrier.step()
    assert await ends(shop).step()
    assert shop.trainer.ended == [("token", "ft:theirs:ckpt")]


async def test_a_checkpoint_that_is_told_twice_is_kept_once(shop: Shop) -> None:
    shop.trainer.events_of = [*WHOLE[:2], *WHOLE[1:]]
    job = await shop.begin()
    assert await shop.carrier.step()
    assert [one.step for one in (await shop.now(job)).details.checkpoints] == [1]
    assert sorted(await shop.kept(Kind.ADAPTER)) == ["checkpoint", "model"]

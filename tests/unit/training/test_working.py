"""A fine-tuning job on its way, with a trainer that says what the test wants it to say."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.application_state.conftest import MINE, House, house  # noqa: F401 - a fixture

from bailee.application_state import fine_tuning
from bailee.application_state.files import Files, FileTerms
from bailee.application_state.fine_tuning import FineTuning, Job, JobError, NewJob
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
    Paused,
    RemoteTrainer,
    StepDone,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
    TrainingTask,
)
from bailee.training.carrier import LEASE_MS, Carrier
from bailee.training.ending import RemoteEnds
from bailee.training.working import Place

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
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> TrainingRun:
        assert len(task.examples) == 10
        self.states.append(state)
        return self

    async def events(self) -> AsyncGenerator[TrainingEvent, None]:
        for event in self.events_of:
            if type(event) in self.before:
                await self.before[type(event)]()
            if self.cancelled.is_set():
                return
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
        self.cancelled.set()


async def may_train(_owner: Owner) -> JobError | None:
    return None


@dataclass
class Stands:
    """What stands of every project, which a test may change while a job runs."""

    now: Callable[[Owner], Awaitable[JobError | None]] = may_train

    async def __call__(self, owner: Owner) -> JobError | None:
        return await self.now(owner)


PATIENCE = 5_000
SUSPENDED = JobError("project_suspended", "The project is suspended.")


async def may_not_train(_owner: Owner) -> JobError | None:
    return SUSPENDED


@dataclass
class Shop:
    """What owner and worker have."""

    house: House
    tuning: FineTuning
    trainer: Scripted
    carrier: Carrier
    stands: Stands

    async def begin(self) -> Job:
        async def content() -> AsyncIterator[bytes]:
            yield LINES

        terms = FileTerms("fine-tune", None, None)
        file = await self.tuning.files.create(MINE, "a.jsonl", content(), terms)
        new = NewJob("base", file.held.public_id, None, "supervised", {}, 1, "mine", None)
        return await self.tuning.create(MINE, new)

    async def passes_until(self, true: Callable[[], bool]) -> None:
        """Let time pass, a second at a time, until something is true."""
        for _ in range(PATIENCE):
            if true():
                return
            self.house.world.clock.advance(1_000)
            await asyncio.sleep(0.001)
        raise AssertionError("it never came")

    async def pause_in_the_queue(self, job: Job) -> None:
        """Move a job that waits to `queued`, as one that was resumed, and pause it."""
        opened = await self.house.keeping.read(MINE, Kind.FINE_TUNING_JOB, job.held.public_id)
        await self.house.keeping.change(MINE, opened, opened.details, fine_tuning.QUEUED)
        await self.tuning.pause(MINE, job.held.public_id)

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
        keeping.identity,
    )
    trainer = Scripted()
    leases = MemoryLeases(Database(), house.world.clock)
    tuning = FineTuning(Files(keeping, house.deletion))
    stands = Stands()
    carrier = Carrier(working, leases, trainer.choose, stands, "one")
    return Shop(house, tuning, trainer, carrier, stands)


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
    over = await shop.now(job)
    assert over.status == fine_tuning.CANCELLED
    told = await shop.tuning.events(MINE, job.held.public_id)
    assert (told[0].message, told[0].created_at_s) == ("Job cancelled", over.details.finished_at_s)
    assert len({one.id for one in told}) == len(told) > 1
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


async def test_a_project_that_may_not_train_begins_nothing(shop: Shop) -> None:
    job = await shop.begin()
    shop.stands.now = may_not_train
    assert await shop.carrier.step()
    done = await shop.now(job)
    assert (done.status, done.details.error) == (fine_tuning.FAILED, SUSPENDED)
    assert shop.trainer.states == []


async def test_a_project_that_may_not_train_any_more_ends_its_run(shop: Shop) -> None:
    async def suspend() -> None:
        shop.stands.now = may_not_train
        await shop.passes_until(shop.trainer.cancelled.is_set)

    job = await shop.begin()
    shop.trainer.before[Finished] = suspend
    assert await shop.carrier.step()
    done = await shop.now(job)
    assert (done.status, done.details.error) == (fine_tuning.FAILED, SUSPENDED)
    assert "model" not in await shop.kept(Kind.ADAPTER)
    assert await shop.kept(Kind.TRAINING_STATE) == []
    assert done.held.work_grant is None


async def test_a_run_goes_on_while_nobody_can_say_whether_it_may(shop: Shop) -> None:
    asked = 0

    async def away(_owner: Owner) -> JobError | None:
        nonlocal asked
        asked += 1
        raise Unavailable("the database is away")

    async def wait() -> None:
        shop.stands.now = away
        await shop.passes_until(lambda: asked >= 2)

    job = await shop.begin()
    shop.trainer.before[Finished] = wait
    assert await shop.carrier.step()
    assert (await shop.now(job)).status == fine_tuning.SUCCEEDED


@pytest.mark.parametrize("event", [CheckpointReached, Finished])
async def test_a_worker_whose_lease_another_took_changes_nothing(shop: Shop, event: type) -> None:
    """It slept over its lease; the other has begun. It wakes, and its run ends."""
    job = await shop.begin()
    choose = Scripted().choose
    other = Carrier(shop.carrier.keeping, shop.carrier.leases, choose, may_train, "two")

    async def sleep_over() -> None:
        shop.house.world.clock.advance(LEASE_MS + 1)
        assert await other.prolong() is not None
        assert await other.step()
        await shop.passes_until(shop.trainer.cancelled.is_set)
        shop.trainer.cancelled.clear()  # it notices at the worst moment: with one more event

    shop.trainer.before[event] = sleep_over
    assert await shop.carrier.step()
    done = await shop.now(job)
    assert done.status == fine_tuning.SUCCEEDED
    assert (await shop.kept(Kind.ADAPTER)).count("model") == 1
    await shop.tuning.find_model(MINE, done.details.fine_tuned_model or "")


async def test_a_pause_that_comes_while_a_job_is_taken_up_holds(shop: Shop) -> None:
    """It was queued when it was chosen, and is paused when the worker begins."""
    job = await shop.begin()
    await shop.pause_in_the_queue(job)
    stale = await shop.now(job)
    await shop.tuning.resume(MINE, job.held.public_id)
    stands = shop.stands.now

    async def meanwhile(owner: Owner) -> JobError | None:
        await shop.tuning.pause(MINE, job.held.public_id)
        return await stands(owner)

    shop.stands.now = meanwhile
    assert stale.status == fine_tuning.PAUSED
    assert await shop.carrier.step()
    assert (await shop.now(job)).status == fine_tuning.PAUSED
    assert shop.trainer.states == [], "nothing was trained"


async def test_a_job_that_is_resumed_before_it_stopped_goes_on(shop: Shop) -> None:
    job = await shop.begin()

    async def pause_and_resume() -> None:
        await shop.tuning.pause(MINE, job.held.public_id)
        await shop.tuning.resume(MINE, job.held.public_id)

    shop.trainer.events_of = [WHOLE[0], Paused(1, b"the state")]
    shop.trainer.before[Paused] = pause_and_resume
    assert await shop.carrier.step()
    assert (await shop.now(job)).held.label == fine_tuning.QUEUED
    shop.trainer.events_of, shop.trainer.before = list(WHOLE), {}
    assert await shop.carrier.step()
    assert (await shop.now(job)).status == fine_tuning.SUCCEEDED
    assert shop.trainer.states == [None, b"the state"]


async def test_a_job_cancelled_after_a_death_leaves_no_model(
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
    assert "model" in await shop.kept(Kind.ADAPTER)
    await shop.tuning.cancel(MINE, job.held.public_id)
    assert "model" not in await shop.kept(Kind.ADAPTER)


async def test_what_was_measured_is_a_file_though_the_run_was_interrupted(shop: Shop) -> None:
    job = await shop.begin()
    first, again, second = (Metrics(1, 0.5), Metrics(1, 0.4), Metrics(2, 0.25, 0.75))
    shop.trainer.events_of = [
        Began(2, 1, 10, 0),
        StepDone(first),
        CheckpointReached(first, b"GGUF checkpoint", b"the state"),
    ]
    assert await shop.carrier.step(), "and it is gone without a word"
    told = (await shop.now(job)).details
    assert told.estimated_finish_s is not None
    shop.trainer.events_of = [
        Began(2, 1, 10, 0),
        StepDone(again),
        StepDone(second),
        Finished(second, 10, b"GGUF model"),
    ]
    assert await shop.carrier.step()
    done = (await shop.now(job)).details
    assert (done.measured, done.estimated_finish_s) == ([], None)
    (name,) = done.result_files
    file = await shop.tuning.files.find(MINE, name)
    assert (file.filename, file.held.label) == ("step_metrics.csv", "fine-tune-results")
    content = shop.house.keeping.content(MINE, file.held)
    table = b"".join([part async for part in content]).decode().splitlines()
    assert table[0].startswith("step,train_loss,train_mean_token_accuracy,")
    assert [line.split(",")[:3] for line in table[1:]] == [["1", "0.4", ""], ["2", "0.25", "0.75"]]


async def test_one_worker_carries_at_a_time(shop: Shop) -> None:
    await shop.begin()
    other = Carrier(shop.carrier.keeping, shop.carrier.leases, Scripted().choose, may_train, "two")
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

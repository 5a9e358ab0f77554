"""Fine-tuning on a Ray cluster. What trains is real, and so is what is sealed.

The cluster is a stand-in, except where a `ray` command is given (`BAILEE_TEST_RAY`, soak): there
it is one node of a real Ray.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.fixtures import leftovers
from tests.fixtures.finetuning import FACT, fact_task, followed
from tests.fixtures.model import model_file
from tests.fixtures.ray import StandIn, one_node, ray_command
from tests.fixtures.upstream import Upstream

from bailee.drivers.memory import SeededRandomness
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.drivers.trainer_ray import (
    RaySpecification,
    RayTrainer,
    RayWeights,
    make_cluster_key,
    public_part,
)
from bailee.drivers.trainer_ray.sealing import (
    Handover,
    opened_lines,
    opened_task,
    sealed_line,
    sealed_package,
)
from bailee.kernel.errors import InvalidInput
from bailee.ports.trainer import (
    Began,
    Finished,
    Metrics,
    Paused,
    StepDone,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
)
from bailee.settings.structure import SMOLLM2_SHA256

pytestmark = pytest.mark.timeout(400)

SHORT = msgspec.structs.replace(
    fact_task(),
    hyperparameters=msgspec.structs.replace(fact_task().hyperparameters, n_epochs=1),
)


def trainer_at(address: str, folder: Path, sha256: str = SMOLLM2_SHA256) -> RayTrainer:
    key = make_cluster_key(SystemRandomness())
    (folder / "ray.key").write_bytes(key)
    entrypoint = (sys.executable, "-m", "bailee", "ray", "job", "--key", str(folder / "ray.key"))
    weights = RayWeights(str(model_file()), sha256, 256, 1)
    specification = RaySpecification(address, public_part(key), entrypoint, weights, 1.0, 0.1)
    return RayTrainer(specification, None, SystemClock(), SystemRandomness())


@dataclass(slots=True)
class World:
    trainer: RayTrainer
    ray: StandIn
    folder: Path
    address: str

    def found(self) -> list[leftovers.Leftover]:
        return leftovers.search(leftovers.files_below(self.folder), [FACT.encode()])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    ray, upstream = StandIn(tmp_path), Upstream()
    upstream.usual = ray.answer
    await upstream.start()
    address = upstream.url.removesuffix("/v1")
    try:
        yield World(trainer_at(address, tmp_path), ray, tmp_path, address)
    finally:
        await upstream.stop()
        ray.close()


async def test_a_run_from_task_to_adapter(world: World) -> None:
    world.ray.away = True
    found: list[leftovers.Leftover] = []

    def watch(run: TrainingRun, event: TrainingEvent) -> None:
        found.extend(world.found())
        if isinstance(event, Began):
            assert world.ray.submissions == 0, "its name is told before anything is sent"
            asyncio.get_running_loop().call_later(0.3, setattr, world.ray, "away", False)

    began, *told = await followed(world.trainer, SHORT, watch=watch)
    assert isinstance(began, Began)
    assert (began.steps, began.first_step) == (2, 1)
    assert [one.metrics.step for one in told if isinstance(one, StepDone)] == [1, 2]
    last = told[-1]
    assert isinstance(last, Finished)
    assert last.adapter.startswith(b"GGUF")
    assert last.trained_tokens > 0
    assert world.ray.jobs == {}, "the job is deleted before its end is told"
    assert found == []
    assert world.found() == [], "what lies there is sealed"
    assert len(list(world.folder.rglob("task.sealed"))) == 1


@pytest.mark.soak
async def test_a_run_is_taken_up_after_its_caller_was_killed(world: World) -> None:
    following = (await world.trainer.begin(SHORT)).events()
    began = await anext(following)
    assert isinstance(began, Began)
    assert isinstance(await anext(following), StepDone)
    await following.aclose()
    again = await followed(world.trainer, SHORT, began.state)
    assert isinstance(again[-1], Finished)
    assert world.ray.submissions == 1


@pytest.mark.soak
async def test_what_a_run_left_is_ended_by_its_name_alone(world: World) -> None:
    following = (await world.trainer.begin(fact_task())).events()
    began = await anext(following)
    assert isinstance(began, Began)
    assert isinstance(await anext(following), StepDone)
    await following.aclose()
    with pytest.raises(TrainingFailure, match="not ended"):
        await world.trainer.end_run(began.elsewhere, frozenset())
    await world.trainer.end_run(began.elsewhere, frozenset())
    assert world.ray.jobs == {}
    await world.trainer.end_run(began.elsewhere, frozenset())


@pytest.mark.soak
async def test_a_paused_run_begins_anew(world: World) -> None:
    run = await world.trainer.begin(fact_task())
    events = []
    async for event in run.events():
        events.append(event)
        if isinstance(event, StepDone):
            await run.pause()
    paused = events[-1]
    assert isinstance(paused, Paused)
    assert world.ray.jobs == {}
    resumed = await world.trainer.begin(SHORT, paused.state)
    began = await anext(resumed.events())
    assert isinstance(began, Began)
    assert began.first_step == 1
    assert isinstance(events[0], Began)
    assert began.elsewhere != events[0].elsewhere


async def test_what_goes_wrong_on_a_node_is_told(world: World) -> None:
    other = trainer_at(world.address, world.folder, "0" * 64)
    with pytest.raises(TrainingFailure, match="another SHA-256"):
        await followed(other, SHORT)
    (world.folder / "ray.key").write_bytes(make_cluster_key(SystemRandomness()))
    with pytest.raises(TrainingFailure, match="key file"):
        await followed(other, SHORT)
    assert world.found() == []


def test_what_is_sealed_opens_for_its_key_alone_and_in_its_place() -> None:
    randomness = SeededRandomness(1)
    key, other = make_cluster_key(randomness), make_cluster_key(randomness)
    handover = Handover("/w", "0" * 64, 256, 1, fact_task(), b"k" * 32)
    sealed = sealed_package(public_part(key), handover).partition(b"task.sealed")[2]
    with pytest.raises(InvalidInput, match="not for this cluster"):
        opened_task(other, sealed)
    lines = [
        sealed_line(b"k" * 32, number, StepDone(Metrics(number, 1.0)), randomness)
        for number in range(2)
    ]
    told = opened_lines(b"k" * 32, "Ray's own words\n" + "".join(lines), 0)
    assert told == [StepDone(Metrics(0, 1.0)), StepDone(Metrics(1, 1.0))]
    for log in ("".join(reversed(lines)), lines[1], lines[0][:-5] + "\n"):
        with pytest.raises(InvalidInput):
            opened_lines(b"k" * 32, log, 0)
    with pytest.raises(InvalidInput, match="ray make-key"):
        public_part(b"nothing")


async def test_content_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="C14"):
        trainer_at("http://ray.example.com:8265", tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_real_ray_of_one_node_trains() -> None:
    command = ray_command()
    if command is None:
        pytest.skip("no `ray` was given: set BAILEE_TEST_RAY to that of a `ray[default]`")
    # Short: Ray puts sockets below it.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    with one_node(command, folder) as address:
        trainer = trainer_at(address, folder)
        following = (await trainer.begin(SHORT)).events()
        began = await anext(following)
        assert isinstance(began, Began)
        assert isinstance(await anext(following), StepDone)
        await following.aclose()
        events = await followed(trainer, SHORT, began.state)
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.adapter.startswith(b"GGUF")
        assert await trainer.jobs.status(began.elsewhere) is None

        run = await trainer.begin(fact_task())
        async for event in run.events():
            if isinstance(event, StepDone):
                with pytest.raises(TrainingFailure, match="not ended"):
                    await run.cancel()
            elif isinstance(event, Began):
                second = event.elsewhere
        while await trainer.jobs.status(second) is not None:
            with contextlib.suppress(TrainingFailure):  # it has not ended yet
                await trainer.end_run(second, frozenset())
        found = leftovers.search(leftovers.files_below(folder), [FACT.encode()])
    assert found == []

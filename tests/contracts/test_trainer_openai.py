"""Fine-tuning at a provider, against a server that behaves as OpenAI's documents say.

`tests/journeys/test_fine_tuning_upstream.py` does the same with a real one: another Bailee.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
from tests.fixtures.finetuning import FACT, fact_task, followed, preference_task
from tests.fixtures.provider import Provider
from tests.fixtures.upstream import Upstream

from bailee.drivers.memory import SeededRandomness
from bailee.drivers.system import SystemClock
from bailee.drivers.trainer_openai import ProviderSpecification, ProviderTrainer
from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Metrics,
    Paused,
    StepDone,
    SupervisedTask,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
    Turn,
)

KEY = Secret(b"provider-key")


@dataclass(slots=True)
class World:
    trainer: ProviderTrainer
    provider: Provider
    upstream: Upstream


@pytest.fixture
async def world() -> AsyncIterator[World]:
    provider, upstream = Provider(), Upstream()
    upstream.usual = provider.answer
    await upstream.start()
    specification = ProviderSpecification(upstream.url, "theirs", poll_s=0.01)
    trainer = ProviderTrainer(specification, KEY, SystemClock(), SeededRandomness(5))
    try:
        yield World(trainer, provider, upstream)
    finally:
        await upstream.stop()


async def test_a_run_from_upload_to_model(world: World) -> None:
    provider, seen = world.provider, world.upstream.received

    def proceed(run: TrainingRun, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            assert seen == [], "its name is told before anything is sent"
            provider.steps.append({"step": 1, "train_loss": 2.5, "train_accuracy": 0.25})
        elif isinstance(event, StepDone) and event.metrics.step == 1:
            provider.steps.append({"step": 2, "train_loss": 0.5, "full_valid_loss": 0.75})
            provider.steps.append({"step": 3, "train_loss": 0.25})
            provider.status = "succeeded"
        elif isinstance(event, Finished):
            assert provider.files == {}, "what was uploaded is deleted before the end is told"

    events = await followed(world.trainer, fact_task(), watch=proceed)
    began, *told = events
    assert isinstance(began, Began)
    assert (began.steps, began.first_step) == (8, 1)
    second = Metrics(2, 0.5, valid_loss=0.75)
    assert told == [
        StepDone(Metrics(1, 2.5, train_mean_token_accuracy=0.25)),
        StepDone(second),
        StepDone(Metrics(3, 0.25)),
        CheckpointReached(second, b"", b"", "ft:theirs:1:ckpt-step-2"),
        Finished(Metrics(3, 0.25), 420, b"", "ft:theirs:1"),
    ]
    (job,) = provider.jobs
    token = began.elsewhere
    assert job["metadata"] == {"bailee": token}
    assert job["training_file"] == f"file-bailee-{token}-train.jsonl"
    assert job["validation_file"] == f"file-bailee-{token}-valid.jsonl"
    assert (job["model"], job["seed"]) == ("theirs", 7)
    shaped = {"n_epochs": 4, "batch_size": 5, "learning_rate_multiplier": 2.0}
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": shaped}}
    lines = [json.loads(line) for line in provider.deleted[job["training_file"]].splitlines()]
    assert len(lines) == 10
    assert FACT in lines[0]["messages"][1]["content"]
    keys = {received.headers["authorization"] for received in seen}
    assert keys == {f"Bearer {KEY.decode()}"}


async def test_pairs_and_weights_are_sent_as_they_were_given(world: World) -> None:
    world.provider.status = "succeeded"
    await followed(world.trainer, preference_task())
    (sent, *_) = world.provider.deleted.values()
    line = json.loads(sent.splitlines()[0])
    assert line["preferred_output"] == [{"role": "assistant", "content": "No."}]
    assert world.provider.jobs[0]["method"]["dpo"]["hyperparameters"]["beta"] == 0.1
    world.provider.deleted.clear()
    example = fact_task().examples[0]
    unlearned = msgspec.structs.replace(
        example, turns=(Turn("assistant", "a", learn=False), *example.turns)
    )
    await followed(world.trainer, SupervisedTask((unlearned,), (), fact_task().hyperparameters, 7))
    (sent,) = world.provider.deleted.values()
    line = json.loads(sent.splitlines()[0])
    assert [message.get("weight") for message in line["messages"]] == [0, None, None]


async def test_a_paused_run_goes_on(world: World) -> None:
    provider = world.provider
    provider.steps.append({"step": 1, "train_loss": 2.5})
    run = await world.trainer.begin(fact_task())
    events = []
    async for event in run.events():
        events.append(event)
        if isinstance(event, StepDone):
            await run.pause()
    paused = events[-1]
    assert isinstance(paused, Paused)
    assert paused.step == 1
    assert len(provider.files) == 2, "still wanted there"

    def proceed(run: TrainingRun, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            assert event.first_step == 2
            provider.steps.append({"step": 2, "train_loss": 0.5})
        elif isinstance(event, StepDone):
            assert provider.status == "running"
            provider.status = "succeeded"

    resumed = await followed(world.trainer, fact_task(), paused.state, proceed)
    assert [event.metrics.step for event in resumed if isinstance(event, StepDone)] == [2]
    assert isinstance(resumed[-1], Finished)
    assert len(provider.jobs) == 1
    assert provider.files == {}


@pytest.mark.parametrize("sent", ["POST /files", "POST /fine_tuning/jobs"])
async def test_a_run_is_taken_up_wherever_its_caller_was_killed(world: World, sent: str) -> None:
    provider = world.provider
    following = (await world.trainer.begin(fact_task())).events()
    began = await anext(following)
    assert isinstance(began, Began)
    # It dies behind the answer to this, which it never reads.
    provider.dies = sent
    with pytest.raises(TrainingFailure):
        await anext(following)
    provider.dies = ""
    left = (len(provider.files), len(provider.jobs))
    assert left == ((1, 0) if sent == "POST /files" else (2, 1))
    provider.status = "succeeded"
    events = await followed(world.trainer, fact_task(), began.state)
    assert isinstance(events[-1], Finished)
    assert len(provider.jobs) == 1, "what was made is not made again"
    assert provider.files == {}


async def test_what_a_run_left_is_ended_by_its_name_alone(world: World) -> None:
    provider = world.provider
    following = (await world.trainer.begin(fact_task())).events()
    began = await anext(following)
    assert isinstance(began, Began)
    provider.steps.append({"step": 1, "train_loss": 2.5})
    await anext(following)
    await following.aclose()
    assert (provider.status, len(provider.files)) == ("running", 2), "it goes on there"
    await world.trainer.end_run("another", frozenset())
    assert (provider.status, len(provider.files)) == ("running", 2)
    await world.trainer.end_run(began.elsewhere, frozenset())
    assert (provider.status, len(provider.files)) == ("cancelled", 0)
    await world.trainer.end_run(began.elsewhere, frozenset())


async def test_models_end_but_those_that_are_kept(world: World) -> None:
    provider = world.provider
    provider.status = "succeeded"
    provider.models = {"ft:theirs:1", "ft:theirs:1:ckpt-step-2"}
    began = (await followed(world.trainer, fact_task()))[0]
    assert isinstance(began, Began)
    await world.trainer.end_run(began.elsewhere, frozenset({"ft:theirs:1"}))
    assert provider.models == {"ft:theirs:1"}
    await world.trainer.end_model("ft:theirs:1")
    assert provider.models == set()
    await world.trainer.end_model("ft:theirs:1")


async def test_a_cancelled_run_leaves_nothing_there(world: World) -> None:
    run = await world.trainer.begin(fact_task())
    world.provider.steps.append({"step": 1, "train_loss": 2.5})
    async for event in run.events():
        if isinstance(event, StepDone):
            await run.cancel()
    assert world.provider.status == "cancelled"
    assert world.provider.files == {}
    await run.cancel()
    unread = await world.trainer.begin(fact_task())
    await unread.cancel()
    assert world.provider.files == {}


async def test_a_failed_job_is_told_without_the_providers_words(world: World) -> None:
    world.provider.status = "failed"
    world.provider.code, world.provider.message = "invalid_training_file", f"line: {FACT}"
    with pytest.raises(TrainingFailure, match="invalid_training_file") as raised:
        await followed(world.trainer, fact_task())
    assert FACT not in str(raised.value)
    assert not raised.value.retry_safe
    assert world.provider.files == {}


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refusal_is_told_without_the_providers_words(world: World, status: int) -> None:
    world.provider.refuse["POST /fine_tuning/jobs"] = status
    world.provider.message = f"line: {FACT}"
    run = await world.trainer.begin(fact_task())
    following = run.events()
    began = await anext(following)
    assert isinstance(began, Began)
    with pytest.raises(TrainingFailure, match=str(status)) as raised:
        await anext(following)
    assert FACT not in str(raised.value)
    assert not raised.value.retry_safe
    await world.trainer.end_run(began.elsewhere, frozenset())
    assert world.provider.files == {}


async def test_a_provider_that_is_away_is_waited_for(world: World) -> None:
    provider = world.provider
    provider.refuse["GET /fine_tuning/jobs/ftjob-1"] = 503
    run = await world.trainer.begin(fact_task())
    following = run.events()
    await anext(following)
    provider.steps.append({"step": 1, "train_loss": 2.5})
    provider.refused_often = 3
    step = await anext(following)
    assert step == StepDone(Metrics(1, 2.5))
    await run.cancel()
    await following.aclose()


async def test_content_is_not_sent_in_the_clear() -> None:
    specification = ProviderSpecification("http://example.com/v1", "m")
    with pytest.raises(InvalidInput, match="C14"):
        ProviderTrainer(specification, KEY, SystemClock(), SeededRandomness(5))

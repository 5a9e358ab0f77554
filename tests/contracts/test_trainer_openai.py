"""Fine-tuning at a provider, against a server that behaves as OpenAI's documents say."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
from tests.fixtures.finetuning import FACT, fact_task, followed, preference_task
from tests.fixtures.provider import Provider
from tests.fixtures.upstream import Upstream

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
    try:
        yield World(ProviderTrainer(specification, KEY, SystemClock()), provider, upstream)
    finally:
        await upstream.stop()


async def test_a_run_from_upload_to_model(world: World) -> None:
    provider = world.provider

    def proceed(run: TrainingRun, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            provider.steps.append({"step": 1, "train_loss": 2.5, "train_accuracy": 0.25})
        elif isinstance(event, StepDone) and event.metrics.step == 1:
            provider.steps.append({"step": 2, "train_loss": 0.5, "full_valid_loss": 0.75})
            provider.steps.append({"step": 3, "train_loss": 0.25})
            provider.status = "succeeded"

    events = await followed(world.trainer, fact_task(), watch=proceed)
    began, *told = events
    assert isinstance(began, Began)
    assert (began.steps, began.first_step) == (12, 1)
    second = Metrics(2, 0.5, valid_loss=0.75)
    assert told == [
        StepDone(Metrics(1, 2.5, train_mean_token_accuracy=0.25)),
        StepDone(second),
        StepDone(Metrics(3, 0.25)),
        CheckpointReached(second, b"", b"", "ft:theirs:1:ckpt-step-2"),
        Finished(Metrics(3, 0.25), 420, b"", "ft:theirs:1"),
    ]
    (job,) = provider.jobs
    assert job["training_file"] == "file-train.jsonl"
    assert job["validation_file"] == "file-valid.jsonl"
    assert (job["model"], job["seed"]) == ("theirs", 7)
    shaped = {"n_epochs": 6, "batch_size": 5, "learning_rate_multiplier": 1.0}
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": shaped}}
    lines = [json.loads(line) for line in provider.deleted["file-train.jsonl"].splitlines()]
    assert len(lines) == 10
    assert FACT in lines[0]["messages"][1]["content"]
    assert provider.files == {}, "what was uploaded is deleted there"
    keys = {received.headers["authorization"] for received in world.upstream.received}
    assert keys == {f"Bearer {KEY.decode()}"}


async def test_pairs_and_weights_are_sent_as_they_were_given(world: World) -> None:
    world.provider.status = "succeeded"
    await followed(world.trainer, preference_task())
    line = json.loads(world.provider.deleted["file-train.jsonl"].splitlines()[0])
    assert line["preferred_output"] == [{"role": "assistant", "content": "No."}]
    assert world.provider.jobs[0]["method"]["dpo"]["hyperparameters"]["beta"] == 0.1
    example = fact_task().examples[0]
    unlearned = msgspec.structs.replace(
        example, turns=(Turn("assistant", "a", learn=False), *example.turns)
    )
    await followed(world.trainer, SupervisedTask((unlearned,), (), fact_task().hyperparameters, 7))
    line = json.loads(world.provider.deleted["file-train.jsonl"].splitlines()[0])
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
    assert set(provider.files) == {"file-train.jsonl", "file-valid.jsonl"}, "still wanted there"

    def proceed(run: TrainingRun, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            assert (provider.status, event.first_step) == ("running", 2)
            provider.steps.append({"step": 2, "train_loss": 0.5})
            provider.status = "succeeded"

    resumed = await followed(world.trainer, fact_task(), paused.state, proceed)
    assert [event.metrics.step for event in resumed if isinstance(event, StepDone)] == [2]
    assert isinstance(resumed[-1], Finished)
    assert len(provider.jobs) == 1
    assert provider.files == {}


async def test_a_run_is_taken_up_after_its_caller_was_killed(world: World) -> None:
    run = await world.trainer.begin(fact_task())
    following = run.events()
    began = await anext(following)
    assert isinstance(began, Began)
    await following.aclose()
    assert len(world.provider.files) == 2, "the job goes on and wants its files"
    world.provider.status = "succeeded"
    events = await followed(world.trainer, fact_task(), began.state)
    assert isinstance(events[-1], Finished)
    assert len(world.provider.jobs) == 1
    assert world.provider.files == {}


async def test_a_cancelled_run_leaves_nothing_there(world: World) -> None:
    run = await world.trainer.begin(fact_task())
    async for _ in run.events():
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


@pytest.mark.parametrize(("status", "retry_safe"), [(400, False), (401, False), (429, True)])
async def test_a_refusal_is_told_without_the_providers_words(
    world: World, status: int, retry_safe: bool
) -> None:
    world.provider.refuse["POST /fine_tuning/jobs"] = status
    world.provider.message = f"line: {FACT}"
    with pytest.raises(TrainingFailure, match=str(status)) as raised:
        await followed(world.trainer, fact_task())
    assert FACT not in str(raised.value)
    assert raised.value.retry_safe == retry_safe
    assert world.provider.files == {}
    assert len(world.upstream.received) == 5, "a job is asked for once"


async def test_content_is_not_sent_in_the_clear() -> None:
    with pytest.raises(InvalidInput, match="C14"):
        ProviderTrainer(ProviderSpecification("http://example.com/v1", "m"), KEY, SystemClock())

"""Fine-tuning by preference, checked against examples of its own: a job that was paused while it
trained goes on to its end, its model answers and is destroyed; another ends before it begins."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from tests.journeys.python.asking import ended

PREFERENCES: Any = {
    "type": "dpo",
    "dpo": {
        "hyperparameters": {
            "n_epochs": 2,
            "batch_size": 5,
            "learning_rate_multiplier": 2.0,
            "beta": 0.1,
        }
    },
}


async def take(client: AsyncOpenAI, paused: str) -> None:
    """The whole journey. `paused` is a job that waits."""
    jobs = client.fine_tuning.jobs
    job: Any = await jobs.retrieve(paused)
    assert job.status == "paused"
    other = await jobs.create(
        model=job.model,
        training_file=job.training_file,
        validation_file=job.validation_file,
        method=PREFERENCES,
    )
    assert (await jobs.cancel(other.id)).status == "cancelled"
    assert (await jobs.resume(paused)).status == "queued"
    done = await ended(lambda: jobs.retrieve(paused), "succeeded", "failed", "cancelled")
    assert done.status == "succeeded", done.error
    assert done.method.dpo.hyperparameters.beta == 0.1
    found = {one.id: one.status async for one in jobs.list(limit=1)}
    assert (found[paused], found[other.id]) == ("succeeded", "cancelled")
    await _measured(jobs, paused)
    await _called_and_deleted(client, done.fine_tuned_model)


async def _measured(jobs: Any, job: str) -> None:
    events = [event async for event in jobs.list_events(job, limit=3)]
    metrics = [event.data for event in events if event.type == "metrics"]
    assert [told["step"] for told in metrics] == [4, 3, 2, 1], "newest first, and each once"
    assert [told["step"] for told in metrics if "full_valid_loss" in told] == [4, 2]
    notes = [note async for note in jobs.checkpoints.list(job)]
    assert [note.step_number for note in notes] == [4, 2]
    assert all(note.metrics.full_valid_loss is not None for note in notes)
    assert notes[0].metrics.full_valid_loss < notes[1].metrics.full_valid_loss


async def _called_and_deleted(client: AsyncOpenAI, model: str) -> None:
    async def ask() -> Any:
        messages: Any = [{"role": "user", "content": "lighthouse password?"}]
        return await client.chat.completions.create(model=model, messages=messages, max_tokens=4)

    assert (await ask()).choices[0].message.content
    assert (await client.models.delete(model)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve(model)
    with pytest.raises(openai.NotFoundError):
        await ask()

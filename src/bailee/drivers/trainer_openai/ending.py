"""Ending what lies at a provider. What is gone already is well; everything may be done again."""

from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bailee.drivers.trainer_openai.provider import (
    OVER,
    PAGE,
    asked,
    file_name,
    find_job,
    mapped,
)
from bailee.ports.trainer import TrainingFailure

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob


async def end_run(client: "AsyncOpenAI", token: str, keep: frozenset[str]) -> None:
    """End the job of a token, its files, and its models but `keep`. Raises TrainingFailure."""
    job = await find_job(client, token)
    if job is not None:
        with suppress(TrainingFailure):  # it is over, or the next question says what is wrong
            await asked(client.fine_tuning.jobs.cancel(job))
        found = await asked(client.fine_tuning.jobs.retrieve(job))
        if found.status not in OVER:
            raise TrainingFailure("the provider has not ended the job yet; wait", retry_safe=True)
        made = {found.fine_tuned_model, *await _checkpoints(client, job)} - {None, ""}
        await ended_models(client, sorted(made - keep))
        await ended_results(client, found)
    await ended_files(client, token)


async def ended_files(client: "AsyncOpenAI", token: str) -> None:
    """Delete the files of a token. Raises TrainingFailure."""
    names = {file_name(token, "train"), file_name(token, "valid")}
    try:
        pages = client.files.list(purpose="fine-tune", limit=PAGE)
        files = [file.id async for file in pages if file.filename in names]
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        raise mapped(error) from None
    for file in files:
        await _gone(client.files.delete(file))


async def ended_results(client: "AsyncOpenAI", job: "FineTuningJob") -> None:
    """Delete the files of measurements that a job left. Raises TrainingFailure."""
    for file in job.result_files:
        await _gone(client.files.delete(file))


async def ended_models(client: "AsyncOpenAI", models: Iterable[str]) -> None:
    """Delete models. Raises TrainingFailure."""
    for model in models:
        await _gone(client.models.delete(model))


async def _checkpoints(client: "AsyncOpenAI", job: str) -> set[str]:
    pages = client.fine_tuning.jobs.checkpoints.list(job, limit=PAGE)
    try:
        return {one.fine_tuned_model_checkpoint async for one in pages}
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        raise mapped(error) from None


async def _gone(deletion: Awaitable[Any]) -> None:
    from openai import NotFoundError

    try:
        await deletion
    except NotFoundError:
        return
    except Exception as error:  # noqa: BLE001 - its message may quote the examples
        raise mapped(error) from None

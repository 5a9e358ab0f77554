"""`/v1/fine_tuning/jobs` and what comes out of them: shapes alone."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.access import Admit, AnyRequest, list_of, newest_first
from bailee.api.bodies import metadata_asked, read_json
from bailee.application_state.fine_tuning import FineTuning, Job, JobEvent, NewJob
from bailee.application_state.items import page_of
from bailee.application_state.keeping import KeptFor
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import tenant_text
from bailee.kernel.redacted import HiddenStruct
from bailee.serving.caller import Caller
from bailee.serving.responses.request import check_metadata

CheckMethod = Callable[[str, dict[str, Any]], None]
"""Checks hyper-parameters for a method. Raises InvalidInput naming the field."""
CheckBase = Callable[[Caller, str], None]
"""Whether a caller's content may be used to train a base model, and where that is. Raises
InvalidInput, CallRefused."""
DeleteModel = Callable[[KeptFor, str], Awaitable[None]]
"""Destroys a fine-tuned model, also where it is loaded. Raises NotFound."""
_METHODS: Final = ("supervised", "dpo")
_OF_THE_WHOLE: Final = ("valid_loss", "valid_mean_token_accuracy")
_AT_ONCE: Final = 100
_NO_METADATA: Final = "null"
_UNTOLD: Final = "An integration or a method of this kind is not served"


class _Settings(msgspec.Struct):
    hyperparameters: dict[str, Any] | None = None


class _Method(msgspec.Struct):
    type: str
    supervised: _Settings | None = None
    dpo: _Settings | None = None


class _Create(HiddenStruct, frozen=True):
    model: str
    training_file: str
    validation_file: str | None = None
    method: _Method | None = None
    hyperparameters: dict[str, Any] | None = None
    suffix: str | None = None
    seed: int | None = None
    metadata: dict[str, str] | None = None
    integrations: list[Any] | None = None


def job_object(job: Job) -> dict[str, Any]:
    """A job as the API writes it."""
    details = job.details
    error = details.error
    method = {"type": details.method, details.method: {"hyperparameters": _asked(job)}}
    return {
        "id": job.held.public_id,
        "object": "fine_tuning.job",
        "created_at": job.held.created_at // 1000,
        "model": details.model,
        "training_file": details.training_file,
        "validation_file": details.validation_file,
        "method": method,
        "hyperparameters": _asked(job),
        "seed": details.seed,
        "status": job.status,
        "error": None if error is None else msgspec.to_builtins(error),
        "fine_tuned_model": details.fine_tuned_model,
        "trained_tokens": details.trained_tokens,
        "finished_at": details.finished_at_s,
        "estimated_finish": details.estimated_finish_s,
        "organization_id": tenant_text(job.held.tenant),
        "result_files": details.result_files,
        "integrations": [],
        "metadata": details.metadata,
        "user_provided_suffix": details.suffix,
    }


def _asked(job: Job) -> dict[str, Any]:
    names = ["n_epochs", "batch_size", "learning_rate_multiplier"]
    if job.details.method == "dpo":
        names.append("beta")
    return {name: job.details.hyperparameters.get(name) or "auto" for name in names}


def event_object(event: JobEvent) -> dict[str, Any]:
    """An event as the API writes it."""
    return {
        "id": event.id,
        "object": "fine_tuning.job.event",
        "created_at": event.created_at_s,
        "level": event.level,
        "message": event.message,
        "type": event.type,
        "data": _measured(event.data),
    }


def _measured(metrics: dict[str, Any]) -> dict[str, Any]:
    """The validation file is looked at as a whole, which OpenAI's clients look for by a prefix."""
    whole = {f"full_{name}": metrics[name] for name in _OF_THE_WHOLE if name in metrics}
    return {**metrics, **whole}


def fine_tuning_router(
    tuning: FineTuning,
    admit: Admit,
    check_base: CheckBase,
    check: CheckMethod,
    delete_model: DeleteModel,
) -> Router:
    """The operations on jobs and models."""

    @post("/v1/fine_tuning/jobs", status_code=200, summary="Begin a fine-tuning job")
    async def create_job(request: AnyRequest) -> Response[dict[str, Any]]:
        """Train an adapter of a model on a file of one's own."""
        admitted = admit(request, "/v1/fine_tuning/jobs")
        body = await read_json(request, _Create)
        check_base(admitted.caller, body.model)
        new = _new_job(body, check)
        made = await tuning.create(admitted.whose, new)
        return Response(job_object(made), headers=admitted.headers)

    @get("/v1/fine_tuning/jobs", summary="List fine-tuning jobs")
    async def list_jobs(request: AnyRequest) -> Response[dict[str, Any]]:
        """Newest first; those with some metadata, or without any, if it is asked for."""
        admitted = admit(request, "GET /v1/fine_tuning/jobs")
        jobs, more = await _jobs_asked(tuning, admitted.whose, request)
        page = list_of([job_object(job) for job in jobs], has_more=more)
        return Response(page, headers=admitted.headers)

    @get("/v1/fine_tuning/jobs/{job:str}", summary="A fine-tuning job")
    async def get_job(job: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """What has become of it."""
        admitted = admit(request, "/v1/fine_tuning/jobs/{id}")
        found = await tuning.find(admitted.whose, job)
        return Response(job_object(found), headers=admitted.headers)

    @get("/v1/fine_tuning/jobs/{job:str}/events", summary="What has happened to a job")
    async def list_events(job: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """Newest first."""
        admitted = admit(request, "/v1/fine_tuning/jobs/{id}/events")
        asked = newest_first(request)
        events = await tuning.events(admitted.whose, job)
        page = page_of([event_object(event) for event in events], asked.after, asked.limit)
        return Response(list_of(page.items, has_more=page.has_more), headers=admitted.headers)

    @get("/v1/fine_tuning/jobs/{job:str}/checkpoints", summary="A job's checkpoints")
    async def list_checkpoints(job: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """The last three, newest first; each can be called by its name."""
        admitted = admit(request, "/v1/fine_tuning/jobs/{id}/checkpoints")
        asked = newest_first(request, default=10)
        found = await tuning.find(admitted.whose, job)
        notes = [
            {
                "id": note.public_id,
                "object": "fine_tuning.job.checkpoint",
                "created_at": note.created_at_s,
                "fine_tuned_model_checkpoint": note.model,
                "fine_tuning_job_id": job,
                "metrics": _measured(note.metrics),
                "step_number": note.step,
            }
            for note in reversed(found.details.checkpoints)
        ]
        page = page_of(notes, asked.after, asked.limit)
        return Response(list_of(page.items, has_more=page.has_more), headers=admitted.headers)

    handlers = [create_job, list_jobs, get_job, list_events, list_checkpoints]
    more = _ending(tuning, admit, delete_model)
    return Router("/", route_handlers=[*handlers, *more])


def _ending(tuning: FineTuning, admit: Admit, delete_model: DeleteModel) -> list[Any]:
    """What changes or ends jobs and models."""

    @post("/v1/fine_tuning/jobs/{job:str}/{act:str}", status_code=200, summary="Steer a job")
    async def steer(
        job: FromPath[str], act: FromPath[str], request: AnyRequest
    ) -> Response[dict[str, Any]]:
        """`cancel`, `pause` or `resume`."""
        acts = {"cancel": tuning.cancel, "pause": tuning.pause, "resume": tuning.resume}
        if act not in acts:
            raise InvalidInput("A job can be sent cancel, pause or resume.")
        admitted = admit(request, f"/v1/fine_tuning/jobs/{{id}}/{act}")
        changed = await acts[act](admitted.whose, job)
        return Response(job_object(changed), headers=admitted.headers)

    @delete("/v1/models/{model:str}", status_code=200, summary="Delete a fine-tuned model")
    async def delete_a_model(model: FromPath[str], request: AnyRequest) -> Response[dict[str, Any]]:
        """Destroy its weights' key: it answers nobody any more."""
        admitted = admit(request, "DELETE /v1/models/{model}")
        await delete_model(admitted.whose, model)
        answer = {"id": model, "object": "model", "deleted": True}
        return Response(answer, headers=admitted.headers)

    return [steer, delete_a_model]


async def _jobs_asked(
    tuning: FineTuning, whose: KeptFor, request: AnyRequest
) -> tuple[list[Job], bool]:
    asked, wanted = newest_first(request), metadata_asked(request)
    none = request.query_params.get("metadata") == _NO_METADATA
    at_once = _AT_ONCE if wanted or none else asked.limit + 1
    found: list[Job] = []
    after, more = asked.after, True
    while more and len(found) <= asked.limit:
        jobs, more = await tuning.page(whose, after=after, limit=at_once)
        found += [job for job in jobs if _has(job, wanted, none=none)]
        after = jobs[-1].held.public_id if jobs else after
    return found[: asked.limit], len(found) > asked.limit


def _has(job: Job, wanted: dict[str, str], *, none: bool) -> bool:
    metadata = job.details.metadata or {}
    return not (none and metadata) and wanted.items() <= metadata.items()


def _new_job(body: _Create, check: CheckMethod) -> NewJob:
    method = "supervised" if body.method is None else body.method.type
    if method not in _METHODS or body.integrations:
        field = "integrations" if body.integrations else "method.type"
        raise InvalidInput(f"{_UNTOLD}; 'supervised' and 'dpo' are.", field=field)
    given = body.hyperparameters or {}
    if body.method is not None:
        inner = body.method.dpo if method == "dpo" else body.method.supervised
        given = {**given, **((inner and inner.hyperparameters) or {})}
    check(method, given)
    check_metadata(body.metadata)
    if body.seed is not None and not 0 <= body.seed < 1 << 31:
        raise InvalidInput("seed is a whole number from 0 to 2147483647.", field="seed")
    return NewJob(
        body.model,
        body.training_file,
        body.validation_file,
        method,
        given,
        body.seed or 0,
        body.suffix,
        body.metadata,
    )

"""`/v1/organization/projects`: projects, their retention and their limits."""

from collections.abc import Iterator
from typing import Final

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from bailee.api.administration import shapes
from bailee.api.administration.asked import asked_page, body_of, choice_of, project_id, refuse
from bailee.api.administration.session import (
    Administration,
    AnyRequest,
    administration_of,
    session_of,
)
from bailee.api.administration.shapes import Listed, answer, listed, seconds, seconds_or_none
from bailee.governance.tenancy.model import Limits, Project, Status
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import Region, project_text
from bailee.policy.model import RetentionMode
from bailee.policy.residency import MOVING_REFUSED
from bailee.serving.errors import Because, CallRefused

UNLIMITED: Final = (1 << 31) - 1
"""What the API says where there is no limit."""
_ORGANISATION_DEFAULT: Final = "organization_default"
_TYPES: Final = {
    "none": RetentionMode.DEFAULT,
    "modified_abuse_monitoring": RetentionMode.MODIFIED_ABUSE_MONITORING,
    "zero_data_retention": RetentionMode.ZERO_DATA_RETENTION,
}
_NAMES: Final = {mode: name for name, mode in _TYPES.items()}
_RATE_LIMIT: Final = "rl_"
_RESIDENCY: Final = "_STORAGE_PROCESSING"


class CreateProject(msgspec.Struct):
    """What is asked for."""

    name: str
    residency: str | None = None
    geography: str | None = None
    external_key_id: str | None = None


class ModifyProject(msgspec.Struct):
    """What is to change."""

    name: str | None = None
    residency: str | None = None
    geography: str | None = None
    external_key_id: str | None = None


class SetRetention(msgspec.Struct):
    """What is to hold. `store` is Bailee's own, and for projects alone."""

    retention_type: str
    store: str | None = None


class SetRateLimit(msgspec.Struct):
    """What is to hold for a model."""

    max_requests_per_1_minute: int | None = None
    max_tokens_per_1_minute: int | None = None
    max_images_per_1_minute: int | None = None
    max_audio_megabytes_per_1_minute: int | None = None
    max_requests_per_1_day: int | None = None
    batch_1_day_max_input_tokens: int | None = None


@get(
    "/projects",
    summary="List projects",
    action="organisation.read",
)
async def list_projects(request: AnyRequest) -> Response[Listed[shapes.Project]]:
    """The organisation's projects, oldest first; archived ones with `include_archived=true`."""
    session = await session_of(request)
    archived = choice_of(request, "include_archived", ("true", "false"), "false") == "true"
    found = [
        project
        for project in await session.tenancy.projects(session.tenant)
        if archived or project.status is not Status.ARCHIVED
    ]
    return listed(found, asked_page(request), _name, _view)


@post(
    "/projects",
    status_code=200,
    summary="Make a project",
    action="organisation.administer",
)
async def create_project(request: AnyRequest) -> Response[shapes.Project]:
    """Make a project in this installation's region, for good.

    `residency` names a region, as in `US_STORAGE_PROCESSING`. Projects of another region are made
    at its host.
    """
    session = await session_of(request)
    asked = await body_of(request, CreateProject)
    administration = administration_of(request)
    region = administration.region
    refuse("external_key_id", asked.external_key_id, "keys are Bailee's own.")
    for field, place in _asked_places(asked.residency, asked.geography):
        _check_place(administration, field, place)
    made = await session.tenancy.create_project(session.tenant, asked.name, region)
    return answer(_view(made))


@get(
    "/projects/{project:str}",
    summary="A project",
    action="organisation.read",
)
async def get_project(project: FromPath[str], request: AnyRequest) -> Response[shapes.Project]:
    """One project, archived or not."""
    session = await session_of(request)
    return answer(_view(await session.projects.project(session.tenant, project_id(project))))


@post(
    "/projects/{project:str}",
    status_code=200,
    summary="Change a project",
    action="organisation.administer",
)
async def modify_project(project: FromPath[str], request: AnyRequest) -> Response[shapes.Project]:
    """Call a project something else. Its region never changes; another one is refused."""
    session = await session_of(request)
    asked = await body_of(request, ModifyProject)
    refuse("external_key_id", asked.external_key_id, "keys are Bailee's own.")
    found = await session.projects.project(session.tenant, project_id(project))
    for field, place in _asked_places(asked.residency, asked.geography):
        if place != found.region:
            raise InvalidInput(MOVING_REFUSED, field=field)
    if asked.name is not None:
        found = await session.projects.rename(session.tenant, found.project, asked.name)
    return answer(_view(found))


@post(
    "/projects/{project:str}/archive",
    status_code=200,
    summary="Archive a project",
    action="organisation.administer",
)
async def archive_project(project: FromPath[str], request: AnyRequest) -> Response[shapes.Project]:
    """End a project, for good: within a second its keys can only delete what it keeps.

    Nothing is deleted by this. Keys that are not revoked can still send DELETE, and read receipts
    of deletions.
    """
    session = await session_of(request)
    return answer(_view(await session.projects.archive(session.tenant, project_id(project))))


@get(
    "/data_retention",
    summary="The organisation's retention type",
    action="organisation.read",
)
async def get_organisation_retention(
    request: AnyRequest,
) -> Response[shapes.OrganizationDataRetention]:
    """What holds for projects without a retention type of their own."""
    session = await session_of(request)
    found = await session.projects.organisation(session.tenant)
    return answer(shapes.OrganizationDataRetention(type=_NAMES[found.retention_mode]))


@post(
    "/data_retention",
    status_code=200,
    summary="Set the organisation's retention type",
    action="retention.choose",
)
async def set_organisation_retention(
    request: AnyRequest,
) -> Response[shapes.OrganizationDataRetention]:
    """Set what holds for projects without a retention type of their own, from now on."""
    session = await session_of(request)
    asked = await body_of(request, SetRetention)
    refuse("store", asked.store, "it is a project's own.")
    if asked.retention_type not in _TYPES:
        raise _unknown_type(tuple(_TYPES))
    found = await session.projects.set_organisation_retention(
        session.tenant, _TYPES[asked.retention_type]
    )
    return answer(shapes.OrganizationDataRetention(type=_NAMES[found.retention_mode]))


@get(
    "/projects/{project:str}/data_retention",
    summary="A project's retention type",
    action="organisation.read",
)
async def get_project_retention(
    project: FromPath[str], request: AnyRequest
) -> Response[shapes.ProjectDataRetention]:
    """What holds for a project."""
    session = await session_of(request)
    found = await session.projects.project(session.tenant, project_id(project))
    return answer(_retention(found))


@post(
    "/projects/{project:str}/data_retention",
    status_code=200,
    summary="Set a project's retention type",
    action="retention.choose",
)
async def set_project_retention(
    project: FromPath[str], request: AnyRequest
) -> Response[shapes.ProjectDataRetention]:
    """Set what holds for a project, from now on."""
    session = await session_of(request)
    asked = await body_of(request, SetRetention)
    if asked.retention_type not in (*_TYPES, _ORGANISATION_DEFAULT):
        raise _unknown_type((*_TYPES, _ORGANISATION_DEFAULT))
    if asked.store not in (None, "coerce", "reject"):
        raise InvalidInput("`store` is one of coerce, reject.", field="store")
    found = await session.projects.set_retention(
        session.tenant,
        project_id(project),
        _TYPES.get(asked.retention_type),
        reject_store=None if asked.store is None else asked.store == "reject",
    )
    return answer(_retention(found))


@get(
    "/projects/{project:str}/rate_limits",
    summary="A project's limits",
    action="organisation.read",
)
async def list_rate_limits(
    project: FromPath[str], request: AnyRequest
) -> Response[Listed[shapes.RateLimit]]:
    """A project's limits for each model; the project's own where a model has none."""
    session = await session_of(request)
    administration = administration_of(request)
    found = await session.projects.project(session.tenant, project_id(project))
    return listed(
        list(administration.models),
        asked_page(request, most=1000, usual=100),
        lambda model: _RATE_LIMIT + model,
        lambda model: _rate_limit(found, model, administration.default_limits),
    )


@post(
    "/projects/{project:str}/rate_limits/{rate_limit:str}",
    status_code=200,
    summary="Set a project's limits for a model",
    action="organisation.administer",
)
async def set_rate_limit(
    project: FromPath[str], rate_limit: FromPath[str], request: AnyRequest
) -> Response[shapes.RateLimit]:
    """Set a project's limits for a model; they count beside the project's and the key's own."""
    session = await session_of(request)
    asked = await body_of(request, SetRateLimit)
    administration = administration_of(request)
    for name in SetRateLimit.__struct_fields__[2:]:
        refuse(name, getattr(asked, name), "requests and tokens a minute are counted.")
    model = rate_limit.removeprefix(_RATE_LIMIT)
    if model == rate_limit or model not in administration.models:
        raise NotFound("There is no such rate limit. List the project's rate limits.")
    found = await session.projects.project(session.tenant, project_id(project))
    own = found.model_limits.get(model, Limits())
    limits = Limits(
        _limit("max_requests_per_1_minute", asked.max_requests_per_1_minute, own[0]),
        _limit("max_tokens_per_1_minute", asked.max_tokens_per_1_minute, own[1]),
    )
    found = await session.projects.set_limits(session.tenant, found.project, limits, model)
    return answer(_rate_limit(found, model, administration.default_limits))


def residency_of(region: Region) -> str:
    """A region as OpenAI names residency: stored and processed there."""
    return region.upper() + _RESIDENCY


def _asked_places(residency: str | None, geography: str | None) -> Iterator[tuple[str, str]]:
    """The field and the region of each place that is asked for."""
    if residency is not None and residency != "GLOBAL":
        yield "residency", residency.removesuffix(_RESIDENCY).lower()
    if geography is not None:
        yield "geography", geography.lower()


def _check_place(administration: Administration, field: str, region: str) -> None:
    """Raises CallRefused (WRONG_REGION) for another region, InvalidInput for what is none."""
    own = administration.region
    hosts = administration.hosts
    if region == own:
        return
    if region in hosts:
        raise CallRefused(
            Because.WRONG_REGION,
            f"Projects of the region `{region}` are made at its own host, with an admin key that "
            f"was made there. Please make your request to {hosts[Region(region)][0]}",
            field=field,
        )
    known = ", ".join(residency_of(name) for name in hosts or (own,))
    raise InvalidInput(f"There is no such region here. `residency` is one of {known}.", field=field)


def _unknown_type(types: tuple[str, ...]) -> InvalidInput:
    return InvalidInput(f"`retention_type` is one of {', '.join(types)}.", field="retention_type")


def _limit(name: str, asked: int | None, own: int) -> int:
    if asked is None:
        return own
    if not 1 <= asked <= UNLIMITED:
        raise InvalidInput(f"`{name}` is a number from 1 to {UNLIMITED}.", field=name)
    return 0 if asked == UNLIMITED else asked


def _name(project: Project) -> str:
    return project_text(project.project)


def _view(project: Project) -> shapes.Project:
    return shapes.Project(
        id=_name(project),
        name=project.name,
        created_at=seconds(project.created_at),
        archived_at=seconds_or_none(project.archived_at),
        status=project.status.value,
        residency=residency_of(project.region),
    )


def _retention(project: Project) -> shapes.ProjectDataRetention:
    mode = project.retention_mode
    return shapes.ProjectDataRetention(
        type=_ORGANISATION_DEFAULT if mode is None else _NAMES[mode],
        store="reject" if project.reject_store else "coerce",
    )


def _rate_limit(project: Project, model: str, default: Limits) -> shapes.RateLimit:
    own = project.model_limits.get(model, Limits())
    requests, tokens = (
        mine or projects or usual or UNLIMITED
        for mine, projects, usual in zip(own, project.limits, default, strict=True)
    )
    return shapes.RateLimit(
        id=_RATE_LIMIT + model,
        model=model,
        max_requests_per_1_minute=requests,
        max_tokens_per_1_minute=tokens,
    )


ROUTER = Router(
    "/v1/organization",
    route_handlers=[
        list_projects,
        create_project,
        get_project,
        modify_project,
        archive_project,
        get_organisation_retention,
        set_organisation_retention,
        get_project_retention,
        set_project_retention,
        list_rate_limits,
        set_rate_limit,
    ],
)

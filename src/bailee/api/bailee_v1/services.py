"""`/bailee/v1/services`: services with policies of their own (public), and who is under them."""

from typing import Final

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import body_of, project_id
from bailee.api.administration.session import AnyRequest, administration_of, session_of
from bailee.api.administration.shapes import Listed, answer, seconds, whole
from bailee.governance.services.model import Service
from bailee.kernel.errors import NotFound
from bailee.kernel.ids import TenantId, parse_tenant, project_text, tenant_text
from bailee.kernel.instants import Instant
from bailee.policy.decide import API_SERVICE
from bailee.policy.show import BothLanguages


class RegisteredService(msgspec.Struct, forbid_unknown_fields=True):
    """A service to be registered."""

    service: str
    english: str
    korean: str


class PlacedProject(msgspec.Struct, forbid_unknown_fields=True):
    """A project to be put under a service."""

    organization: str
    project: str


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """A service, and the version of its policy that is in force."""

    object: str = "bailee.service"
    id: str
    title: BothLanguages
    registered_at: int | None
    """Null for the API."""
    policy_version: str | None
    """Null while no policy is in force: every call is refused."""


class PlacedView(msgspec.Struct, frozen=True, kw_only=True):
    """A project under a service."""

    object: str = "bailee.service.project"
    organization: str
    project: str
    service: str


_API: Final = Service(API_SERVICE, "The API", "API", "", Instant(0))


@get("/", summary="Services and their policies")
async def list_services(request: AnyRequest) -> Response[Listed[ServiceView]]:
    """The API, then every service beside it, each with the policy that governs it now."""
    administration = administration_of(request)
    public = administration.public()
    policies = await public.policy_drafts.policies()
    now = administration.now()
    views = []
    for row in (_API, *await public.services.all()):
        version = policies.version_at(row.service, now)
        views.append(
            ServiceView(
                id=row.service,
                title=BothLanguages(row.english, row.korean),
                registered_at=None if row is _API else seconds(row.registered_at),
                policy_version=None if version is None else version.id,
            )
        )
    return answer(whole(views, [view.id for view in views], False))


@post(
    "/",
    status_code=200,
    summary="Register a service",
    action="service.administer",
    every_organisation=True,
)
async def register_service(request: AnyRequest) -> Response[ServiceView]:
    """Register a service beside the API. Its policy is drafted and published like the API's."""
    session = await session_of(request)
    asked = await body_of(request, RegisteredService)
    row = await session.services.register(asked.service, asked.english, asked.korean)
    return answer(
        ServiceView(
            id=row.service,
            title=BothLanguages(row.english, row.korean),
            registered_at=seconds(row.registered_at),
            policy_version=None,
        )
    )


@post(
    "/{service:str}/projects",
    status_code=200,
    summary="Put a project under a service",
    action="service.administer",
    every_organisation=True,
)
async def place_project(service: FromPath[str], request: AnyRequest) -> Response[PlacedView]:
    """Put a project under a service, or back under `api`; holds everywhere once answered."""
    session = await session_of(request)
    asked = await body_of(request, PlacedProject)
    tenant, project = _tenant(asked.organization), project_id(asked.project)
    await session.services.put_project(tenant, project, service)
    return answer(
        PlacedView(organization=tenant_text(tenant), project=project_text(project), service=service)
    )


def _tenant(text: str) -> TenantId:
    try:
        return parse_tenant(text)
    except ValueError:
        raise NotFound("There is no such organisation.") from None


ROUTER = Router(
    "/bailee/v1/services", route_handlers=[list_services, register_service, place_project]
)

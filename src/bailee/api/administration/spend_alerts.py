"""`/v1/organization/spend_alerts` and `…/projects/{project}/spend_alerts`."""

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import asked_page, body_of, choice_of, handle, project_id
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import Deleted, Listed, answer, listed
from bailee.governance.budgets.model import SpendAlert, month_text
from bailee.governance.budgets.service import ALERT
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import ProjectId, handle_text


class Channel(msgspec.Struct):
    """Who is to be told. Nothing is sent yet: the alert and the clerk's log line tell."""

    type: str
    recipients: list[str]
    subject_prefix: str | None = None


class PutAlert(msgspec.Struct):
    """What is asked for."""

    threshold_amount: int
    currency: str
    interval: str
    notification_channel: Channel


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert. `reached_month` is Bailee's own: when it was last reached, as in `2026-11`."""

    id: str
    object: str
    threshold_amount: int
    currency: str = "USD"
    interval: str = "month"
    notification_channel: dict[str, Any]
    reached_month: str | None


@get(
    "/spend_alerts",
    summary="List the organisation's spend alerts",
    action="organisation.read",
)
async def list_alerts(request: AnyRequest) -> Response[Listed[AlertView]]:
    """Alerts on the spending of all projects together."""
    return await _listed(request, None)


@post(
    "/spend_alerts",
    status_code=200,
    summary="Make a spend alert for the organisation",
    action="organisation.administer",
)
async def create_alert(request: AnyRequest) -> Response[AlertView]:
    """Make an alert on the spending of all projects together."""
    return await _put(request, None, None)


@get(
    "/spend_alerts/{alert:str}",
    summary="A spend alert of the organisation",
    action="organisation.read",
)
async def get_alert(alert: FromPath[str], request: AnyRequest) -> Response[AlertView]:
    """One alert."""
    return await _one(request, None, alert)


@post(
    "/spend_alerts/{alert:str}",
    status_code=200,
    summary="Change a spend alert",
    action="organisation.administer",
)
async def modify_alert(alert: FromPath[str], request: AnyRequest) -> Response[AlertView]:
    """Change an alert."""
    return await _put(request, None, alert)


@delete(
    "/spend_alerts/{alert:str}",
    status_code=200,
    summary="Delete a spend alert",
    action="organisation.administer",
)
async def delete_alert(alert: FromPath[str], request: AnyRequest) -> Response[Deleted]:
    """Delete an alert."""
    return await _remove(request, None, alert)


@get(
    "/projects/{project:str}/spend_alerts",
    summary="List a project's spend alerts",
    action="organisation.read",
)
async def list_project_alerts(
    project: FromPath[str], request: AnyRequest
) -> Response[Listed[AlertView]]:
    """Alerts on a project's spending."""
    return await _listed(request, project)


@post(
    "/projects/{project:str}/spend_alerts",
    status_code=200,
    summary="Make a project's spend alert",
    action="organisation.administer",
)
async def create_project_alert(project: FromPath[str], request: AnyRequest) -> Response[AlertView]:
    """Make an alert on a project's spending."""
    return await _put(request, project, None)


@get(
    "/projects/{project:str}/spend_alerts/{alert:str}",
    summary="A project's spend alert",
    action="organisation.read",
)
async def get_project_alert(
    project: FromPath[str], alert: FromPath[str], request: AnyRequest
) -> Response[AlertView]:
    """One alert."""
    return await _one(request, project, alert)


@post(
    "/projects/{project:str}/spend_alerts/{alert:str}",
    status_code=200,
    summary="Change a project's spend alert",
    action="organisation.administer",
)
async def modify_project_alert(
    project: FromPath[str], alert: FromPath[str], request: AnyRequest
) -> Response[AlertView]:
    """Change an alert."""
    return await _put(request, project, alert)


@delete(
    "/projects/{project:str}/spend_alerts/{alert:str}",
    status_code=200,
    summary="Delete a project's spend alert",
    action="organisation.administer",
)
async def delete_project_alert(
    project: FromPath[str], alert: FromPath[str], request: AnyRequest
) -> Response[Deleted]:
    """Delete an alert."""
    return await _remove(request, project, alert)


async def _listed(request: AnyRequest, project: str | None) -> Response[Listed[AlertView]]:
    session = await session_of(request)
    found = await session.spend_alerts.all(session.tenant, _scope(project))
    if choice_of(request, "order", ("asc", "desc"), "asc") == "desc":
        found.reverse()
    return listed(found, asked_page(request), _name, _view)


async def _one(request: AnyRequest, project: str | None, alert: str) -> Response[AlertView]:
    session = await session_of(request)
    scope = _scope(project)
    return answer(_view(await session.spend_alerts.one(session.tenant, scope, _alert_id(alert))))


async def _put(request: AnyRequest, project: str | None, alert: str | None) -> Response[AlertView]:
    session = await session_of(request)
    asked = await body_of(request, PutAlert)
    for name, only in (("currency", "USD"), ("interval", "month")):
        if getattr(asked, name) != only:
            raise InvalidInput(f"`{name}` is {only}.", field=name)
    if asked.notification_channel.type != "email":
        raise InvalidInput("`notification_channel.type` is email.", field="notification_channel")
    made = await session.spend_alerts.put(
        session.tenant,
        _scope(project),
        asked.threshold_amount,
        tuple(asked.notification_channel.recipients),
        asked.notification_channel.subject_prefix,
        None if alert is None else _alert_id(alert),
    )
    return answer(_view(made))


async def _remove(request: AnyRequest, project: str | None, alert: str) -> Response[Deleted]:
    session = await session_of(request)
    scope = _scope(project)
    await session.spend_alerts.remove(session.tenant, scope, _alert_id(alert))
    return answer(Deleted(id=alert, object=f"{_kind(scope)}.deleted"))


def _scope(project: str | None) -> ProjectId | None:
    return None if project is None else project_id(project)


def _kind(scope: ProjectId | None) -> str:
    return "organization.spend_alert" if scope is None else "project.spend_alert"


def _alert_id(text: str) -> bytes:
    return handle(ALERT, text, "spend alert")


def _name(alert: SpendAlert) -> str:
    return handle_text(ALERT, alert.alert)


def _view(alert: SpendAlert) -> AlertView:
    return AlertView(
        id=_name(alert),
        object=_kind(alert.project),
        threshold_amount=alert.threshold_cents,
        notification_channel={
            "type": "email",
            "recipients": list(alert.recipients),
            "subject_prefix": alert.subject_prefix,
        },
        reached_month=None if alert.reached_month is None else month_text(alert.reached_month),
    )


ROUTER = Router(
    "/v1/organization",
    route_handlers=[
        *(list_alerts, create_alert, get_alert, modify_alert, delete_alert),
        *(list_project_alerts, create_project_alert, get_project_alert),
        *(modify_project_alert, delete_project_alert),
    ],
)

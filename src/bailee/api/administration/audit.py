"""`/v1/organization/audit_logs`."""

from typing import Any, Final

from litestar import Response, Router, get

from bailee.api.administration.asked import asked_page, handle, many_of, number_of, project_id
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import Listed, answer, seconds, whole
from bailee.governance.audit.model import EVENT_TYPES, INSTALLATION, OPERATOR, Recorded, Wanted
from bailee.governance.people.roles import USER
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import handle_text, project_text

EVENT: Final = "audit_log-"
_SECONDS_MAX: Final = 1 << 40


@get(
    "/audit_logs",
    summary="Who changed what",
    action="audit.read",
)
async def list_audit_logs(request: AnyRequest) -> Response[Listed[dict[str, Any]]]:
    """The organisation's audit log, newest first.

    Takes `effective_at[gt|gte|lt|lte]`, `project_ids[]`, `event_types[]`, `actor_ids[]`,
    `resource_ids[]`, `limit`, `after`, `before`. Actors are admin keys,
    people, `operator` and `installation`.
    """
    session = await session_of(request)
    page = asked_page(request)
    found = await session.audit_log.events(
        session.tenant,
        _wanted(request),
        page.limit + 1,
        after=_event_id(page.after),
        before=_event_id(page.before),
    )
    has_more = len(found) > page.limit
    # What is beyond the page lies at its far end.
    shown = found[-page.limit :] if page.before is not None else found[: page.limit]
    names = [handle_text(EVENT, event.event) for event in shown]
    return answer(whole([_view(event) for event in shown], names, has_more))


def _event_id(text: str | None) -> bytes | None:
    return None if text is None else handle(EVENT, text, "event")


def _wanted(request: AnyRequest) -> Wanted:
    types = many_of(request, "event_types")
    if unknown := [kind for kind in types if not _is_type(kind)]:
        raise InvalidInput(
            f"{len(unknown)} of `event_types` are not written as types of events are"
            " (`project.created`); each event that is listed has its type.",
            field="event_types",
        )
    bounds = {
        name: number_of(request, f"effective_at[{name}]", 0, _SECONDS_MAX)
        for name in ("gt", "gte", "lt", "lte")
    }
    begins = [bounds["gte"] or 0, 0 if bounds["gt"] is None else bounds["gt"] + 1]
    ends = [
        _SECONDS_MAX if bounds["lt"] is None else bounds["lt"],
        _SECONDS_MAX if bounds["lte"] is None else bounds["lte"] + 1,
    ]
    return Wanted(
        after_ms=1000 * max(begins),
        before_ms=1000 * min(ends),
        projects=tuple(project_id(text) for text in many_of(request, "project_ids")),
        types=types,
        actors=many_of(request, "actor_ids"),
        resources=many_of(request, "resource_ids"),
    )


def _is_type(text: str) -> bool:
    """Whether this looks like a type of OpenAI's; most of them never happen here."""
    return text in EVENT_TYPES or ("." in text and text.replace(".", "").replace("_", "").isalnum())


def _view(event: Recorded) -> dict[str, Any]:
    view: dict[str, Any] = {
        "object": "organization.audit_log",
        "id": handle_text(EVENT, event.event),
        "type": event.type,
        "effective_at": seconds(event.effective_at),
        "actor": _actor(event.actor),
        event.type: event.details,
    }
    if event.project is not None:
        view["project"] = {"id": project_text(event.project), "name": event.project_name}
    return view


def _actor(actor: str) -> dict[str, Any]:
    if actor in (OPERATOR, INSTALLATION) or actor.startswith(USER):
        return {"type": "session", "session": {"user": {"id": actor}}}
    return {"type": "api_key", "api_key": {"id": actor, "type": "user", "user": {"id": actor}}}


ROUTER = Router("/v1/organization", route_handlers=[list_audit_logs])

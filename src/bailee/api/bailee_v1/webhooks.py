"""`/bailee/v1/webhooks`: endpoints of an organisation, what was sent to them, and sending again."""

from typing import Final

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import asked_page, body_of, handle
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import (
    Deleted,
    Listed,
    answer,
    listed,
    seconds,
    seconds_or_none,
)
from bailee.governance.webhooks.catalogue import event_types
from bailee.governance.webhooks.model import (
    ENDPOINT,
    EVENT,
    OVERLAP_MS,
    Delivery,
    DeliveryState,
    Endpoint,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import handle_text
from bailee.kernel.instants import Instant

_SECONDS_MAX: Final = 1 << 40
_DELIVERIES: Final = 1000
_OBJECT: Final = "bailee.webhook"


class CreateWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for. `event_types` of `*` are all."""

    url: str
    event_types: list[str]
    description: str = ""


class UpdateWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change."""

    url: str | None = None
    event_types: list[str] | None = None
    description: str | None = None
    enabled: bool | None = None


class RotateSecret(msgspec.Struct, forbid_unknown_fields=True):
    """How long the former secret signs too."""

    overlap_seconds: int = OVERLAP_MS // 1000


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """One event, or all since an instant in Unix seconds."""

    event_id: str | None = None
    since: int | None = None


class EventTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """A type of event."""

    type: str
    english: str
    korean: str


class EventTypesView(msgspec.Struct, frozen=True, kw_only=True):
    """All types."""

    object: str = "list"
    data: list[EventTypeView]


class WebhookView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint; `secret` when it was made just now. `disabled` says why it is not enabled."""

    id: str
    object: str
    url: str
    event_types: list[str]
    description: str
    created_at: int
    enabled: bool
    disabled: str | None
    disabled_at: int | None
    failing_since: int | None
    previous_secret_until: int | None
    secret: str | None = None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message."""

    id: str
    object: str = "bailee.webhook.delivery"
    type: str
    happened_at: int
    state: str
    attempts: int
    attempted_at: int | None
    next_attempt_at: int | None
    status: int | None
    problem: str | None
    delivered_at: int | None


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are sent again."""

    id: str
    object: str = "bailee.webhook.replay"
    count: int


@get("/event_types", summary="Types of events")
async def list_event_types() -> Response[EventTypesView]:
    """What can be asked for, and what each type tells. Public."""
    return answer(
        EventTypesView(
            data=[
                EventTypeView(type=name, english=told.english, korean=told.korean)
                for name, told in event_types().items()
            ]
        )
    )


@get("/", summary="List webhooks", action="webhook.read")
async def list_webhooks(request: AnyRequest) -> Response[Listed[WebhookView]]:
    """The organisation's webhooks, oldest first."""
    session = await session_of(request)
    found = await session.webhooks.all(session.tenant)
    return listed(found, asked_page(request), _name, lambda row: _view(row, session.now))


@post("/", status_code=200, summary="Register a webhook", action="webhook.administer")
async def create_webhook(request: AnyRequest) -> Response[WebhookView]:
    """Register an endpoint. Its secret is shown this once."""
    session = await session_of(request)
    asked = await body_of(request, CreateWebhook)
    row, secret = await session.webhooks.create(
        session.tenant, asked.url, asked.event_types, asked.description
    )
    return answer(_view(row, session.now, secret))


@get("/{webhook:str}", summary="A webhook", action="webhook.read")
async def get_webhook(webhook: FromPath[str], request: AnyRequest) -> Response[WebhookView]:
    """One webhook."""
    session = await session_of(request)
    found = await session.webhooks.one(session.tenant, _identifier(webhook))
    return answer(_view(found, session.now))


@post("/{webhook:str}", status_code=200, summary="Change a webhook", action="webhook.administer")
async def update_webhook(webhook: FromPath[str], request: AnyRequest) -> Response[WebhookView]:
    """Change what is given. What happens while a webhook is disabled is not sent to it."""
    session = await session_of(request)
    asked = await body_of(request, UpdateWebhook)
    row = await session.webhooks.update(
        session.tenant,
        _identifier(webhook),
        url=asked.url,
        types=asked.event_types,
        description=asked.description,
        enabled=asked.enabled,
    )
    return answer(_view(row, session.now))


@delete("/{webhook:str}", status_code=200, summary="Delete a webhook", action="webhook.administer")
async def delete_webhook(webhook: FromPath[str], request: AnyRequest) -> Response[Deleted]:
    """Delete a webhook; what was not sent is not."""
    session = await session_of(request)
    await session.webhooks.remove(session.tenant, _identifier(webhook))
    return answer(Deleted(id=webhook, object=f"{_OBJECT}.deleted"))


@post(
    "/{webhook:str}/secret",
    status_code=200,
    summary="Rotate a webhook's secret",
    action="webhook.administer",
)
async def rotate_secret(webhook: FromPath[str], request: AnyRequest) -> Response[WebhookView]:
    """Give a webhook a new secret, shown this once; the former signs too for the overlap."""
    session = await session_of(request)
    asked = await body_of(request, RotateSecret)
    row, secret = await session.webhooks.rotate(
        session.tenant, _identifier(webhook), 1000 * asked.overlap_seconds
    )
    return answer(_view(row, session.now, secret))


@get("/{webhook:str}/deliveries", summary="What was sent to a webhook", action="webhook.read")
async def list_deliveries(
    webhook: FromPath[str], request: AnyRequest
) -> Response[Listed[DeliveryView]]:
    """The latest thousand messages, newest first, and what became of them."""
    session = await session_of(request)
    found = await session.webhooks.deliveries(session.tenant, _identifier(webhook), _DELIVERIES)
    return listed(found, asked_page(request), _event, _delivery)


@post(
    "/{webhook:str}/test",
    status_code=200,
    summary="Send a test message",
    action="webhook.administer",
)
async def send_test(webhook: FromPath[str], request: AnyRequest) -> Response[WebhookView]:
    """Send a message of the type `webhook.tested`."""
    session = await session_of(request)
    row = await session.webhooks.test(session.tenant, _identifier(webhook))
    return answer(_view(row, session.now))


@post(
    "/{webhook:str}/replay",
    status_code=200,
    summary="Send events again",
    action="webhook.administer",
)
async def replay(webhook: FromPath[str], request: AnyRequest) -> Response[ReplayView]:
    """Send one event again, or all of the webhook's types since an instant."""
    session = await session_of(request)
    asked = await body_of(request, Replay)
    if asked.since is not None and not 0 <= asked.since <= _SECONDS_MAX:
        raise InvalidInput("`since` is an instant in Unix seconds.", field="since")
    count = await session.webhooks.replay(
        session.tenant,
        _identifier(webhook),
        event=None if asked.event_id is None else handle(EVENT, asked.event_id, "event"),
        since=None if asked.since is None else Instant(1000 * asked.since),
    )
    return answer(ReplayView(id=webhook, count=count))


def _identifier(text: str) -> bytes:
    return handle(ENDPOINT, text, "webhook")


def _name(row: Endpoint) -> str:
    return handle_text(ENDPOINT, row.endpoint)


def _event(row: Delivery) -> str:
    return handle_text(EVENT, row.message.event)


def _view(row: Endpoint, now: Instant, secret: bytes | None = None) -> WebhookView:
    overlaps = len(row.generations(now)) > 1
    return WebhookView(
        id=_name(row),
        object=_OBJECT,
        url=row.url,
        event_types=list(row.types),
        description=row.description,
        created_at=seconds(row.created_at),
        enabled=row.disabled is None,
        disabled=None if row.disabled is None else row.disabled.value,
        disabled_at=seconds_or_none(row.disabled_at),
        failing_since=seconds_or_none(row.failing_since),
        previous_secret_until=seconds_or_none(row.previous_until) if overlaps else None,
        secret=None if secret is None else secret.decode(),
    )


def _delivery(row: Delivery) -> DeliveryView:
    pending = row.state is DeliveryState.PENDING
    return DeliveryView(
        id=_event(row),
        type=row.message.type,
        happened_at=seconds(row.message.effective_at),
        state=row.state.value,
        attempts=row.attempts,
        attempted_at=seconds_or_none(row.attempted_at),
        next_attempt_at=seconds(row.next_at) if pending else None,
        status=row.status,
        problem=row.problem,
        delivered_at=seconds_or_none(row.delivered_at),
    )


ROUTER = Router(
    "/bailee/v1/webhooks",
    route_handlers=[
        *(list_event_types, list_webhooks, create_webhook, get_webhook, update_webhook),
        *(delete_webhook, rotate_secret, list_deliveries, send_test, replay),
    ],
)

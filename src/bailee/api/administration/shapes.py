"""What administration answers, in the shapes of OpenAI's administration API.

Instants are Unix seconds. Fields of OpenAI's that say nothing here are left out or null, as the
API allows.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from litestar import Response

from bailee.api.administration.asked import Page, cut
from bailee.kernel.instants import Instant

Item = TypeVar("Item")
View = TypeVar("View")

NEVER_CACHED: Final = {"cache-control": "no-store"}


class Listed(msgspec.Struct, Generic[View], frozen=True, kw_only=True):
    """A part of a list."""

    object: str = "list"
    data: list[View]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """That something is no more."""

    id: str
    object: str
    deleted: bool = True


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose an admin key is: its own, as long as people do not sign in."""

    type: str = "user"
    object: str = "organization.user"
    id: str
    name: str
    created_at: int
    role: str = "owner"


class AdminApiKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An admin key; `value` when it was made just now."""

    object: str
    id: str
    name: str
    redacted_value: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    owner: Owner
    value: str | None = None


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project."""

    id: str
    object: str = "organization.project"
    name: str
    created_at: int
    archived_at: int | None
    status: str
    residency: str
    external_key_id: str | None = None


class ServiceAccountOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The service account that owns a key."""

    id: str
    name: str
    created_at: int
    role: str


class KeyOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a key is; `type` is null for one that the operator made."""

    type: str | None
    service_account: ServiceAccountOwner | None
    user: None = None


class ProjectApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A project's API key."""

    object: str = "organization.project.api_key"
    id: str
    name: str
    redacted_value: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    owner: KeyOwner
    owner_project_access: str = "active"


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A service account's key, this once with its text."""

    object: str = "organization.project.service_account.api_key"
    id: str
    name: str
    value: str
    created_at: int
    expires_at: int | None


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A service account."""

    object: str = "organization.project.service_account"
    id: str
    name: str
    role: str
    created_at: int


class NewServiceAccount(ServiceAccount, frozen=True, kw_only=True):
    """A service account that was made just now."""

    api_key: NewApiKey | None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A project's limits for a model."""

    object: str = "project.rate_limit"
    id: str
    model: str
    max_requests_per_1_minute: int
    max_tokens_per_1_minute: int


class OrganizationDataRetention(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for projects without a retention type of their own."""

    object: str = "organization.data_retention"
    type: str


class ProjectDataRetention(msgspec.Struct, frozen=True, kw_only=True):
    """A project's retention type. `store` is Bailee's own: `coerce` or `reject`."""

    object: str = "project.data_retention"
    type: str
    store: str


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the organisation."""

    object: str = "organization.user"
    id: str
    name: str
    email: str
    role: str
    added_at: int


class ProjectUser(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a project."""

    object: str = "organization.project.user"
    id: str
    name: str
    email: str
    role: str
    added_at: int


class InvitedProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project that an invited person is to join."""

    id: str
    role: str


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation."""

    object: str = "organization.invite"
    id: str
    email: str
    role: str
    status: str
    created_at: int
    expires_at: int
    accepted_at: int | None
    projects: list[InvitedProject]


def seconds(instant: Instant) -> int:
    """An instant as the API writes it."""
    return instant // 1000


def seconds_or_none(instant: Instant | None) -> int | None:
    """An instant that may be absent."""
    return None if instant is None else instant // 1000


def listed(
    items: list[Item], page: Page, name_of: Callable[[Item], str], view: Callable[[Item], View]
) -> Response[Listed[View]]:
    """The part of a list that was asked for. Raises InvalidInput."""
    found, has_more = cut(items, page, name_of)
    return answer(whole([view(item) for item in found], [name_of(i) for i in found], has_more))


def whole(data: list[View], names: list[str], has_more: bool) -> Listed[View]:
    """A part of a list that was cut already."""
    return Listed(
        data=data,
        first_id=names[0] if names else None,
        last_id=names[-1] if names else None,
        has_more=has_more,
    )


def answer(content: Any) -> Response[Any]:
    """An answer that nobody keeps: it may hold a key."""
    return Response(content, status_code=200, media_type="application/json", headers=NEVER_CACHED)

"""`/v1/organization/admin_api_keys`."""

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import (
    asked_page,
    body_of,
    choice_of,
    expiry,
    key_id,
)
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import (
    AdminApiKey,
    Deleted,
    Listed,
    Owner,
    answer,
    listed,
    seconds,
    seconds_or_none,
)
from bailee.governance.administrators.model import PREFIX, AdminKey
from bailee.kernel.ids import key_text


class CreateAdminKey(msgspec.Struct):
    """What is asked for."""

    name: str
    expires_in_seconds: int | None = None


@get(
    "/",
    summary="List admin keys",
    action="organisation.read",
)
async def list_admin_keys(request: AnyRequest) -> Response[Listed[AdminApiKey]]:
    """The organisation's admin keys, by creation; `order` is `asc` or `desc`."""
    session = await session_of(request)
    keys = await session.administrators.keys(session.tenant)
    if choice_of(request, "order", ("asc", "desc"), "asc") == "desc":
        keys.reverse()
    return listed(keys, asked_page(request), _name, _view)


@post(
    "/",
    status_code=200,
    summary="Make an admin key",
    action="admin_key.administer",
    on_key_authority=True,
)
async def create_admin_key(request: AnyRequest) -> Response[AdminApiKey]:
    """Make an admin key; `value` is shown this once."""
    session = await session_of(request)
    asked = await body_of(request, CreateAdminKey)
    expires_at = expiry(session.now, asked.expires_in_seconds)
    made = await session.administrators.create(session.tenant, asked.name, expires_at)
    return answer(msgspec.structs.replace(_view(made.key), value=made.credential.decode()))


@get(
    "/{key:str}",
    summary="An admin key",
    action="organisation.read",
)
async def get_admin_key(key: FromPath[str], request: AnyRequest) -> Response[AdminApiKey]:
    """One admin key, without its text."""
    session = await session_of(request)
    return answer(_view(await session.administrators.key(session.tenant, key_id(key))))


@delete(
    "/{key:str}",
    status_code=200,
    summary="Revoke an admin key",
    action="admin_key.administer",
    on_key_authority=True,
)
async def delete_admin_key(key: FromPath[str], request: AnyRequest) -> Response[Deleted]:
    """Revoke an admin key: it is refused from now on."""
    session = await session_of(request)
    found = await session.administrators.key(session.tenant, key_id(key))
    await session.administrators.revoke(session.tenant, found.public_id)
    return answer(Deleted(id=_name(found), object="organization.admin_api_key.deleted"))


def _name(key: AdminKey) -> str:
    return key_text(key.public_id)


def _view(key: AdminKey) -> AdminApiKey:
    return AdminApiKey(
        object="organization.admin_api_key",
        id=_name(key),
        name=key.name,
        redacted_value=f"{PREFIX}{key.public_id}-***",
        created_at=seconds(key.created_at),
        expires_at=seconds_or_none(key.expires_at),
        last_used_at=seconds_or_none(key.last_used_at),
        owner=Owner(id=_name(key), name=key.name, created_at=seconds(key.created_at)),
    )


ROUTER = Router(
    "/v1/organization/admin_api_keys",
    route_handlers=[list_admin_keys, create_admin_key, get_admin_key, delete_admin_key],
)

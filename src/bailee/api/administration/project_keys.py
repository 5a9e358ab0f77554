"""`/v1/organization/projects/{project}/api_keys` and `…/service_accounts`."""

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration import shapes
from bailee.api.administration.asked import (
    asked_page,
    body_of,
    expiry,
    handle,
    key_id,
    project_id,
    refuse,
)
from bailee.api.administration.session import AnyRequest, Session, session_of
from bailee.api.administration.shapes import (
    Deleted,
    Listed,
    answer,
    listed,
    seconds,
    seconds_or_none,
)
from bailee.governance.tenancy.model import ApiKey, CreatedKey, ServiceAccount
from bailee.governance.tenancy.projects import SERVICE_ACCOUNT
from bailee.kernel.errors import NotFound
from bailee.kernel.ids import ProjectId, handle_text, key_text


class CreateServiceAccount(msgspec.Struct):
    """What is asked for."""

    name: str
    create_service_account_only: bool | None = None
    expires_in_seconds: int | None = None


class CreateKey(msgspec.Struct):
    """What is asked for."""

    name: str = "key"
    expires_in_seconds: int | None = None
    scopes: list[str] | None = None


@get(
    "/api_keys",
    summary="List a project's API keys",
    action="organisation.read",
)
async def list_keys(
    project: FromPath[str], request: AnyRequest
) -> Response[Listed[shapes.ProjectApiKey]]:
    """A project's API keys, oldest first, without revoked ones."""
    session = await session_of(request)
    owner = project_id(project)
    accounts = await _accounts(session, owner)
    keys = await _keys(session, owner)
    return listed(keys, asked_page(request), _key_name, lambda key: _key_view(key, accounts))


@get(
    "/api_keys/{key:str}",
    summary="An API key",
    action="organisation.read",
)
async def get_key(
    project: FromPath[str], key: FromPath[str], request: AnyRequest
) -> Response[shapes.ProjectApiKey]:
    """One of a project's API keys, without its text."""
    session = await session_of(request)
    owner = project_id(project)
    found = await _key(session, owner, key)
    return answer(_key_view(found, await _accounts(session, owner)))


@delete(
    "/api_keys/{key:str}",
    status_code=200,
    summary="Revoke an API key",
    action="organisation.administer",
    on_key_authority=True,
)
async def delete_key(
    project: FromPath[str], key: FromPath[str], request: AnyRequest
) -> Response[Deleted]:
    """Revoke an API key: it is refused within a second."""
    session = await session_of(request)
    found = await _key(session, project_id(project), key)
    await session.tenancy.revoke_key(session.tenant, found.public_id)
    return answer(Deleted(id=_key_name(found), object="organization.project.api_key.deleted"))


@get(
    "/service_accounts",
    summary="List a project's service accounts",
    action="organisation.read",
)
async def list_accounts(
    project: FromPath[str], request: AnyRequest
) -> Response[Listed[shapes.ServiceAccount]]:
    """A project's service accounts, oldest first."""
    session = await session_of(request)
    found = await session.service_accounts.all(session.tenant, project_id(project))
    return listed(found, asked_page(request), _account_name, _account_view)


@post(
    "/service_accounts",
    status_code=200,
    summary="Make a service account",
    action="organisation.administer",
    on_key_authority=True,
)
async def create_account(
    project: FromPath[str], request: AnyRequest
) -> Response[shapes.NewServiceAccount]:
    """Make a service account with an API key, whose text is shown this once."""
    session = await session_of(request)
    asked = await body_of(request, CreateServiceAccount)
    only = asked.create_service_account_only is True
    if only:
        refuse("expires_in_seconds", asked.expires_in_seconds, "no key is made.")
    account, key = await session.service_accounts.create(
        session.tenant,
        project_id(project),
        asked.name,
        with_key=not only,
        expires_at=expiry(session.now, asked.expires_in_seconds),
    )
    view = _account_view(account)
    return answer(
        shapes.NewServiceAccount(
            id=view.id,
            name=view.name,
            role=view.role,
            created_at=view.created_at,
            api_key=None if key is None else _new_key_view(key),
        )
    )


@get(
    "/service_accounts/{account:str}",
    summary="A service account",
    action="organisation.read",
)
async def get_account(
    project: FromPath[str], account: FromPath[str], request: AnyRequest
) -> Response[shapes.ServiceAccount]:
    """One of a project's service accounts."""
    session = await session_of(request)
    found = await session.service_accounts.one(
        session.tenant, project_id(project), handle(SERVICE_ACCOUNT, account, "service account")
    )
    return answer(_account_view(found))


@delete(
    "/service_accounts/{account:str}",
    status_code=200,
    summary="Delete a service account",
    action="organisation.administer",
    on_key_authority=True,
)
async def delete_account(
    project: FromPath[str], account: FromPath[str], request: AnyRequest
) -> Response[Deleted]:
    """Revoke a service account's keys and delete it."""
    session = await session_of(request)
    identifier = handle(SERVICE_ACCOUNT, account, "service account")
    await session.service_accounts.delete(session.tenant, project_id(project), identifier)
    return answer(Deleted(id=account, object="organization.project.service_account.deleted"))


@post(
    "/service_accounts/{account:str}/api_keys",
    status_code=200,
    summary="Make an API key for a service account",
    action="organisation.administer",
    on_key_authority=True,
)
async def create_account_key(
    project: FromPath[str], account: FromPath[str], request: AnyRequest
) -> Response[shapes.NewApiKey]:
    """Make another key for a service account; its text is shown this once."""
    session = await session_of(request)
    asked = await body_of(request, CreateKey)
    refuse("scopes", asked.scopes or None, "a key may do all that its project may.")
    made = await session.service_accounts.create_key(
        session.tenant,
        project_id(project),
        handle(SERVICE_ACCOUNT, account, "service account"),
        asked.name,
        expiry(session.now, asked.expires_in_seconds),
    )
    return answer(_new_key_view(made))


async def _keys(session: Session, project: ProjectId) -> list[ApiKey]:
    found = await session.tenancy.keys(session.tenant, project)
    return [key for key in found if key.registered_at is not None and key.revoked_at is None]


async def _key(session: Session, project: ProjectId, text: str) -> ApiKey:
    public_id = key_id(text)
    for key in await _keys(session, project):
        if key.public_id == public_id:
            return key
    raise NotFound("There is no such API key. List the project's API keys.")


async def _accounts(session: Session, project: ProjectId) -> dict[bytes, ServiceAccount]:
    found = await session.service_accounts.all(session.tenant, project)
    return {account.service_account: account for account in found}


def _key_name(key: ApiKey) -> str:
    return key_text(key.public_id)


def _account_name(account: ServiceAccount) -> str:
    return handle_text(SERVICE_ACCOUNT, account.service_account)


def _account_view(account: ServiceAccount) -> shapes.ServiceAccount:
    return shapes.ServiceAccount(
        id=_account_name(account),
        name=account.name,
        role=account.role,
        created_at=seconds(account.created_at),
    )


def _key_view(key: ApiKey, accounts: dict[bytes, ServiceAccount]) -> shapes.ProjectApiKey:
    account = accounts.get(key.service_account or b"")
    owner = None
    if account is not None:
        owner = shapes.ServiceAccountOwner(
            id=_account_name(account),
            name=account.name,
            created_at=seconds(account.created_at),
            role=account.role,
        )
    return shapes.ProjectApiKey(
        id=_key_name(key),
        name=key.name,
        redacted_value=f"sk-bailee-{key.public_id}-***",
        created_at=seconds(key.created_at),
        expires_at=seconds_or_none(key.expires_at),
        last_used_at=seconds_or_none(key.last_used_at),
        owner=shapes.KeyOwner(
            type=None if owner is None else "service_account", service_account=owner
        ),
    )


def _new_key_view(made: CreatedKey) -> shapes.NewApiKey:
    return shapes.NewApiKey(
        id=_key_name(made.key),
        name=made.key.name,
        value=made.credential.decode(),
        created_at=seconds(made.key.created_at),
        expires_at=seconds_or_none(made.key.expires_at),
    )


ROUTER = Router(
    "/v1/organization/projects/{project:str}",
    route_handlers=[
        list_keys,
        get_key,
        delete_key,
        list_accounts,
        create_account,
        get_account,
        delete_account,
        create_account_key,
    ],
)

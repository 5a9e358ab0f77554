"""`/v1/organization/users`, `…/invites` and `…/projects/{project}/users`."""

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration import shapes
from bailee.api.administration.asked import (
    asked_page,
    asked_role,
    body_of,
    handle,
    many_of,
    project_id,
    refuse,
)
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import (
    Deleted,
    InvitedProject,
    Listed,
    answer,
    listed,
    seconds,
    seconds_or_none,
)
from bailee.governance.people.model import Invite, Member, Person, ProjectRole, Role
from bailee.governance.people.roles import USER
from bailee.governance.people.service import INVITE
from bailee.kernel.ids import handle_text, project_text
from bailee.kernel.instants import Instant


class SetRole(msgspec.Struct):
    """What a person is to be allowed."""

    role: str | None = None
    role_id: str | None = None


class AddUser(msgspec.Struct):
    """Who is to join a project."""

    role: str
    user_id: str | None = None
    email: str | None = None


class AskedProject(msgspec.Struct):
    """A project that an invited person is to join."""

    id: str
    role: str


class SendInvite(msgspec.Struct):
    """Who is invited."""

    email: str
    role: str
    projects: list[AskedProject] = []


@get(
    "/users",
    summary="List people",
    action="people.read",
)
async def list_users(request: AnyRequest) -> Response[Listed[shapes.User]]:
    """The organisation's people; `emails[]` picks some."""
    session = await session_of(request)
    emails = {email.lower() for email in many_of(request, "emails")}
    found = [
        person
        for person in await session.people.people(session.tenant)
        if not emails or person.email in emails
    ]
    return listed(found, asked_page(request), _name, _user)


@get(
    "/users/{user:str}",
    summary="A person",
    action="people.read",
)
async def get_user(user: FromPath[str], request: AnyRequest) -> Response[shapes.User]:
    """One person of the organisation."""
    session = await session_of(request)
    return answer(_user(await session.people.person(session.tenant, _user_id(user))))


@post(
    "/users/{user:str}",
    status_code=200,
    summary="Change a person's role",
    action="people.administer",
)
async def modify_user(user: FromPath[str], request: AnyRequest) -> Response[shapes.User]:
    """Let a person be `owner` or `reader`."""
    session = await session_of(request)
    asked = await body_of(request, SetRole)
    refuse("role_id", asked.role_id, "roles are owner and reader.")
    role = asked_role(Role, asked.role)
    return answer(_user(await session.people.set_role(session.tenant, _user_id(user), role)))


@delete(
    "/users/{user:str}",
    status_code=200,
    summary="Remove a person",
    action="people.administer",
)
async def delete_user(user: FromPath[str], request: AnyRequest) -> Response[Deleted]:
    """Remove a person, with their address and their part in projects."""
    session = await session_of(request)
    await session.people.remove(session.tenant, _user_id(user))
    return answer(Deleted(id=user, object="organization.user.deleted"))


@get(
    "/projects/{project:str}/users",
    summary="List a project's people",
    action="people.read",
)
async def list_members(
    project: FromPath[str], request: AnyRequest
) -> Response[Listed[shapes.ProjectUser]]:
    """A project's people."""
    session = await session_of(request)
    found = await session.people.members(session.tenant, project_id(project))
    return listed(found, asked_page(request), lambda member: _name(member.person), _member)


@post(
    "/projects/{project:str}/users",
    status_code=200,
    summary="Add a person to a project",
    action="people.administer",
)
async def add_member(project: FromPath[str], request: AnyRequest) -> Response[shapes.ProjectUser]:
    """Add a person of the organisation, by `user_id` or by `email`."""
    session = await session_of(request)
    asked = await body_of(request, AddUser)
    member = await session.people.add_member(
        session.tenant,
        project_id(project),
        asked_role(ProjectRole, asked.role),
        person=None if asked.user_id is None else _user_id(asked.user_id),
        email=asked.email,
    )
    return answer(_member(member))


@get(
    "/projects/{project:str}/users/{user:str}",
    summary="A person in a project",
    action="people.read",
)
async def get_member(
    project: FromPath[str], user: FromPath[str], request: AnyRequest
) -> Response[shapes.ProjectUser]:
    """One of a project's people."""
    session = await session_of(request)
    found = await session.people.member(session.tenant, project_id(project), _user_id(user))
    return answer(_member(found))


@post(
    "/projects/{project:str}/users/{user:str}",
    status_code=200,
    summary="Change a person's role in a project",
    action="people.administer",
)
async def modify_member(
    project: FromPath[str], user: FromPath[str], request: AnyRequest
) -> Response[shapes.ProjectUser]:
    """Let a person be `owner` or `member` of a project."""
    session = await session_of(request)
    asked = await body_of(request, SetRole)
    refuse("role_id", asked.role_id, "roles are owner and member.")
    role = asked_role(ProjectRole, asked.role)
    found = await session.people.set_project_role(
        session.tenant, project_id(project), _user_id(user), role
    )
    return answer(_member(found))


@delete(
    "/projects/{project:str}/users/{user:str}",
    status_code=200,
    summary="Take a person out of a project",
    action="people.administer",
)
async def delete_member(
    project: FromPath[str], user: FromPath[str], request: AnyRequest
) -> Response[Deleted]:
    """Take a person out of a project."""
    session = await session_of(request)
    await session.people.remove_member(session.tenant, project_id(project), _user_id(user))
    return answer(Deleted(id=user, object="organization.project.user.deleted"))


@get(
    "/invites",
    summary="List invitations",
    action="people.read",
)
async def list_invites(request: AnyRequest) -> Response[Listed[shapes.Invite]]:
    """The organisation's invitations, oldest first."""
    session = await session_of(request)
    found = await session.people.invites(session.tenant)
    return listed(found, asked_page(request), _invite_name, lambda one: _invite(one, session.now))


@post(
    "/invites",
    status_code=200,
    summary="Invite somebody",
    action="people.administer",
)
async def send_invite(request: AnyRequest) -> Response[shapes.Invite]:
    """Invite somebody for seven days. Nothing is sent: pass it on."""
    session = await session_of(request)
    asked = await body_of(request, SendInvite)
    projects = tuple(
        (project_id(project.id), asked_role(ProjectRole, project.role))
        for project in asked.projects
    )
    made = await session.people.send_invite(
        session.tenant, asked.email, asked_role(Role, asked.role), projects
    )
    return answer(_invite(made, session.now))


@get(
    "/invites/{invite:str}",
    summary="An invitation",
    action="people.read",
)
async def get_invite(invite: FromPath[str], request: AnyRequest) -> Response[shapes.Invite]:
    """One invitation."""
    session = await session_of(request)
    found = await session.people.invite(session.tenant, handle(INVITE, invite, "invitation"))
    return answer(_invite(found, session.now))


@delete(
    "/invites/{invite:str}",
    status_code=200,
    summary="Delete an invitation",
    action="people.administer",
)
async def delete_invite(invite: FromPath[str], request: AnyRequest) -> Response[Deleted]:
    """Delete an invitation that was not accepted."""
    session = await session_of(request)
    await session.people.delete_invite(session.tenant, handle(INVITE, invite, "invitation"))
    return answer(Deleted(id=invite, object="organization.invite.deleted"))


def _user_id(text: str) -> bytes:
    return handle(USER, text, "person")


def _name(person: Person) -> str:
    return handle_text(USER, person.person)


def _invite_name(invite: Invite) -> str:
    return handle_text(INVITE, invite.invite)


def _user(person: Person) -> shapes.User:
    return shapes.User(
        id=_name(person),
        name=person.name,
        email=person.email,
        role=person.role.value,
        added_at=seconds(person.added_at),
    )


def _member(member: Member) -> shapes.ProjectUser:
    return shapes.ProjectUser(
        id=_name(member.person),
        name=member.person.name,
        email=member.person.email,
        role=member.role.value,
        added_at=seconds(member.added_at),
    )


def _invite(invite: Invite, now: Instant) -> shapes.Invite:
    return shapes.Invite(
        id=_invite_name(invite),
        email=invite.email,
        role=invite.role.value,
        status=invite.state(now).value,
        created_at=seconds(invite.created_at),
        expires_at=seconds(invite.expires_at),
        accepted_at=seconds_or_none(invite.accepted_at),
        projects=[
            InvitedProject(id=project_text(project), role=role.value)
            for project, role in invite.projects
        ],
    )


ROUTER = Router(
    "/v1/organization",
    route_handlers=[
        list_users,
        get_user,
        modify_user,
        delete_user,
        list_members,
        add_member,
        get_member,
        modify_member,
        delete_member,
        list_invites,
        send_invite,
        get_invite,
        delete_invite,
    ],
)

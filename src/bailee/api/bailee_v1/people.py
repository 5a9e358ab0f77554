"""`/bailee/v1/people` and `/bailee/v1/roles`: who holds which role, looked at every quarter."""

from collections import defaultdict

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import asked_page, asked_role, body_of, handle
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import (
    Listed,
    answer,
    listed,
    seconds,
    seconds_or_none,
)
from bailee.api.bailee_v1.sessions import PEOPLE as OF_SESSIONS
from bailee.governance.people.model import Assignment, Person
from bailee.governance.people.roles import ASSIGNMENT, USER
from bailee.kernel.ids import handle_text
from bailee.kernel.instants import Instant
from bailee.policy.access.model import Role


class GiveRole(msgspec.Struct, forbid_unknown_fields=True):
    """Which role a person is to hold."""

    role: str


class Recertify(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a person goes on holding a role."""

    keep: bool


class RoleAssignmentView(msgspec.Struct, frozen=True, kw_only=True):
    """That a person holds, or held, a role."""

    id: str
    object: str = "bailee.role_assignment"
    person: str
    role: str
    given_by: str
    given_at: int
    ended_by: str | None
    ended_at: int | None
    confirmed_by: str | None
    confirmed_at: int | None
    due: bool
    """Whether somebody should confirm or end it in this quarter."""


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the organisation, with the roles that they hold."""

    id: str
    object: str = "bailee.person"
    name: str
    email: str
    roles: list[str]
    added_at: int


@get("/", summary="List people with their roles", action="people.read")
async def list_people(request: AnyRequest) -> Response[Listed[PersonView]]:
    """The organisation's people, in the order in which they were added."""
    session = await session_of(request)
    roles = defaultdict[bytes, list[str]](list)
    for one in await session.roles.assignments(session.tenant):
        if one.ended_at is None:
            roles[one.person].append(one.role.value)

    def view(person: Person) -> PersonView:
        return PersonView(
            id=handle_text(USER, person.person),
            name=person.name,
            email=person.email,
            roles=roles[person.person],
            added_at=seconds(person.added_at),
        )

    found = await session.people.people(session.tenant)
    return listed(found, asked_page(request), lambda one: handle_text(USER, one.person), view)


@get("/{user:str}/roles", summary="A person's roles", action="people.read")
async def list_roles(
    user: FromPath[str], request: AnyRequest
) -> Response[Listed[RoleAssignmentView]]:
    """Which roles a person holds and held, oldest first."""
    session = await session_of(request)
    found = await session.roles.assignments(session.tenant, handle(USER, user, "person"))
    return listed(found, asked_page(request), _name, lambda one: _view(one, session.now))


@post("/{user:str}/roles", status_code=200, summary="Give a person a role", action="roles.assign")
async def give_role(user: FromPath[str], request: AnyRequest) -> Response[RoleAssignmentView]:
    """Give a person a role; house roles to people of the operator's own organisation alone.

    Nobody gives one to themselves: 403.
    """
    session = await session_of(request)
    role = asked_role(Role, (await body_of(request, GiveRole)).role)
    given = await session.roles.give(session.tenant, handle(USER, user, "person"), role)
    return answer(_view(given, session.now))


@delete(
    "/{user:str}/roles/{role:str}",
    status_code=200,
    summary="Take a role from a person",
    action="roles.assign",
)
async def end_role(
    user: FromPath[str], role: FromPath[str], request: AnyRequest
) -> Response[RoleAssignmentView]:
    """End a role; that it was held stays on record."""
    session = await session_of(request)
    ended = await session.roles.end(
        session.tenant, handle(USER, user, "person"), asked_role(Role, role)
    )
    return answer(_view(ended, session.now))


@get("/recertifications", summary="Roles to confirm in this quarter", action="people.read")
async def list_due(request: AnyRequest) -> Response[Listed[RoleAssignmentView]]:
    """Roles that were given or confirmed before this quarter began, oldest first."""
    session = await session_of(request)
    found = await session.roles.due(session.tenant)
    return listed(found, asked_page(request), _name, lambda one: _view(one, session.now))


@post(
    "/recertifications/{assignment:str}",
    status_code=200,
    summary="Confirm or end a role",
    action="roles.recertify",
)
async def recertify(assignment: FromPath[str], request: AnyRequest) -> Response[RoleAssignmentView]:
    """Record that a person goes on holding a role (`keep`), or end it.

    Nobody confirms a role of their own while somebody else of the organisation may: 403. A single
    owner confirms theirs, and the audit log says `by_holder`.
    """
    session = await session_of(request)
    keep = (await body_of(request, Recertify)).keep
    identifier = handle(ASSIGNMENT, assignment, "assignment")
    decided = await session.roles.recertify(session.tenant, identifier, keep=keep)
    return answer(_view(decided, session.now))


def _name(one: Assignment) -> str:
    return handle_text(ASSIGNMENT, one.assignment)


def _view(one: Assignment, now: Instant) -> RoleAssignmentView:
    return RoleAssignmentView(
        id=_name(one),
        person=handle_text(USER, one.person),
        role=one.role.value,
        given_by=one.given_by,
        given_at=seconds(one.given_at),
        ended_by=one.ended_by,
        ended_at=seconds_or_none(one.ended_at),
        confirmed_by=one.confirmed_by,
        confirmed_at=seconds_or_none(one.confirmed_at),
        due=one.due(now),
    )


PEOPLE: Router = Router(
    "/bailee/v1/people", route_handlers=[list_people, list_roles, give_role, end_role, *OF_SESSIONS]
)
ROLES: Router = Router("/bailee/v1/roles", route_handlers=[list_due, recertify])

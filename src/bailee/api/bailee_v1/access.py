"""`/bailee/v1/access`: who may do what, as data. Public."""

import msgspec
from litestar import Response, Router, get

from bailee.policy.access.matrix import packaged_matrix
from bailee.policy.access.model import HOUSE_ROLES, Role


class ActionView(msgspec.Struct, frozen=True, kw_only=True):
    """One action, and the roles that may."""

    action: str
    own_organisation: list[str]
    every_organisation: list[str]
    at_the_machine: bool
    """Whether the operator's commands on the machine itself may, where no house role does."""
    fresh_sign_in: bool
    english: str
    korean: str


class ConflictView(msgspec.Struct, frozen=True, kw_only=True):
    """Two roles that nobody holds together."""

    roles: list[str]
    english: str
    korean: str


class AccessView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole matrix."""

    object: str = "bailee.access"
    roles: list[str]
    house_roles: list[str]
    actions: list[ActionView]
    conflicts: list[ConflictView]


@get("/", summary="Who may do what")
async def read_access() -> Response[AccessView]:
    """Roles, actions, and roles that nobody holds together."""
    matrix = packaged_matrix()
    return Response(
        AccessView(
            roles=[role.value for role in Role],
            house_roles=_named(HOUSE_ROLES),
            actions=[
                ActionView(
                    action=one.action,
                    own_organisation=_named(one.own),
                    every_organisation=_named(one.any),
                    at_the_machine=one.machine,
                    fresh_sign_in=one.fresh,
                    english=one.english,
                    korean=one.korean,
                )
                for one in matrix.permissions.values()
            ],
            conflicts=[
                ConflictView(roles=_named(one.roles), english=one.english, korean=one.korean)
                for one in matrix.conflicts
            ],
        )
    )


def _named(roles: frozenset[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]


ROUTER = Router("/bailee/v1/access", route_handlers=[read_access])

"""The matrix of roles and actions, read once from its data file, and the one function that asks it.

Every command of a governance noun asks `require` first, so that the API, the command line and the
consoles obey one table. A new action enters `matrix.toml` or its first use fails.
"""

import tomllib
from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from bailee.kernel.errors import Conflict, Forbidden, InvalidInput
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.model import (
    FRESH_MS,
    HOUSE_ROLES,
    Actor,
    ActorKind,
    Conflicting,
    Permission,
    Role,
)

_MEMBERS: Final = frozenset({"own", "any", "machine", "fresh", "english", "korean"})


class Matrix(NamedTuple):
    """Who may do what, and which roles nobody holds together."""

    permissions: dict[str, Permission]
    """By action."""
    conflicts: tuple[Conflicting, ...]


class SignInAgain(Forbidden):
    """The actor may, and signed in too long ago."""


@cache
def packaged_matrix() -> Matrix:
    """The matrix that ships with Bailee."""
    data = resources.files("bailee.policy.access").joinpath("matrix.toml").read_bytes()
    return parse_matrix(data)


def parse_matrix(data: bytes) -> Matrix:
    """Read a matrix. Raises InvalidInput for anything that it does not know."""
    document = tomllib.loads(data.decode())
    permissions = {name: _permission(name, row) for name, row in document["actions"].items()}
    return Matrix(permissions, tuple(_conflict(row) for row in document["conflicts"]))


def allowed(actor: Actor, action: str, tenant: TenantId | None) -> bool:
    """Whether an actor may do something in an organisation; None: in none in particular.

    How long ago a person signed in is not looked at.
    """
    permission = packaged_matrix().permissions[action]
    if actor.tenant is None:
        at_the_machine = permission.machine and actor.kind is ActorKind.OPERATOR
        return at_the_machine or bool(actor.roles & permission.any)
    if actor.roles & permission.any & HOUSE_ROLES:
        return True
    return actor.tenant == tenant and bool(actor.roles & permission.own)


def require(actor: Actor, action: str, tenant: TenantId | None, now: Instant) -> None:
    """Return if an actor may do something in an organisation.

    Raises:
        Forbidden: none of its roles may; says which would.
        SignInAgain: it asks for a fresh sign-in.
    """
    permission = packaged_matrix().permissions[action]
    if not allowed(actor, action, tenant):
        raise _lacking(action, permission, everywhere=tenant is None)
    if permission.fresh and actor.kind is ActorKind.PERSON:
        signed_in_at = actor.signed_in_at
        if signed_in_at is None or now - signed_in_at > FRESH_MS:
            minutes = FRESH_MS // 60_000
            raise SignInAgain(
                f"This asks for a sign-in within the last {minutes} minutes. Sign in again, then"
                " repeat it."
            )


def _lacking(action: str, permission: Permission, *, everywhere: bool) -> Forbidden:
    if everywhere:
        roles = sorted(role.value for role in permission.any & HOUSE_ROLES)
        if not roles:
            return Forbidden(f"The permission `{action}` is one for the machine itself alone.")
        return Forbidden(
            f"This needs the permission `{action}` in every organisation, which {_listed(roles)} of"
            " the operator's own organisation may use. Ask somebody who has one of these roles."
        )
    roles = sorted(role.value for role in permission.own | permission.any)
    return Forbidden(
        f"This needs the permission `{action}`, which {_listed(roles)} may use. Ask somebody"
        " who has one of these roles."
    )


def check_together(roles: Collection[Role]) -> None:
    """Return if one person may hold these roles together.

    Raises Conflict naming the two that nobody holds together, and why.
    """
    held = frozenset(roles)
    for conflict in packaged_matrix().conflicts:
        if conflict.roles <= held:
            first, second = sorted(role.value for role in conflict.roles)
            raise Conflict(
                f"Nobody holds `{first}` and `{second}` together: {conflict.english} Give one of"
                " them to somebody else."
            )


def _permission(name: str, row: dict[str, Any]) -> Permission:
    if unknown := row.keys() - _MEMBERS:
        raise InvalidInput(f"{name}: unknown {', '.join(sorted(unknown))}", field=name)
    own, everywhere = _roles(row.get("own", ())), _roles(row.get("any", ()))
    if not everywhere <= HOUSE_ROLES:
        raise InvalidInput(f"{name}: only house roles reach every organisation", field=name)
    if not own | everywhere:
        raise InvalidInput(f"{name}: nobody may", field=name)
    machine, fresh = bool(row.get("machine", False)), bool(row.get("fresh", False))
    return Permission(name, own, everywhere, machine, fresh, row["english"], row["korean"])


def _conflict(row: dict[str, Any]) -> Conflicting:
    roles = _roles(row["roles"])
    if len(roles) != 2:
        raise InvalidInput("a conflict is between two roles", field="conflicts")
    return Conflicting(roles, row["english"], row["korean"])


def _roles(names: Collection[str]) -> frozenset[Role]:
    return frozenset(Role(name) for name in names)


def _listed(words: list[str]) -> str:
    shown = [f"`{word}`" for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"

"""Writes `docs/reference/access.md` from the matrix of roles and actions, and the operations.

    python tools/make_access_reference.py [--check]

With `--check` nothing is written, and the exit code is 1 if the file is not what would be.
"""

import sys
from pathlib import Path
from typing import Final, NamedTuple

from litestar import Litestar
from litestar.routes import HTTPRoute

from bailee.api.administration import ADMINISTRATION_ROUTES
from bailee.api.administration.session import ACTION, EVERY_ORGANISATION
from bailee.api.bailee_v1 import BAILEE_ROUTES
from bailee.policy.access.matrix import packaged_matrix
from bailee.policy.access.model import FRESH_MS, HOUSE_ROLES, Role

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "access.md"

HEAD = f"""# Roles and actions
Generated from `bailee.policy.access` by `tools/make_access_reference.py`; do not edit. The same as
data: `GET /bailee/v1/access`.

**Own**: may in the organisation in which the role is held. **Any**: may in every organisation;
house roles alone, held in the operator's own organisation (`bailee admin house`). **Machine**:
commands on the machine itself may too, though no house role may. **Fresh**: a person must have
signed in within the last {FRESH_MS // 60_000} minutes. An admin key acts as an owner of its
organisation; commands on the machine itself act as `operator`. Operations marked (any)
show or change what is every organisation's: only those may who may in every organisation. Where
several actions stand, the command knows which of them what is asked comes to, and asks for that.

What the table leaves to the commands: admin keys, service accounts and their keys are made and
revoked with an admin key or at the machine, never by a signed-in person (403 `admin_key_needed`).
Inviting, making, enrolling or removing an owner asks for `roles.assign` besides
`people.administer`. Records are imported at the machine alone (`bailee import records`), by whoever
may read the data folder.

"""

IN_THE_COMMAND: Final = {
    "POST /bailee/v1/consents": ("consent.give", "consent.withdraw"),
    "POST /bailee/v1/consents/withdraw": ("consent.withdraw", "consent.give"),
    "DELETE /bailee/v1/people/{user}/sessions": ("people.administer",),
    "POST /bailee/v1/people/{user}/enrolments": ("people.administer",),
    "POST /bailee/v1/agreements/{agreement}/terminate": (
        "agreement.sign",
        "agreement.countersign",
    ),
}
"""What asks in its command, which knows whose it is: for any of these. The routes do not tell, so
that a test compares this with what they leave open (`tests/fixtures/operations.py`)."""


def reference() -> str:
    """The file's text."""
    matrix = packaged_matrix()
    roles = [role for role in Role if role not in HOUSE_ROLES]
    house = [role for role in Role if role in HOUSE_ROLES]
    lines = [
        f"Roles of an organisation: {', '.join(f'`{role.value}`' for role in roles)}. House roles: "
        f"{', '.join(f'`{role.value}`' for role in house)}.",
        "",
        "| action | what | 무엇을 | own | any | machine | fresh |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in matrix.permissions.values():
        machine, fresh = ("yes" if so else "" for so in (one.machine, one.fresh))
        lines.append(
            f"| `{one.action}` | {one.english} | {one.korean} | {_named(one.own)} "
            f"| {_named(one.any)} | {machine} | {fresh} |"
        )
    lines += ["", "## Roles that nobody holds together", "| roles | why | 이유 |", "|---|---|---|"]
    lines += [f"| {_named(one.roles)} | {one.english} | {one.korean} |" for one in matrix.conflicts]
    lines += ["", "## Operations", "| operation | action |", "|---|---|"]
    rows = [
        (one.operation, f"`{one.action}`{' (any)' if one.everywhere else ''}")
        for one in operations()
    ]
    rows += [
        (operation, " or ".join(f"`{action}`" for action in actions))
        for operation, actions in IN_THE_COMMAND.items()
    ]
    lines += [f"| `{operation}` | {actions} |" for operation, actions in sorted(rows)]
    return HEAD + "\n".join(lines) + "\n"


class Asking(NamedTuple):
    """An operation, and what its handler asks the matrix for."""

    operation: str
    """As in `GET /bailee/v1/webhooks/{webhook}`."""
    action: str
    everywhere: bool
    """Whether it asks for every organisation, not for one."""


def operations() -> list[Asking]:
    """Every operation whose handler says what it asks for."""
    application = Litestar([*ADMINISTRATION_ROUTES, *BAILEE_ROUTES], openapi_config=None)
    return sorted(
        Asking(
            f"{method} {route.path_format}",
            handler.opt[ACTION],
            handler.opt.get(EVERY_ORGANISATION, False),
        )
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if ACTION in handler.opt
    )


def _named(roles: frozenset[Role]) -> str:
    return ", ".join(f"`{role.value}`" for role in Role if role in roles)


def main(arguments: list[str]) -> int:
    """Write or check the file."""
    text = reference()
    if arguments == ["--check"]:
        same = TARGET.is_file() and TARGET.read_text("utf-8") == text
        if not same:
            print(f"{TARGET.name} is stale: run python tools/make_access_reference.py")
        return 0 if same else 1
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

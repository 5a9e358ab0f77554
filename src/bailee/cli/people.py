"""`bailee people` and `bailee roles`: who holds which role, as whoever is signed in sees it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from bailee.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    OrganisationOption,
    SetOption,
    load_settings,
)
from bailee.kernel.errors import InvalidInput

people = typer.Typer(help="People of your organisation.", no_args_is_help=True)
roles = typer.Typer(help="Give roles, end them, confirm them each quarter.", no_args_is_help=True)

PersonArgument = Annotated[str, typer.Argument(help="The person (user_…).")]
RoleArgument = Annotated[str, typer.Argument(help="The role, as in `administrator`.")]
Row = Mapping[str, Any]


@people.command("list")
def list_people(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List people with their roles.

    Example: bailee people list
    """
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    rows = remote(settings, organisation).every("/bailee/v1/people")
    _print_rows(rows, ("id", "name", "email", "roles"), as_json=as_json)


@people.command("enrol")
def enrol(
    person: PersonArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the address at which a person sets what they sign in with; it works once.

    Example: bailee people enrol user_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    made = remote(settings, organisation).call("POST", f"/bailee/v1/people/{person}/enrolments")
    if as_json:
        print_json(made)
    else:
        print(made["address"])


@people.command("sign-out")
def sign_out(
    person: PersonArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """End every session of a person.

    Example: bailee people sign-out user_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    ended = remote(settings, organisation).call("DELETE", f"/bailee/v1/people/{person}/sessions")
    if as_json:
        print_json(ended)
    else:
        print(f"ended {ended['ended']} sessions")


@roles.command("list")
def list_roles(
    person: PersonArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the roles that a person holds and held.

    Example: bailee roles list user_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    rows = remote(settings, organisation).every(f"/bailee/v1/people/{person}/roles")
    _print_rows(rows, ("role", "given_by", "given_at", "ended_by", "ended_at"), as_json=as_json)


@roles.command("give")
def give(
    person: PersonArgument,
    role: RoleArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a person a role.

    Example: bailee roles give user_0123456789abcdef0123456789abcdef administrator
    """
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    given = remote(settings, organisation).call(
        "POST", f"/bailee/v1/people/{person}/roles", {"role": role}
    )
    _print_one(given, f"{person} holds {role} now", as_json=as_json)


@roles.command("end")
def end(
    person: PersonArgument,
    role: RoleArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a role from a person; that they held it stays on record.

    Example: bailee roles end user_0123456789abcdef0123456789abcdef administrator
    """
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    ended = remote(settings, organisation).call(
        "DELETE", f"/bailee/v1/people/{person}/roles/{role}"
    )
    _print_one(ended, f"{person} does not hold {role} any more", as_json=as_json)


@roles.command("due")
def due(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the roles that somebody should confirm or end in this quarter.

    Example: bailee roles due
    """
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    rows = remote(settings, organisation).every("/bailee/v1/roles/recertifications")
    _print_rows(rows, ("id", "person", "role", "given_at", "confirmed_at"), as_json=as_json)


@roles.command("recertify")
def recertify(
    assignment: Annotated[str, typer.Argument(help="The assignment (assign_…), of `roles due`.")],
    keep: Annotated[
        bool | None, typer.Option("--keep/--end", help="Confirm it, or end it; give one.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    organisation: OrganisationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record that a person goes on holding a role, or end it.

    Example: bailee roles recertify assign_0123456789abcdef0123456789abcdef --keep
    """
    from bailee.cli.remote import remote

    settings = load_settings(config, data, assignments).settings
    if keep is None:
        raise InvalidInput("give --keep to confirm the role, or --end to end it")
    path = f"/bailee/v1/roles/recertifications/{assignment}"
    decided = remote(settings, organisation).call("POST", path, {"keep": keep})
    _print_one(decided, "confirmed" if keep else "ended", as_json=as_json)


def _print_rows(rows: Sequence[Row], columns: tuple[str, ...], *, as_json: bool) -> None:
    from bailee.cli.output import cells, print_json, print_table

    if as_json:
        print_json(rows)
        return
    headings = tuple(column.removesuffix("_at").replace("_", " ") for column in columns)
    print_table(headings, [cells(row, columns) for row in rows])


def _print_one(row: Row, said: str, *, as_json: bool) -> None:
    from bailee.cli.output import print_json

    if as_json:
        print_json(row)
    else:
        print(said)

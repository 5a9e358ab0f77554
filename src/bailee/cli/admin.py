"""`bailee admin`: an organisation's first admin key, and what only the operator can do besides."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(
    help="The operator's word: first admin keys, invitations, enrolment, the house.",
    no_args_is_help=True,
)


@app.command("bootstrap")
def bootstrap(
    organisation: Annotated[
        str | None,
        typer.Option(help="The organisation by name or org_…; default: the demo organisation."),
    ] = None,
    name: Annotated[str, typer.Option(help="What the key is for; shown in lists.")] = "first",
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an organisation's first admin key and show it, this once.

    It manages projects, keys, people and retention over the API, and opens no content. Further
    admin keys are made with it; while there is one, this refuses.

    Example: bailee admin bootstrap --organisation Acme
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.bootstrap_admin(organisation=organisation, name=name)

    settings = load_settings(config, data, assignments).settings
    made = asyncio.run(run())
    if as_json:
        print_json(made)
        return
    print(made["key"])
    typer.echo("Keep it now: it is stored as a keyed hash and cannot be shown again.", err=True)


@app.command("list")
def list_keys(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List admin keys by their public part, with organisation and last use.

    Example: bailee admin list
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json, print_table

    async def run() -> list[Row]:
        async with wiring().administration(settings) as installation:
            return await installation.list_admin_keys()

    settings = load_settings(config, data, assignments).settings
    rows = asyncio.run(run())
    if as_json:
        print_json(rows)
        return
    columns = ("id", "name", "organisation_name", "organisation", "created_at", "last_used_at")
    headings = tuple(column.removesuffix("_at").replace("_", " ") for column in columns)
    print_table(headings, [[row[column] for column in columns] for row in rows])


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The public part: 16 hexadecimal digits.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an admin key; it is refused at once.

    Example: bailee admin revoke 4f1c9a0be2d37758
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.revoke_admin_key(key_id)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print(f"revoked {key_id}")


@app.command("accept-invite")
def accept_invite(
    invite: Annotated[str, typer.Argument(help="The invitation (invite_…).")],
    name: Annotated[str, typer.Option(help="What the person is called.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invited person one of the organisation's, once you know that it is them.

    Example: bailee admin accept-invite invite_0123456789abcdef0123456789abcdef --name "Ada L."
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.accept_invite(invite, name)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print(f"{row['name']} is a person of {row['organisation']} now, as {row['role']}")
        _print_enrolment(row)


@app.command("enrol")
def enrol(
    person: Annotated[str, typer.Argument(help="The person (user_…).")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a person set a password or register a passkey anew, once you know that it is them.

    Example: bailee admin enrol user_0123456789abcdef0123456789abcdef
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.enrol(person)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        _print_enrolment(row)


def _print_enrolment(row: Mapping[str, object]) -> None:
    print(row["address"])
    typer.echo(
        "Pass the address on to them alone: whoever opens it first sets what they sign in with."
        " It works once, within three days.",
        err=True,
    )


@app.command("house")
def house(
    organisation: Annotated[
        str | None,
        typer.Argument(help="The organisation by name or org_…; without it, say which it is."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which organisation is your own: its people alone may hold house roles.

    House roles (privacy officer, safety lead, reviewer, contractor, auditor, operator) reach every
    organisation, as far as the table of roles and actions says (GET /bailee/v1/access).

    Example: bailee admin house "Example Hosting"
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.house(organisation)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    elif row["organisation"] is None:
        print("there is none yet; name one: bailee admin house NAME")
    else:
        print(f"{row['name']} ({row['organisation']}) is the house")

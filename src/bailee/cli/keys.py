"""`bailee keys`: API keys, shown once, effective within a second in every gateway worker."""

from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What the key is for; shown in lists.")] = "key",
    project: Annotated[
        str | None, typer.Option(help="Project (proj_…); default: the demo project.")
    ] = None,
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, help="Days until it stops working; default: never.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and show it, this once.

    Example: bailee keys create --name search --expires-in-days 90
    """
    import asyncio

    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.create_key(
                project=project, name=name, expires_in_days=expires_in_days
            )

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
    """List keys by their public part, with project, expiry and last use.

    Example: bailee keys list --json
    """
    import asyncio

    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json, print_table

    async def run() -> list[Row]:
        async with wiring().administration(settings) as installation:
            return await installation.list_keys()

    settings = load_settings(config, data, assignments).settings
    rows = asyncio.run(run())
    if as_json:
        print_json(rows)
        return
    columns = ("id", "name", "project", "created_at", "expires_at", "last_used_at", "revoked_at")
    headings = tuple(column.removesuffix("_at").replace("_", " ") for column in columns)
    print_table(headings, [[row.get(column) for column in columns] for row in rows])


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The public part: 16 hexadecimal digits.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key; refused everywhere within a second.

    Example: bailee keys revoke 4f1c9a0be2d37758
    """
    import asyncio

    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.revoke_key(key_id)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print(f"revoked {key_id}")

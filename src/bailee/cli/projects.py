"""`bailee projects`: organisations and their projects, each with keys and a region of its own."""

import asyncio
from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(help="Make and list projects.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="The project's name.")],
    organisation: Annotated[
        str, typer.Option(help="Its organisation by name; made if there is none.")
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project; then `bailee keys create --project …` makes its first key.

    Example: bailee projects create --organisation Acme --name search
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.create_project(organisation=organisation, name=name)

    settings = load_settings(config, data, assignments).settings
    made = asyncio.run(run())
    if as_json:
        print_json(made)
    else:
        print(made["id"])


@app.command("list")
def list_projects(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every project with its organisation, region and retention mode.

    Example: bailee projects list
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json, print_table

    async def run() -> list[Row]:
        async with wiring().administration(settings) as installation:
            return await installation.list_projects()

    settings = load_settings(config, data, assignments).settings
    rows = asyncio.run(run())
    if as_json:
        print_json(rows)
        return
    columns = ("id", "name", "organisation_name", "organisation", "region", "retention")
    print_table(
        [column.replace("_", " ") for column in columns],
        [[row[column] for column in columns] for row in rows],
    )

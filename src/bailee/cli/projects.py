"""`bailee projects`: organisations and their projects, each with keys and a region of its own."""

import asyncio
import enum
from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(help="Make, list and change projects.", no_args_is_help=True)


class Retention(enum.StrEnum):
    """What may be agreed about retention."""

    ORGANISATION = "organization_default"
    DEFAULT = "default"
    MODIFIED = "modified_abuse_monitoring"
    ZERO = "zero_data_retention"


class StoreHandling(enum.StrEnum):
    """What happens to a call that asks for storing what may not be stored."""

    COERCE = "coerce"
    REJECT = "reject"


class ProjectStatus(enum.StrEnum):
    """Whether a project's calls are answered."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="The project's name.")],
    organisation: Annotated[
        str, typer.Option(help="Its organisation by name; made if there is none.")
    ],
    region: Annotated[
        str | None, typer.Option(help="Where it is stored and processed, for good.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project; then `bailee keys create --project …` makes its first key.

    Its region never changes. Each region has organisations of its own: in another one, one of this
    name is made.

    Example: bailee projects create --organisation Acme --name search
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.create_project(organisation=organisation, name=name)

    settings = load_settings(config, data, assignments, {"region": region}).settings
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
    columns = (
        *("id", "name", "organisation_name", "organisation"),
        *("region", "retention", "status"),
    )
    print_table(
        [column.replace("_", " ") for column in columns],
        [[row[column] for column in columns] for row in rows],
    )


@app.command("set")
def set_project(
    project: Annotated[str, typer.Argument(help="The project (proj_…).")],
    retention: Annotated[
        Retention | None, typer.Option(help="What holds for what is submitted from now on.")
    ] = None,
    store: Annotated[
        StoreHandling | None,
        typer.Option(help="Leave `store` out where nothing may be stored, or refuse the call."),
    ] = None,
    status: Annotated[
        ProjectStatus | None, typer.Option(help="Whether calls are answered; archived is for good.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=0, help="Its limit; 0: the installation's.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=0, help="Its limit; 0: the installation's.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that the limits are for; default: all together.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Refused unless it is the project's own: says how to go on.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a project; it holds in every gateway worker within a second.

    A retention mode other than the default that nobody has approved is written down as approved by
    the operator, to be reviewed in a year; setting another ends that approval.

    Example: bailee projects set proj_… --retention zero_data_retention --store reject
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_fields, print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.set_project(
                project,
                retention=retention and retention.value,
                store=store and store.value,
                status=status and status.value,
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                model=model,
                region=region,
            )

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print_fields(row, ("setting", "value"))

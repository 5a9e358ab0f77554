"""`bailee services`: services beside the API, each with a policy of its own."""

import asyncio
from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(
    help="Register services with policies of their own; put projects under them.",
    no_args_is_help=True,
)


@app.command("list")
def list_services(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the API and every service beside it, with the policy in force.

    Example: bailee services list
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json, print_table

    async def run() -> list[Row]:
        async with wiring().services_desk(settings) as desk:
            return await desk.all()

    settings = load_settings(config, data, assignments).settings
    rows = asyncio.run(run())
    if as_json:
        print_json(rows)
        return
    print_table(
        ("service", "title", "제목", "policy"),
        [
            (row["id"], row["english"], row["korean"], row["policy"] or "none: calls are refused")
            for row in rows
        ],
    )


@app.command("register")
def register(
    service: Annotated[str, typer.Argument(help="Its name: a-z, 0-9 and -.")],
    english: Annotated[str, typer.Option(help="Its title in English.")],
    korean: Annotated[str, typer.Option(help="Its title in Korean.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a service. Then its policy is drafted, approved and published.

    Example: bailee services register chat --english Chat --korean 채팅
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().services_desk(settings) as desk:
            return await desk.register(service, english, korean)

    settings = load_settings(config, data, assignments).settings
    made = asyncio.run(run())
    if as_json:
        print_json(made)
    else:
        print(f"registered {made['id']}; its calls are refused until its policy is in force")


@app.command("put")
def put(
    project: Annotated[str, typer.Argument(help="The project (proj_…).")],
    service: Annotated[str, typer.Argument(help="The service; `api` puts it back.")],
    organisation: Annotated[str, typer.Option(help="The project's organisation (org_…).")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a project under a service; its policy governs every call from then on.

    Example: bailee services put proj_0123 chat --organisation org_4567
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().services_desk(settings) as desk:
            return await desk.put_project(organisation, project, service)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print(f"{project} is under {service}")

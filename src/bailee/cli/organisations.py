"""`bailee organisations`: what the operator says of an organisation as a whole."""

import asyncio
import enum
from typing import Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(
    help="Set an organisation's retention mode; verify its domains.", no_args_is_help=True
)

Organisation = Annotated[str, typer.Argument(help="The organisation by name or org_….")]


class Retention(enum.StrEnum):
    """What may hold for projects without a mode of their own."""

    DEFAULT = "default"
    MODIFIED = "modified_abuse_monitoring"
    ZERO = "zero_data_retention"


@app.command("set")
def set_organisation(
    organisation: Organisation,
    retention: Annotated[
        Retention, typer.Option(help="What holds for projects without a mode of their own.")
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change an organisation; on return it holds in every gateway worker.

    Another mode than the default is written down as approved by the operator, to be reviewed in a
    year; setting the default ends that approval.

    Example: bailee organisations set Acme --retention modified_abuse_monitoring
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.set_organisation(organisation, retention=retention.value)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print(f"{row['name']}: {row['retention']}")


@app.command("verify-domain")
def verify_domain(
    organisation: Organisation,
    domain: Annotated[str, typer.Argument(help="A name such as example.org.")],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note that a domain is the organisation's, once you have made sure that it is.

    Nothing is looked up. It counts when an application for zero retention is assessed, and stands
    in the audit log as the word of `operator`.

    Example: bailee organisations verify-domain Acme example.org
    """
    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.verify_domain(organisation, domain)

    settings = load_settings(config, data, assignments).settings
    row = asyncio.run(run())
    if as_json:
        print_json(row)
    else:
        print(f"{row['domain']} is verified since {row['verified_at']}")

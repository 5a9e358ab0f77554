"""`bailee inspect`: what is held, under which clause, until when; never content."""

from typing import Annotated, Any

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings

app = typer.Typer(help="See what is held, and until when; never content.", no_args_is_help=True)


@app.command("record")
def record(
    record_id: Annotated[
        str, typer.Argument(metavar="RECORD", help="As in the bailee-record header.")
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a record lies, for which purposes it is held, and until when.

    Example: bailee inspect record rec_0007a1b2c3d4e5f60718293a4b5c6d7e
    """
    import asyncio

    from bailee.cli.administration import Row, wiring

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.inspect_record(record_id)

    settings = load_settings(config, data, assignments).settings
    _print_fields(asyncio.run(run()), as_json=as_json)


@app.command("kept")
def kept(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="As in file-…, resp_…, batch_…, or a model's ft:…."),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is held of a thing that a project keeps until it deletes it: never its content.

    Files, uploads, stored Responses and chat completions, conversations, batches, jobs, models.

    Example: bailee inspect kept file-07742b73aac679a3ad41ee92c96f2204
    """
    import asyncio

    from bailee.cli.administration import Row, wiring

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.inspect_kept(name)

    settings = load_settings(config, data, assignments).settings
    _print_fields(asyncio.run(run()), as_json=as_json)


@app.command("epoch")
def epoch(
    name: Annotated[
        str,
        typer.Argument(metavar="EPOCH", help="A number, or an instant as in 2026-11-23T07:30Z."),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one half hour: its keys' state, deadline, journals and segments.

    Example: bailee inspect epoch 2026-11-23T07:30Z
    """
    import asyncio

    from bailee.cli.administration import Row, wiring
    from bailee.cli.output import print_json, print_table

    async def run() -> list[Row]:
        async with wiring().administration(settings) as installation:
            return await installation.inspect_epoch(name)

    settings = load_settings(config, data, assignments).settings
    rows = asyncio.run(run())
    if as_json:
        print_json(rows)
        return
    columns = list(rows[0]) if rows else ["epoch"]
    print_table(
        [column.replace("_", " ") for column in columns],
        [[row.get(column) for column in columns] for row in rows],
    )


@app.command("keyring")
def keyring(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the keyring by name: how many keys live, which dies next, who can reach it.

    Example: bailee inspect keyring
    """
    import asyncio

    from bailee.cli.administration import Row, wiring

    async def run() -> Row:
        async with wiring().administration(settings) as installation:
            return await installation.inspect_keyring()

    settings = load_settings(config, data, assignments).settings
    _print_fields(asyncio.run(run()), as_json=as_json)


def _print_fields(row: Any, *, as_json: bool) -> None:
    from bailee.cli.output import print_fields, print_json

    if as_json:
        print_json(row)
        return
    print_fields(row, ("what", "is"))

"""`bailee import`: dated records from elsewhere, each under the version that governs it."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.kernel.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from bailee.settings import Settings

app = typer.Typer(help="Import dated records from elsewhere.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group of commands, of which there is one."""


@app.command("records")
def records(
    file: Annotated[Path, typer.Argument(help="One JSON object a line; see docs/policy.md.")],
    from_line: Annotated[
        int, typer.Option(min=1, help="Begin at this line, after an import that was cut off.")
    ] = 1,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import records with the dates of their submission, and say what became of each line.

    The version in force at its submission governs a record; content whose deadline has passed is
    not kept. A line that cannot be imported is named by its number and the others go on; then the
    command ends with 1. What is printed is durable.

    Example: bailee import records ./records.jsonl
    """
    settings = load_settings(config, data, assignments).settings
    raise typer.Exit(asyncio.run(_run(settings, file, from_line, as_json=as_json)))


async def _run(settings: "Settings", file: Path, from_line: int, *, as_json: bool) -> int:
    from bailee.cli.administration import wiring

    bad, number = 0, 0
    try:
        lines = file.open("rb")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read") from error
    with lines:
        async with wiring().import_desk(settings) as desk:
            for number, line in enumerate(lines, start=1):
                if number < from_line or not line.strip():
                    continue
                try:
                    said: dict[str, Any] = {"line": number, **await desk.take(line)}
                except (InvalidInput, NotFound) as error:
                    bad += 1
                    said = {"line": number, "outcome": "bad", "problem": str(error)}
                _say(said, as_json=as_json)
    if number < from_line:
        print(f"{file} has {number} lines, none of them from {from_line} on", file=sys.stderr)
    return 1 if bad or number < from_line else 0


def _say(said: dict[str, Any], *, as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(said), flush=True)
    elif said["outcome"] == "bad":
        print(f"line {said['line']}: {said['problem']}", file=sys.stderr, flush=True)
    else:
        until = f", until {said['until']}" if said["until"] else ""
        print(f"line {said['line']}: {said['outcome']} under {said['policy']}{until}", flush=True)

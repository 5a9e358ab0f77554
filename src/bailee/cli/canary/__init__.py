"""`bailee canary`: is content really nowhere? Words that cannot be missed, and a search for them.

The command alone; what happens is in `run`, and everything else is imported when it runs.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

PROMPTS: Final = 2000

app = typer.Typer(invoke_without_command=True, subcommand_metavar="")


@app.callback()
def canary(
    prompts: Annotated[
        int, typer.Option(min=100, help="Calls to make, each with a word of its own.")
    ] = PROMPTS,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "-d", metavar="FOLDER", help="An empty folder; default: a temporary one."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the temporary folder, to look into it afterwards.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the last line alone; the rest goes to stderr.")
    ] = False,
) -> None:
    """Search every sink for the content of calls, in every retention mode.

    Starts `bailee serve` as it is (own processes, TLS, PostgreSQL, keeper,
    clerk, two gateways) in an empty folder, with an upstream on this machine
    that gives prompts back, and the local model where its file is. Then:

    1. Half of the calls are of a project under zero retention: every operation
    that takes content, answered, streamed, refused, failed by the upstream,
    broken off, timed out, left by the client, and swallowed by SIGKILL to a
    gateway. After them not one sealed part may lie anywhere.

    2. A quarter are the same, of a project under modified abuse monitoring:
    nothing may be recorded; and a quarter of one in default retention: each
    answered record must be there, sealed.

    3. Every file, table, log, open file, argument and environment is searched
    for each word: as it is, in base64, hexadecimal, UTF-16, JSON escapes,
    and in what zstd and gzip packed. Words planted in a file, a table and a
    process must be found, or the search is worth nothing.

    The last line is JSON. Exit code 0: nothing was found. 1: it says where.

    Example: bailee canary --prompts 2000 --json
    """
    from bailee.cli.canary.run import run

    raise typer.Exit(run(prompts=prompts, data=data, keep=keep, as_json=as_json))

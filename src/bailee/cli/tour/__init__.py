"""`bailee tour`: a month of a real installation in a minute, ending in proof.

The command alone; what happens is in `story`, and everything else is imported when it runs.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

FULL_REQUESTS: Final = 510

app = typer.Typer(invoke_without_command=True, subcommand_metavar="")


@app.callback()
def tour(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "-d", metavar="FOLDER", help="An empty data folder; default: a temporary one."
        ),
    ] = None,
    requests: Annotated[
        int, typer.Option(min=12, help="Answers to gather; fewer make a shorter tour.")
    ] = FULL_REQUESTS,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the temporary folder, to look into it afterwards.")
    ] = False,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Let the local model answer some of the requests.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the last line alone; the story goes to stderr.")
    ] = False,
) -> None:
    """See thirty-one days of an installation in a minute, and each claim proved.

    Starts `bailee serve` as it is (own processes, TLS, PostgreSQL, keeper,
    clerk, two gateways) in a data folder whose clock is simulated. Then:

    1. Three organisations send requests by the official OpenAI SDK, in 75
    different half hours; a mock upstream on this machine answers. Gateway,
    keeper and clerk are killed with SIGKILL meanwhile.

    2. Owners open records of theirs. What is stored is compared with what was
    answered. Each record's receipt is checked by verifier/bailee_verify.py,
    against the very bytes that went over the wire.

    3. Thirty-one days pass. One half hour after the other falls due and its
    key is destroyed, again with kills in between. Owners ask again: just
    before a deadline, exactly at it, and after it.

    4. Destruction receipts are checked, and the census is recomputed from the
    log, the bucket's names and the keyring's names.

    The last line is JSON. Exit code 0: everything held. 1: it says what not.

    To look into what is left, name the folder, and then verify it offline:

    bailee tour --data /tmp/tour;
    bailee verify --data /tmp/tour $(find /tmp/tour/objects/log/receipts -type f)

    Example: bailee tour --requests 60
    """
    from bailee.cli.tour.run import run

    raise typer.Exit(
        run(data=data, requests=requests, keep=keep, with_model=with_model, as_json=as_json)
    )

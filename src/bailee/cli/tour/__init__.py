"""`bailee tour`: a month of a real installation in a minute, ending in proof.

The command alone; what happens is in `story`, and everything else is imported when it runs.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

FULL_REQUESTS: Final = 510

app = typer.Typer(invoke_without_command=True)


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
    """See thirty-one days of an installation in a minute, and the proof of each claim.

    Starts `bailee serve` as it is (own processes, TLS, PostgreSQL, keeper, clerk, two gateways) in
    a data folder whose clock is simulated, and then, in this order:

    1. Three organisations send requests by the official OpenAI SDK, in 75 different half hours.
       A mock upstream on this machine answers them. Gateway, keeper and clerk are killed with
       SIGKILL meanwhile.

    2. Owners open records of theirs. What is stored is counted and compared with what was
       answered; each record's receipt is checked by verifier/bailee_verify.py, against exactly the
       bytes that went over the wire.

    3. A month passes. Half hour after half hour falls due and its key is destroyed, again with
       kills in between. Owners ask again, exactly at a deadline and after it.

    4. Destruction receipts are checked, and the census is recomputed from the log, the bucket's
       names and the keyring's names.

    The last line of output is JSON. Exit code 0: everything held. 1: it says what did not.

    Look afterwards: bailee tour --data /tmp/tour, then bailee inspect keyring, or verify a
    receipt in objects/log/receipts by hand.

    Example: bailee tour --requests 60
    """
    from bailee.cli.tour.run import run

    raise typer.Exit(
        run(data=data, requests=requests, keep=keep, with_model=with_model, as_json=as_json)
    )

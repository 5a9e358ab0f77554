"""`bailee bench`: figures that were measured, each command ending in one JSON line.

The modules behind it are imported when a measurement begins.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from bailee.cli.options import JsonOption

app = typer.Typer(
    help="Measure the gateway, batches, the log and sealing on this machine.", no_args_is_help=True
)


@app.command("gateway")
def gateway(
    seconds: Annotated[
        int, typer.Option(min=1, max=30, help="How long each figure is measured.")
    ] = 4,
    connections: Annotated[
        int, typer.Option(min=1, max=4096, help="Connections of the load.")
    ] = 256,
    as_json: JsonOption = False,
) -> None:
    """Requests per second of one gateway worker on one core, everything on, and its processor time.

    Load and a mock upstream run on another core; nginx as a plain reverse proxy is measured in the
    same run, and LiteLLM if it is installed. Needs wrk; on Debian: apt-get install wrk nginx-light.

    Example: bailee bench gateway --seconds 4 --json
    """
    from bailee.cli.bench_gateway import measure_gateway

    _print(measure_gateway(seconds, connections, _tell), as_json=as_json)


@app.command("log")
def log(
    entries: Annotated[int, typer.Option(min=1000, help="How many are sequenced.")] = 200_000,
    as_json: JsonOption = False,
) -> None:
    """Entries per second from the outbox into the log, durable, and how soon a checkpoint comes.

    Example: bailee bench log --json
    """
    from bailee.cli.bench_log import measure_log

    _print(measure_log(entries, _tell), as_json=as_json)


@app.command("seal")
def seal(
    records: Annotated[int, typer.Option(min=100, help="How many are recorded.")] = 20_000,
    as_json: JsonOption = False,
) -> None:
    """Records per second that one worker seals and makes durable, and what they cost on disk.

    Example: bailee bench seal --json
    """
    from bailee.cli.bench_seal import measure_seal

    _print(measure_seal(records, _tell), as_json=as_json)


@app.command("batch")
def batch(
    lines: Annotated[int, typer.Option(min=1, max=50_000, help="Lines of the batch.")] = 10_000,
    calls: Annotated[int, typer.Option(min=1, help="Calls one after another.")] = 1000,
    concurrency: Annotated[
        int, typer.Option(min=1, max=512, help="Lines answered at once (`batches.concurrency`).")
    ] = 8,
    as_json: JsonOption = False,
) -> None:
    """Lines per second of a batch beside the same calls one after another, over TLS.

    Example: bailee bench batch --lines 10000 --json
    """
    from bailee.cli.bench_batch import measure_batch

    _print(measure_batch(lines, calls, concurrency, _tell), as_json=as_json)


@app.command("upstream", hidden=True)
def upstream(port: Annotated[int, typer.Option(help="Port on loopback.")]) -> None:
    """The mock upstream of a measurement.

    Example: bailee bench upstream --port 9001
    """
    from bailee.cli.bench_gateway import serve_upstream

    serve_upstream(port)


@app.command("worker", hidden=True)
def worker(
    data: Annotated[Path, typer.Option(help="Data folder of the measurement.")],
    port: Annotated[int, typer.Option(help="Plain port on loopback.")],
    upstream_port: Annotated[int, typer.Option(help="The mock upstream's port.")],
    mode: Annotated[str, typer.Option(help="durable or sealed.")] = "durable",
) -> None:
    """The gateway worker that is measured.

    Example: bailee bench worker --data /tmp/x --port 9000 --upstream-port 9001
    """
    from bailee.wiring.bench import bench_settings, run_bench_gateway

    settings = bench_settings(data, upstream_port)
    run_bench_gateway(
        settings,
        port,
        "sealed" if mode == "sealed" else "durable",
        lambda: print("ready", flush=True),
    )


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _print(figures: dict[str, Any], *, as_json: bool) -> None:
    from bailee.cli.output import print_json, print_table

    if not as_json:
        print_table(("figure", "value"), list(figures.items()))
    print_json(figures)

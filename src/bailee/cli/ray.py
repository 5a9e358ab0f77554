"""`bailee ray`: what a Ray cluster needs that trains models."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What a Ray cluster needs that trains models.", no_args_is_help=True)

_KEY = typer.Option("--key", help="The cluster's private key.")


@app.command("make-key")
def make_key(
    private: Annotated[Path, typer.Argument(help="File for the cluster's nodes.")],
    public: Annotated[Path, typer.Argument(help="File for `ray.public_key_file`.")],
) -> None:
    """Make the key pair that tasks are sealed to.

    Example: bailee ray make-key cluster.key cluster.pub
    """
    from bailee.drivers.system import SystemRandomness
    from bailee.drivers.trainer_ray import make_cluster_key, public_part
    from bailee.wiring.secrets import write_private

    key = make_cluster_key(SystemRandomness())
    write_private(private.absolute(), key)
    public.write_bytes(public_part(key))
    print(f"{private} belongs on every node of the cluster, readable by Ray's user alone")
    print(f"{public} belongs here: set ray.public_key_file to it")


@app.command("job")
def job(key: Annotated[Path, _KEY] = Path("/etc/bailee/cluster.key")) -> None:
    """Carry the task in the working folder: what Ray runs on a node.

    Example: bailee ray job --key /etc/bailee/cluster.key
    """
    import asyncio

    from bailee.drivers.system import SystemRandomness
    from bailee.drivers.trainer_ray import TASK_FILE, run_entry
    from bailee.wiring.training import node_trainer

    def say(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    private, sealed = key.read_bytes(), Path(TASK_FILE).read_bytes()
    if not asyncio.run(run_entry(private, sealed, node_trainer, say, SystemRandomness())):
        raise typer.Exit(1)

"""Single processes: what `bailee serve` starts as children, each also startable alone."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from bailee.cli.options import ConfigOption, DataOption, SetOption, SupervisedOption, load_settings

if TYPE_CHECKING:
    from bailee.settings import Settings


def gateway(
    index: Annotated[int, typer.Option(help="Number of this gateway worker, from 0.")] = 0,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    supervised: SupervisedOption = False,
) -> None:
    """Run one gateway worker: the process that answers customers.

    Example: bailee gateway --index 1
    """
    from bailee.cli.administration import wiring

    settings = load_settings(config, data, assignments).settings
    secrets, descriptors = _handed_over(supervised=supervised)
    wiring().run_gateway(
        settings,
        index,
        secrets=secrets,
        descriptors=descriptors,
        ready=_announcing(settings, f"gateway-{index}"),
    )


def keeper(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    supervised: SupervisedOption = False,
) -> None:
    """Run the keeper: the only process that holds private keys.

    Example: bailee keeper --data /srv/bailee
    """
    from bailee.cli.administration import wiring

    settings = load_settings(config, data, assignments).settings
    secrets, descriptors = _handed_over(supervised=supervised)
    wiring().run_keeper(
        settings, secrets=secrets, descriptors=descriptors, ready=_announcing(settings, "keeper")
    )


def clerk(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    supervised: SupervisedOption = False,
) -> None:
    """Run the clerk: expiry, the log, segments, receipts.

    Example: bailee clerk --data /srv/bailee
    """
    from bailee.cli.administration import wiring

    settings = load_settings(config, data, assignments).settings
    secrets, descriptors = _handed_over(supervised=supervised)
    wiring().run_clerk(
        settings, secrets=secrets, descriptors=descriptors, ready=_announcing(settings, "clerk")
    )


def worker(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    supervised: SupervisedOption = False,
) -> None:
    """Run the worker: it answers the lines of batches and trains fine-tuning jobs.

    `bailee serve` runs one already. More of them share the batches; one at a time trains. Killed,
    it loses nothing: batches go on after 15 s at most, a job from its last checkpoint.
    Not to be confused with gateway workers, which answer customers (`bailee gateway`).

    Example: bailee worker --data /srv/bailee
    """
    from bailee.cli.administration import wiring

    settings = load_settings(config, data, assignments).settings
    secrets, descriptors = _handed_over(supervised=supervised)
    wiring().run_worker(
        settings, secrets=secrets, descriptors=descriptors, ready=_announcing(settings, "worker")
    )


def model_runner(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    supervised: SupervisedOption = False,
) -> None:
    """Run the embedded local models: text, embeddings, moderation.

    Example: bailee model-runner --set model.threads=4
    """
    from bailee.cli.administration import wiring

    settings = load_settings(config, data, assignments).settings
    secrets, descriptors = _handed_over(supervised=supervised)
    wiring().run_model_runner(
        settings,
        secrets=secrets,
        descriptors=descriptors,
        ready=_announcing(settings, "model-runner"),
    )


def _handed_over(*, supervised: bool) -> tuple[dict[str, bytes], dict[str, int]]:
    from bailee.cli.handover import Handover, read_handover

    handover = read_handover(sys.stdin.buffer) if supervised else Handover()
    return handover.secrets, handover.descriptors


def _announcing(settings: "Settings", name: str) -> Callable[[], None]:
    from bailee.cli.status_files import announce
    from bailee.drivers.system import process_id

    return lambda: announce(settings.data_folder / "run", name, process_id())

"""Several regions on one machine: `bailee serve` for each, started and stopped together.

Promises: each region is a whole installation with processes, keyring, database and objects of its
own; this only starts them, starts again what ends, and tells the operator. It never reads anything
of any of them but where it serves.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping

from bailee.cli.env import base_address
from bailee.cli.installation import said_ready
from bailee.cli.output import console
from bailee.cli.progress import Progress
from bailee.cli.supervisor import ChildProcess, Supervisor
from bailee.drivers.system import SystemClock
from bailee.settings import Settings
from bailee.settings.regional import home_of

_READY_TIMEOUT_S = 120.0
_STOP_MORE_S = 60.0
"""For everything that stops after a region's gateways."""


def run(everyone: Mapping[str, Settings], arguments: tuple[str, ...]) -> None:
    """Serve all regions until told to stop.

    Raises:
        BaileeError: if one of them cannot be started; all have been stopped again.
    """
    clock = SystemClock()
    home = everyone[home_of(next(iter(everyone.values())))]
    logs = home.data_folder / "logs"
    progress = Progress(console(), logs, clock)
    supervisor = Supervisor((), clock=clock, log_folder=logs, tell=progress.tell)
    supervisor.add(
        *(
            _child(settings, (*arguments, "--region", name), supervisor.process_id)
            for name, settings in everyone.items()
        )
    )
    asyncio.run(supervisor.run(lambda: _welcome(everyone)))


def _child(
    settings: Settings, arguments: tuple[str, ...], process_of: Callable[[str], int | None]
) -> ChildProcess:
    name = f"region-{settings.region}"
    return ChildProcess(
        name=name,
        argv=(sys.executable, "-m", "bailee", "serve", "--together", *arguments),
        ready=said_ready(settings.data_folder / "run", "serve", process_of, name),
        stage=1,
        ready_timeout_s=_READY_TIMEOUT_S,
        stop_timeout_s=settings.server.drain_timeout_s + _STOP_MORE_S,
        # It ends its own processes in their order.
        orphan_signal=signal.SIGTERM,
    )


async def _welcome(everyone: Mapping[str, Settings]) -> None:
    out = console()
    for name, settings in everyone.items():
        out.print(
            f"\n[bold]{base_address(settings)}[/bold] serves the OpenAI API for the region {name}: "
            f"{', '.join(settings.regions[name].hosts)}."
        )
        kept = settings.data_folder / "secrets" / "demo-api-key"
        out.print(f"Its demo API key is kept in {kept} (0600).")
    out.print("\nCtrl-C stops; a second Ctrl-C stops at once.\n")

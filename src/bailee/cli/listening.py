"""Whether the ports that the settings name can be listened on.

Gateway workers share theirs (`SO_REUSEPORT`), and so would another installation's: it is looked at
before anything starts. Two that start in the same instant can still both find a port free.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Final

from bailee.kernel.errors import Conflict
from bailee.ports.clock import Clock
from bailee.settings import Settings

PATIENCE_S: Final = 10.0
"""For the workers of a `bailee serve` that was killed: they finish what is in flight."""
_LOOK_S: Final = 0.1


def asked_ports(settings: Settings) -> Iterator[tuple[str, int]]:
    """Settings that name a port, and the port."""
    yield "server.port", settings.server.port
    if settings.server.client_certificate_port:
        yield "server.client_certificate_port", settings.server.client_certificate_port


def trouble(host: str, number: int) -> str | None:
    """Why nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            return error.strerror
    return None


async def free_ports(
    settings: Settings, clock: Clock, say: Callable[[str], None], patience_s: float = PATIENCE_S
) -> None:
    """Return when nobody else listens. Raises Conflict when somebody goes on listening.

    Where nothing was ever started from this data folder, nothing of it can linger: no wait.
    """
    if not any((settings.data_folder / "run").glob("*.ready")):
        patience_s = 0
    host, until_s, said = settings.server.host, clock.monotonic_s() + patience_s, False
    for name, number in asked_ports(settings):
        while (why := trouble(host, number)) is not None:
            if clock.monotonic_s() >= until_s:
                raise Conflict(
                    f"{host} port {number} cannot be used ({why}); stop what holds it, or choose "
                    f"another with {name}, as in `bailee serve --set {name}={number + 1000}`"
                )
            if not said:
                say(f"waiting until port {number} is free")
                said = True
            await clock.sleep_s(_LOOK_S)

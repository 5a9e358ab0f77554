"""A port that somebody else holds is refused before anything starts."""

import socket
from pathlib import Path

import pytest

from bailee.cli.listening import free_ports
from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import Conflict
from bailee.kernel.instants import Instant
from bailee.settings import load


async def test_where_nothing_ever_ran_a_taken_port_is_refused_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = str(other.getsockname()[1])
        flags = {"server.host": "127.0.0.1", "server.port": port, "data_folder": str(tmp_path)}
        settings, said = load(folder=tmp_path, flags=flags).settings, list[str]()
        with pytest.raises(Conflict, match=rf"port {port} cannot be used .* server\.port"):
            await free_ports(settings, ManualClock(Instant(0)), said.append)
        assert said == []

        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "keeper.ready").touch()
        with pytest.raises(Conflict):
            await free_ports(settings, SystemClock(), said.append, patience_s=0.2)
        assert said == [f"waiting until port {port} is free"]

"""Ports that stay the process's own."""

import socket
import subprocess
import sys

from bailee.cli import ports


def test_a_port_is_given_once() -> None:
    given = [ports.free_port() for _ in range(50)]
    assert len(set(given)) == 50


def test_no_other_process_is_given_a_port_of_ours() -> None:
    port = ports.free_port()
    words = f"from bailee.cli import ports; print(ports._claim({port}), ports._claim({port}))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_port_is_free_again_when_its_process_ended() -> None:
    words = "from bailee.cli import ports; print(ports.free_port())"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert ports._claim(int(done.stdout))


def test_no_outgoing_connection_takes_it() -> None:
    lowest = int(ports._RANGE.read_text().split()[0])
    assert all(ports.free_port() < lowest for _ in range(20))


def test_a_port_that_somebody_holds_is_not_given() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        assert not ports._claim(holder.getsockname()[1])

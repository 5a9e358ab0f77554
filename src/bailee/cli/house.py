"""An installation of a proof's own: `bailee serve` as a child, from an empty folder.

Promises: the child is told everything by one settings file and no variable of the environment; it
is stopped however the proof ends, even by a kill.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bailee import settings as settings_package
from bailee.cli import lifeline
from bailee.cli.env import base_address
from bailee.cli.ports import free_port
from bailee.cli.status_files import announced_address
from bailee.drivers.system import environment, process_id
from bailee.kernel.errors import InvalidInput, Unavailable
from bailee.settings import Settings

START_TIMEOUT_S: Final = 90.0
RESTART_TIMEOUT_S: Final = 60.0
_LOOK_S: Final = 0.02
_STOP_TIMEOUT_S: Final = 45.0
_OUTPUT_BYTES: Final = 2000


class House:
    """One installation: started, wounded and stopped."""

    def __init__(
        self,
        data: Path,
        text: str,
        *,
        flags: Mapping[str, str] = MappingProxyType({}),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`text` is the settings file, with `{port}` for where to listen; `variables` are added to
        the environment of its processes."""
        self.data = data
        self._file = data / "bailee.toml"
        self._file.write_text(text.replace("{port}", str(free_port())))
        self._process: asyncio.subprocess.Process | None = None
        self._flags = {"data_folder": str(data), **flags}
        self._variables = variables
        self.settings: Settings = settings_package.load(
            file=self._file, flags=self._flags, folder=Path.cwd()
        ).settings

    @property
    def address(self) -> str:
        """Where it serves, without a path."""
        return base_address(self.settings)

    @property
    def bundle(self) -> Path:
        """The authorities that a client of it trusts."""
        return self.data / "tls" / "bundle.pem"

    async def start(self) -> None:
        """Start it and wait until it serves. Raises Unavailable with what it said."""
        sets = [
            part for name, value in self._flags.items() for part in ("--set", f"{name}={value}")
        ]
        variables = environment()
        clean = {name: variables[name] for name in variables if not name.startswith("BAILEE_")}
        clean |= self._variables
        with self._output.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", lifeline.__file__),
                *(str(process_id()), str(int(signal.SIGTERM))),
                *(sys.executable, "-m", "bailee", "serve", "--config", str(self._file), *sets),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=clean,
            )
        demo_key = self.data / "secrets" / "demo-api-key"
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not (demo_key.exists() and announced_address(self.data / "run")):
                    if self._process.returncode is not None:
                        raise Unavailable(f"`bailee serve` ended: {self._said()}")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise Unavailable(f"`bailee serve` did not start: {self._said()}") from None

    def kill(self, name: str) -> int:
        """SIGKILL to one process (`keeper`, `clerk`, `gateway-0`, …); gives its number."""
        process = self.process(name)
        if process is None:
            raise Unavailable(f"{name} never said that it serves")
        os.kill(process, signal.SIGKILL)
        return process

    async def back(self, name: str, before: int) -> None:
        """Wait until another process than `before` serves under this name."""
        try:
            async with asyncio.timeout(RESTART_TIMEOUT_S):
                while self.process(name) in (None, before):  # noqa: ASYNC110 - a file changes
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise Unavailable(f"{name} did not come back after it was killed") from None

    @property
    def supervisor(self) -> int | None:
        """The number of the process that watches the others."""
        return None if self._process is None else self._process.pid

    def process(self, name: str) -> int | None:
        """The number of the process that said last that it serves under this name."""
        try:
            return int((self.data / "run" / f"{name}.ready").read_text())
        except (FileNotFoundError, ValueError):
            return None

    async def stop(self) -> None:
        """Stop it as an operator would; by force if that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _output(self) -> Path:
        folder = self.data / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / "serve-output.log"
        file.touch(mode=0o600)
        return file

    def _said(self) -> str:
        return self._output.read_bytes()[-_OUTPUT_BYTES:].decode("utf-8", "replace").strip()


def empty_folder(data: Path) -> Path:
    """Make a data folder. Raises InvalidInput if there is something in it."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(data.iterdir()):
        raise InvalidInput(
            f"{data} is not empty; this begins with an empty folder and an installation of its own"
        )
    return data.absolute()


def remove(data: Path) -> None:
    """Remove a data folder."""
    shutil.rmtree(data, ignore_errors=True)

"""Starting and stopping the model runner's process.

The child has an environment of its own making (offline, no telemetry, nothing of ours), a port
that stays the same over restarts and a key that nobody else is told: both go through a pipe, never
through arguments. It ends with its parent. Watching it is for whoever started it.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bailee.drivers.backend_llama.messages import Instructions, Ready
from bailee.kernel.errors import InvalidInput, Unavailable
from bailee.kernel.redacted import Secret
from bailee.ports.randomness import Randomness

_KEY_BYTES: Final = 32
_START_S: Final = 60.0
_STOP_S: Final = 5.0
_ENVIRONMENT: Final = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}


class ModelSpecification(NamedTuple):
    """Which model runs, and how."""

    file: Path
    """The weights, a GGUF file."""
    sha256: str
    """64 hexadecimal digits."""
    name: str
    context_tokens: int = 2048
    """Of one request."""
    parallel: int = 2
    """Requests answered at once."""
    threads: int = 0
    """0: one for each core."""


class ModelRunning(NamedTuple):
    """Where a started runner answers."""

    base_url: str
    """As in `http://127.0.0.1:49153/v1`."""
    api_key: Secret
    pid: int


class ModelProcess:
    """One runner. It may be started again after it ended: address and key stay the same.

    `adapter_descriptor` is a file with a LoRA adapter that applies to everything this runner
    answers; it need only be open while `start` runs.
    """

    def __init__(
        self,
        specification: ModelSpecification,
        randomness: Randomness,
        adapter_descriptor: int | None = None,
    ) -> None:
        self._specification = specification
        self._adapter_descriptor = adapter_descriptor
        self._api_key = Secret(randomness.random_bytes(_KEY_BYTES).hex().encode())
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> ModelRunning:
        """Start the process and wait until it answers.

        Raises Unavailable, saying what to do, and InvalidInput for an adapter that cannot be used.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bailee.drivers.backend_llama.runner",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
            pass_fds=() if self._adapter_descriptor is None else (self._adapter_descriptor,),
        )
        self._process = process
        try:
            async with asyncio.timeout(_START_S):
                ready = await self._instruct(process)
        except TimeoutError:
            ready = Ready(error="the model runner did not start in time; choose smaller weights")
        if ready.error:
            await self.stop()
            raise InvalidInput(ready.error) if ready.adapter_refused else Unavailable(ready.error)
        self._port = ready.port
        return ModelRunning(f"http://127.0.0.1:{ready.port}/v1", self._api_key, process.pid)

    async def ended(self) -> int:
        """Wait until the process has ended; its exit status."""
        return await self._process.wait() if self._process is not None else 0

    async def stop(self) -> None:
        """End the process. What it is answering breaks off."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _instruct(self, process: asyncio.subprocess.Process) -> Ready:
        asked = Instructions(
            file=str(self._specification.file.absolute()),
            sha256=self._specification.sha256,
            name=self._specification.name,
            api_key=self._api_key.decode(),
            port=self._port,
            context_tokens=self._specification.context_tokens,
            parallel=self._specification.parallel,
            threads=self._specification.threads,
            adapter_descriptor=-1 if self._adapter_descriptor is None else self._adapter_descriptor,
        )
        if process.stdin is None or process.stdout is None:
            return Ready(error="the model runner has no pipes; start it anew")
        # One that has ended already reads nothing and says nothing: told below.
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(asked) + b"\n")
            await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            return Ready(error="the model runner ended at once; look for missing libraries")
        return msgspec.json.decode(line, type=Ready)

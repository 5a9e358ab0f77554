"""Fine-tuning on this machine: each run in a process of its own.

The examples reach the process through a pipe, and adapter and checkpoints come back through
another: nothing of them lies on a disk on this side either. The process has an environment of its
own making (offline, no telemetry, no home). Cancelling kills it; the kernel takes the memory back.
torch and what belongs to it are imported in that process alone.
"""

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, NamedTuple

from bailee.drivers.trainer_local.messages import (
    BYTE_ORDER,
    LENGTH_BYTES,
    Failed,
    FromChild,
    Order,
    Pause,
    framed,
    from_child,
)
from bailee.ports.trainer import (
    Finished,
    Paused,
    TrainingEvent,
    TrainingFailure,
    TrainingTask,
)

_NEEDED: Final = ("torch", "transformers", "peft", "gguf")
_ENVIRONMENT: Final = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class LocalTrainerSpecification(NamedTuple):
    """Which model is trained, and how."""

    file: Path
    """The weights, a GGUF file: the one that llama.cpp serves."""
    sha256: str
    """64 hexadecimal digits."""
    context_tokens: int = 2048
    """Longer examples are cut."""
    threads: int = 0
    """0: one for each core."""
    niceness: int = 10
    """How far training steps back for whatever else runs, as nice(2) counts."""


def missing_packages() -> tuple[str, ...]:
    """What this trainer needs and does not find."""
    return tuple(name for name in _NEEDED if importlib.util.find_spec(name) is None)


class LocalTrainer:
    """A driver of `ports.trainer`."""

    def __init__(self, specification: LocalTrainerSpecification) -> None:
        self._specification = specification

    async def begin(self, task: TrainingTask, state: bytes | None = None) -> "LocalRun":
        """See `ports.trainer`."""
        if missing := missing_packages():
            raise TrainingFailure(
                f"fine-tuning needs {', '.join(missing)}: install the extra `finetuning`",
                retry_safe=False,
            )
        order = Order(
            file=str(self._specification.file.absolute()),
            sha256=self._specification.sha256,
            context_tokens=self._specification.context_tokens,
            threads=self._specification.threads,
            niceness=self._specification.niceness,
            task=task,
            state=state,
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bailee.drivers.trainer_local.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        run = LocalRun(process)
        await run.send(order)
        return run


class LocalRun:
    """A driver of `ports.trainer.TrainingRun`: one process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._cancelled = False

    @property
    def pid(self) -> int:
        """Of the training process."""
        return self._process.pid

    async def send(self, message: Order | Pause) -> None:
        """Tell the process; one that has ended hears nothing."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(framed(message))
            await self._process.stdin.drain()
        except ConnectionError:
            return

    async def events(self) -> AsyncGenerator[TrainingEvent, None]:
        """See `ports.trainer`."""
        try:
            while True:
                message = await self._next()
                if message is None:
                    return
                if isinstance(message, Failed):
                    raise TrainingFailure(message.message, retry_safe=message.retry_safe)
                yield message
                if isinstance(message, Finished | Paused):
                    return
        finally:
            await self._end()

    async def pause(self) -> None:
        """See `ports.trainer`."""
        await self.send(Pause())

    async def cancel(self) -> None:
        """See `ports.trainer`."""
        self._cancelled = True
        await self._end()

    async def _next(self) -> FromChild | None:
        stream = self._process.stdout
        try:
            if stream is None:
                raise EOFError
            head = await stream.readexactly(LENGTH_BYTES)
            body = await stream.readexactly(int.from_bytes(head, BYTE_ORDER))
        except EOFError:
            # asyncio's IncompleteReadError is one.
            if self._cancelled:
                return None
            raise TrainingFailure(
                "the training process was ended from outside; see whether memory was short",
                retry_safe=True,
            ) from None
        message: FromChild = from_child.decode(body)
        return message

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

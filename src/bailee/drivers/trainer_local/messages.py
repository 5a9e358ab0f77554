"""What the training process and its parent say to each other: frames of MessagePack in pipes.

A frame is its length in four bytes, little endian, and that many bytes. The parent sends `Order`
once and may send `Pause`; the child answers with the port's events, or with `Failed`.
"""

from typing import Final

import msgspec

from bailee.kernel.redacted import HiddenStruct
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Paused,
    StepDone,
    TrainingTask,
)

LENGTH_BYTES: Final = 4
BYTE_ORDER: Final = "little"


class Order(HiddenStruct, frozen=True, tag="order"):
    """What the parent asks for."""

    file: str
    """The weights, a GGUF file."""
    sha256: str
    context_tokens: int
    threads: int
    """0: one for each core."""
    niceness: int
    task: TrainingTask
    state: bytes | None

    def __repr__(self) -> str:
        return "<order>"


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Stop after the present step."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """There will be no result. The message holds nothing of the examples."""

    message: str
    retry_safe: bool


FromParent = Order | Pause
FromChild = Began | StepDone | CheckpointReached | Paused | Finished | Failed

from_parent: Final = msgspec.msgpack.Decoder(FromParent)
from_child: Final = msgspec.msgpack.Decoder(FromChild)


def framed(message: FromParent | FromChild) -> bytes:
    """The message as it crosses a pipe."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, BYTE_ORDER) + body

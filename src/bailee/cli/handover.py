"""What a supervisor gives to a child at its start: role tokens and inherited sockets.

It travels over the child's standard input, which is closed behind it: neither the arguments nor
the environment of a process hold a token, and it is never written to a disk.
"""

from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from bailee.kernel.errors import InvalidInput
from bailee.kernel.redacted import Secret


class Handover(Struct, frozen=True, kw_only=True):
    """Secrets and inherited file descriptors, each by name."""

    secrets: dict[str, bytes] = field(default_factory=dict)
    descriptors: dict[str, int] = field(default_factory=dict)

    def secret(self, name: str) -> Secret | None:
        """The secret called `name`, if it was handed over."""
        return Secret(self.secrets[name]) if name in self.secrets else None

    def encoded(self) -> bytes:
        """Bytes for the child's standard input."""
        return msgspec.msgpack.encode(self)

    def __repr__(self) -> str:
        return f"Handover(secrets={sorted(self.secrets)}, descriptors={self.descriptors})"


def read_handover(stream: BinaryIO) -> Handover:
    """Read everything that the supervisor wrote.

    Raises:
        InvalidInput: if it is not a handover.
    """
    try:
        return msgspec.msgpack.decode(stream.read(), type=Handover)
    except msgspec.DecodeError as error:
        raise InvalidInput(
            "standard input holds no handover; leave out --supervised to start this process alone"
        ) from error

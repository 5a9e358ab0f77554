"""Server-sent events (HTML Standard, 9.2): cutting what arrives into whole ones, reading them."""

from collections.abc import Iterator
from typing import Final

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024


class Events:
    """Cuts what arrives into whole server-sent events."""

    __slots__ = ("rest",)

    def __init__(self) -> None:
        self.rest = b""
        """The beginning of an event whose end has not arrived."""

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that are there now, as one block; maybe empty."""
        data = self.rest + chunk if self.rest else chunk
        if data.endswith(b"\n\n"):
            self.rest = b""
            return data
        feeds, returns = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n")
        end = max(feeds + 2 if feeds >= 0 else 0, returns + 4 if returns >= 0 else 0)
        self.rest = data[end:]
        return data[:end]


def data_of(block: bytes) -> Iterator[bytes]:
    """The data of each event in a block; events without data are left out."""
    lines: list[bytes] = []
    for line in (*block.replace(b"\r\n", b"\n").split(b"\n"), b""):
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif not line and lines:
            yield b"\n".join(lines)
            lines.clear()

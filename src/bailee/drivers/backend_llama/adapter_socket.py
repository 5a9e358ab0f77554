"""Adapters over a Unix socket: many gateways, one host.

One connection carries one act. That of `use` stays open while the adapter answers and is the use
itself: a gateway that dies lets go of what it held. Frames are MessagePack behind their length in
four bytes. Only processes of this user are let in, by the socket's mode.
"""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Final

import msgspec

from bailee.drivers.backend_llama.adapters import AdapterHost
from bailee.kernel.errors import BaileeError, InvalidInput, NotYet, Unavailable
from bailee.kernel.redacted import HiddenStruct
from bailee.ports.clock import Clock

_LENGTH_BYTES: Final = 4
_MAX_FRAME_BYTES: Final = 1 << 30
_PRIVATE: Final = 0o600
_AWAY: Final = "the model runner is away; wait"


class Load(HiddenStruct, frozen=True, tag="load"):
    """Make `name` answer with this adapter."""

    name: str
    adapter: bytes

    def __repr__(self) -> str:
        return "<load>"


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """See `ports.adapters.AdapterRunner.unload_adapter`."""

    name: str


class Use(msgspec.Struct, frozen=True, tag="use"):
    """Where does it answer? It stays loaded until this connection ends."""

    name: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The act was done; `changed` is its answer where it has one."""

    changed: bool = True


class At(msgspec.Struct, frozen=True, tag="at"):
    """Where an adapter answers; empty: it is not loaded."""

    base_url: str = ""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"<at {self.base_url}>"


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The act was not done."""

    message: str
    invalid: bool = False
    retry_after_s: float | None = None


Question = Load | Unload | Use
Reply = Done | At | Refused
_questions: Final = msgspec.msgpack.Decoder(Question)
_replies: Final = msgspec.msgpack.Decoder(Reply)


class AdapterServer:
    """Answers for a host on a socket."""

    def __init__(self, host: AdapterHost) -> None:
        self._host = host
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Listen at `path`, in place of a former process's socket."""
        self._server = await asyncio.start_unix_server(self._connected, sock=_listener(path))

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            question = _questions.decode(await _read(reader))
            if isinstance(question, Use):
                await self._used(question.name, reader, writer)
            else:
                await _write(writer, await self._answer(question))
        except (EOFError, OSError, msgspec.DecodeError, asyncio.CancelledError):
            # Gone, or no longer to be understood, or this server stops.
            pass
        finally:
            writer.close()

    async def _used(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        running = self._host.use(name)
        if running is None:
            await _write(writer, At())
            return
        try:
            await _write(writer, At(running.base_url, bytes(running.api_key)))
            await reader.read(1)
        finally:
            self._host.release(name, running)

    async def _answer(self, question: Load | Unload) -> Reply:
        try:
            if isinstance(question, Load):
                await self._host.load(question.name, question.adapter)
                return Done()
            return Done(await self._host.unload(question.name))
        except NotYet as error:
            return Refused(str(error), retry_after_s=error.retry_after_s)
        except BaileeError as error:
            return Refused(str(error), isinstance(error, InvalidInput))


class AdapterSocket:
    """The host, asked from another process. Raises Unavailable when it is away."""

    def __init__(self, path: Path, clock: Clock, *, wait_s: float = 0.0) -> None:
        """`wait_s`: how long a host that is starting is waited for."""
        self._path = path
        self._clock = clock
        self._wait_s = wait_s

    async def ask(self, question: Load | Unload) -> Done:
        """Ask and get what was done. Raises InvalidInput, NotYet."""
        reply, writer = await self._asked(question)
        writer.close()
        if isinstance(reply, Done):
            return reply
        raise Unavailable(_AWAY)

    async def use(self, name: str) -> "tuple[At, asyncio.StreamWriter]":
        """Where an adapter answers; closing the writer ends the use."""
        reply, writer = await self._asked(Use(name))
        if isinstance(reply, At):
            return reply, writer
        writer.close()
        raise Unavailable(_AWAY)

    async def _asked(self, question: Question) -> tuple[Reply, asyncio.StreamWriter]:
        reader, writer = await self._connected()
        try:
            await _write(writer, question)
            reply = _replies.decode(await _read(reader))
        except (EOFError, OSError, msgspec.DecodeError):
            writer.close()
            raise Unavailable(_AWAY) from None
        except BaseException:
            writer.close()
            raise
        if not isinstance(reply, Refused):
            return reply, writer
        writer.close()
        if reply.retry_after_s is not None:
            raise NotYet(reply.message, retry_after_s=reply.retry_after_s)
        raise InvalidInput(reply.message) if reply.invalid else Unavailable(reply.message)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        deadline_s = self._clock.monotonic_s() + self._wait_s
        while True:
            with contextlib.suppress(OSError):
                return await asyncio.open_unix_connection(str(self._path))
            if self._clock.monotonic_s() >= deadline_s:
                raise Unavailable(_AWAY)
            await self._clock.sleep_s(0.1)


def _listener(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(_PRIVATE)
    except OSError:
        listener.close()
        raise
    return listener


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "little")
    if size > _MAX_FRAME_BYTES:
        raise EOFError
    return await reader.readexactly(size)


async def _write(writer: asyncio.StreamWriter, message: Question | Reply) -> None:
    body = msgspec.msgpack.encode(message)
    writer.write(len(body).to_bytes(_LENGTH_BYTES, "little") + body)
    await writer.drain()

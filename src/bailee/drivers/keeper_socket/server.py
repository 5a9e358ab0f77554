"""The keeper's side of the socket."""

import asyncio
import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import structlog
from msgspec import DecodeError, Raw, structs

from bailee.drivers.keeper_socket import messages
from bailee.kernel.errors import BaileeError, Forbidden, Unavailable
from bailee.ports.keeper import KeeperAdministration

CALLS_AT_ONCE: Final = 256
"""How many calls of one connection are worked on; further ones wait unread."""
_CREDENTIALS: Final = struct.Struct("3i")
_BACKLOG: Final = 128
_HASH_BYTES: Final = 32

log = structlog.get_logger()

_METHODS: Final = {
    kind: str(kind.__struct_config__.tag)
    for kind in (
        messages.Status,
        messages.EpochPublicKeyOf,
        messages.ScopePublicKeyOf,
        messages.CertifyBootKey,
        messages.CreateScope,
        messages.RegisterCredential,
        messages.RegisterAdministrator,
        messages.RevokeCredential,
        messages.StoreSecret,
        messages.RevealSecret,
        messages.Open,
        messages.CreateObjects,
        messages.OpenObjects,
        messages.GrantWork,
        messages.OpenGranted,
        messages.DestroyOwnObjects,
        messages.DestroyObjects,
        messages.ObjectsDue,
        messages.DestroyEpochs,
        messages.DestroyTraining,
        messages.StatementsLogged,
        messages.PendingStatements,
        messages.AcceptClock,
        messages.DestroyScopes,
    )
}


def token_hash(token: bytes) -> bytes:
    """What the server keeps of a role's token: BLAKE2b-256. Tokens are 32 random bytes."""
    return hashlib.blake2b(token, digest_size=_HASH_BYTES).digest()


def listen(path: Path, mode: int = 0o600) -> socket.socket:
    """A listening socket at `path`, replacing one that a former process left behind."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(mode)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class KeeperServer:
    """Answers for a keeper on a listening socket.

    `keeper_for` gives the keeper as a role may use it; `token_hashes` has the roles that there are.
    Only processes of `user_ids` are answered: by default this process's own user.
    """

    def __init__(
        self,
        keeper_for: Callable[[str], KeeperAdministration],
        token_hashes: Mapping[str, bytes],
        user_ids: Collection[int] | None = None,
    ) -> None:
        self._keeper_for = keeper_for
        self._token_hashes = dict(token_hashes)
        self._user_ids = frozenset((os.getuid(),) if user_ids is None else user_ids)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer. The keeper must have been started before."""
        self._server = await asyncio.start_unix_server(self._connected, sock=listener)

    async def stop(self) -> None:
        """Stop listening and end every connection; their calls are cancelled."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is answered in a task")
        self._connections.add(task)
        try:
            keeper = await self._greeted(reader, writer)
            if keeper is not None:
                await self._answer(reader, writer, keeper)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            # Gone, or no longer to be understood. msgspec's errors are ValueErrors.
            pass
        except asyncio.CancelledError:
            # `stop` ends connections this way, and asyncio reports a cancelled handler as a fault.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _greeted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> KeeperAdministration | None:
        greeting = messages.decode_greeting(await messages.read_frame(reader))
        expected = self._token_hashes.get(greeting.role, bytes(_HASH_BYTES))
        known = hmac.compare_digest(token_hash(greeting.token), expected)
        if not known or _peer_user_id(writer) not in self._user_ids:
            refusal = Forbidden("the keeper does not know this process; start it through `bailee`")
            writer.write(messages.framed(messages.encode(messages.failure_of(0, refusal))))
            await writer.drain()
            return None
        writer.write(messages.framed(messages.encode(messages.Welcome())))
        await writer.drain()
        return self._keeper_for(greeting.role)

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        keeper: KeeperAdministration,
    ) -> None:
        room = asyncio.Semaphore(CALLS_AT_ONCE)
        async with asyncio.TaskGroup() as calls:
            try:
                while True:
                    await room.acquire()
                    call = messages.decode_call(await messages.read_frame(reader))
                    task = calls.create_task(_work(writer, keeper, call))
                    task.add_done_callback(lambda _: room.release())
            except (asyncio.IncompleteReadError, ConnectionError, DecodeError, ValueError):
                # The group waits for what has begun: a destruction is not left half told.
                return


async def _work(
    writer: asyncio.StreamWriter, keeper: KeeperAdministration, call: messages.Call
) -> None:
    try:
        method = getattr(keeper, _METHODS[type(call.ask)])
        result = await method(*structs.astuple(call.ask))
        reply: messages.Reply = messages.Answer(call.number, Raw(messages.encode(result)))
    except BaileeError as error:
        reply = messages.failure_of(call.number, error)
    except Exception as error:  # noqa: BLE001 - nothing of an unforeseen error may cross
        log.error("keeper_call_failed", method=_METHODS[type(call.ask)], error=type(error).__name__)
        sorry = Unavailable("the keeper failed at this call; see its log")
        reply = messages.failure_of(call.number, sorry)
    try:
        writer.write(messages.framed(messages.encode(reply)))
        await writer.drain()
    except ConnectionError:
        return


def _peer_user_id(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user_id: int = _CREDENTIALS.unpack(raw)[1]
    return user_id

"""The other processes' side of the keeper's socket."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bailee.drivers.keeper_socket import messages
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ProjectId, Region, ScopeKeyName
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.keeper import (
    BootCertificate,
    DestructionStatement,
    EpochPublicKey,
    KeeperStatus,
    ObjectPublicKey,
    OpenPart,
    ScopePublicKey,
    SealedKey,
    TrainingScope,
    WorkGrant,
)

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0

Result = TypeVar("Result")


class KeeperClient:
    """`ports.keeper.KeeperAdministration` over the socket at `path`, in one role.

    Connects when first asked and again when the connection is lost; between failed attempts it
    says Unavailable at once, for a pause that grows to 2 s. A call that was under way when the
    connection broke says Unavailable too, and may have been carried out: every method of the port
    may be repeated. One event loop only.
    """

    def __init__(
        self, path: Path, role: str, token: bytes, clock: Clock, *, timeout_s: float = 30.0
    ) -> None:
        self._path = path
        self._greeting = messages.framed(messages.encode(messages.Greeting(role, token)))
        self._clock = clock
        self._timeout_s = timeout_s
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._pause_s = 0.0
        self._not_before_s = 0.0

    async def close(self) -> None:
        """End the connection; calls under way say Unavailable."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def status(self) -> KeeperStatus:
        """See the port."""
        return await self._ask(messages.Status(), KeeperStatus)

    async def epoch_public_key(self, name: EpochKeyName) -> EpochPublicKey:
        """See the port."""
        return await self._ask(messages.EpochPublicKeyOf(name), EpochPublicKey)

    async def scope_public_key(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._ask(messages.ScopePublicKeyOf(name), ScopePublicKey)

    async def certify_boot_key(
        self, worker: str, region: Region, public_key: bytes
    ) -> BootCertificate:
        """See the port."""
        return await self._ask(messages.CertifyBootKey(worker, region, public_key), BootCertificate)

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._ask(messages.CreateScope(name), ScopePublicKey)

    async def register_credential(
        self,
        credential: bytes,
        tenant: bytes,
        project: ProjectId,
        expires_at: Instant | None,
        authority: bytes = b"",
    ) -> None:
        """See the port."""
        message = messages.RegisterCredential(credential, tenant, project, expires_at, authority)
        await self._ask(message, type(None))

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: Instant | None, authority: bytes = b""
    ) -> None:
        """See the port."""
        message = messages.RegisterAdministrator(credential, tenant, expires_at, authority)
        await self._ask(message, type(None))

    async def revoke_credential(self, credential_id: bytes, authority: bytes = b"") -> None:
        """See the port."""
        await self._ask(messages.RevokeCredential(credential_id, authority), type(None))

    async def store_secret(self, name: str, value: bytes) -> None:
        """See the port."""
        await self._ask(messages.StoreSecret(name, value), type(None))

    async def reveal_secret(self, name: str) -> bytes:
        """See the port."""
        return await self._ask(messages.RevealSecret(name), bytes)

    async def open_part(self, request: OpenPart) -> bytes:
        """See the port."""
        return await self._ask(messages.Open(request), bytes)

    async def create_objects(
        self, names: list[ObjectKeyName], generation: int, deadline: Instant | None
    ) -> list[ObjectPublicKey]:
        """See the port."""
        return await self._ask(
            messages.CreateObjects(names, generation, deadline), list[ObjectPublicKey]
        )

    async def open_objects(self, credential: bytes, sealed: list[SealedKey]) -> list[bytes]:
        """See the port."""
        return await self._ask(messages.OpenObjects(credential, sealed), list[bytes])

    async def grant_work(
        self, credential: bytes, names: list[ObjectKeyName], work: str, not_after: Instant
    ) -> WorkGrant:
        """See the port."""
        return await self._ask(messages.GrantWork(credential, names, work, not_after), WorkGrant)

    async def open_granted(self, grant: WorkGrant, sealed: list[SealedKey]) -> list[bytes]:
        """See the port."""
        return await self._ask(messages.OpenGranted(grant, sealed), list[bytes])

    async def destroy_own_objects(
        self, credential: bytes, names: list[ObjectKeyName]
    ) -> list[DestructionStatement]:
        """See the port."""
        return await self._ask(
            messages.DestroyOwnObjects(credential, names), list[DestructionStatement]
        )

    async def destroy_objects(self, names: list[ObjectKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._ask(messages.DestroyObjects(names), list[DestructionStatement])

    async def objects_due(self, until: Instant) -> list[ObjectKeyName]:
        """See the port."""
        return await self._ask(messages.ObjectsDue(until), list[ObjectKeyName])

    async def destroy_epochs(self, names: list[EpochKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._ask(messages.DestroyEpochs(names), list[DestructionStatement])

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """See the port."""
        return await self._ask(messages.DestroyTraining(scopes), list[DestructionStatement])

    async def statements_logged(self, subjects: list[str]) -> None:
        """See the port."""
        await self._ask(messages.StatementsLogged(subjects), type(None))

    async def pending_statements(self) -> list[DestructionStatement]:
        """See the port."""
        return await self._ask(messages.PendingStatements(), list[DestructionStatement])

    async def accept_clock(self, now: Instant) -> None:
        """See the port."""
        await self._ask(messages.AcceptClock(now), type(None))

    async def destroy_scopes(self, names: list[ScopeKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._ask(messages.DestroyScopes(names), list[DestructionStatement])

    async def _ask(self, ask: messages.Ask, kind: type[Result]) -> Result:
        number = next(self._numbers)
        frame = messages.framed(messages.encode(messages.Call(number, ask)))
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                writer = await self._connected()
                if writer.is_closing():
                    # The keeper has just ended and `_read` is yet to say so; uvloop would raise
                    # RuntimeError.
                    raise ConnectionResetError
                self._waiting[number] = future
                writer.write(frame)
                await writer.drain()
                raw = await future
        except (TimeoutError, ConnectionError):
            raise Unavailable("the keeper did not answer; retry with a growing pause") from None
        finally:
            self._waiting.pop(number, None)
        return msgspec.msgpack.decode(raw, type=kind)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is not None:
                return self._writer
            if self._clock.monotonic_s() < self._not_before_s:
                raise Unavailable("the keeper is away; retry with a growing pause")
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
                await self._greet(reader, writer)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
                self._not_before_s = self._clock.monotonic_s() + self._pause_s
                raise Unavailable("the keeper is away; retry with a growing pause") from None
            self._pause_s = 0.0
            self._writer = writer
            self._reading = asyncio.create_task(self._read(reader, writer))
            return writer

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        welcomed = False
        try:
            writer.write(self._greeting)
            await writer.drain()
            reply = messages.decode_reply.decode(await messages.read_frame(reader))
            if isinstance(reply, messages.Failure):
                raise messages.error_of(reply)
            welcomed = True
        finally:
            if not welcomed:
                writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                reply = messages.decode_reply.decode(await messages.read_frame(reader))
                self._deliver(reply)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            # Gone, or no longer to be understood: whoever waits is told below.
            pass
        finally:
            self._writer = None
            writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(
                        Unavailable("the keeper went away; retry with a growing pause")
                    )

    def _deliver(self, reply: messages.Reply) -> None:
        if isinstance(reply, messages.Welcome):
            raise ValueError("a second welcome")
        future = self._waiting.get(reply.number)
        if future is None or future.done():
            return
        if isinstance(reply, messages.Failure):
            future.set_exception(messages.error_of(reply))
        else:
            future.set_result(reply.result)

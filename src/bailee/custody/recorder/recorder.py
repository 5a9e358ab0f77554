"""The recorder of one process: a gateway worker, or the worker with the lines of batches.

Promises: what `Recording.durable` acknowledged is found again after any crash (see
`custody.journal.recovery`); journals are closed within `close_after_s` and a tick, and their
closing is logged with the row that says so. While the ledger is away, journals wait for their rows
and recording goes on for `ledger_grace_s`; after that `open` fails. Disk work never runs on the
event loop. One object per process, made after the fork; it holds no key that opens anything.
"""

import asyncio
from contextlib import suppress
from typing import Final

from bailee.custody.journal.closing import closed_row, opened_row, record_closing, register
from bailee.custody.journal.recovery import Recovery
from bailee.custody.recorder.chains import Chains, Scope
from bailee.custody.recorder.keys import PublicKeys
from bailee.custody.recorder.recording import Recording
from bailee.custody.recorder.sharing import Shared, Sharing
from bailee.custody.recorder.stream import OpenJournal, Stream, Tools
from bailee.custody.seal.part import ENDPOINT_CODES, Owner
from bailee.kernel.errors import (
    BaileeError,
    DestroyedKey,
    Forbidden,
    InvalidInput,
    NotFound,
    Unavailable,
    UnknownKey,
)
from bailee.kernel.ids import Purpose, Region, ScopeKeyName
from bailee.kernel.instants import Epoch, Instant, epoch_end, epoch_of
from bailee.ports.clock import Clock
from bailee.ports.files import Files
from bailee.ports.keeper import Keeper
from bailee.ports.ledger import JournalRow, Ledger
from bailee.ports.offload import Offload
from bailee.ports.randomness import Randomness

TICK_S: Final = 1.0
RETRY_DISK_MS: Final = 1000
"""How long after a failed write nothing new is accepted."""
MEGABYTE: Final = 1024 * 1024


class Recorder:
    """Opens recordings, and looks after the journals that they go into.

    Args:
        node: the machine, as in the ledger's rows; the same after a restart.
        worker: this process, unlike every other and every earlier one.
        regions: where this worker serves; of others it records nothing.
        identity: the keeper's pinned Ed25519 public key.
        close_after_s: how long a journal stays open, at most 60.
    """

    def __init__(
        self,
        files: Files,
        offload: Offload,
        ledger: Ledger,
        keeper: Keeper,
        clock: Clock,
        randomness: Randomness,
        *,
        node: str,
        worker: str,
        regions: tuple[Region, ...],
        identity: bytes,
        purpose: Purpose = Purpose.ABUSE_MONITORING,
        close_after_s: float = 30.0,
        max_journal_bytes: int = 64 * MEGABYTE,
        max_waiting_bytes: int = 64 * MEGABYTE,
        ledger_grace_s: float = 60.0,
    ) -> None:
        if not 0 < close_after_s <= 60:
            raise InvalidInput("a journal is open for at most 60 s", field="close_after_s")
        keys = PublicKeys(
            keeper, clock, randomness, worker=worker, identity=identity, purpose=purpose
        )
        self._tools = Tools(
            files, offload, clock, randomness, keys, max_journal_bytes, max_waiting_bytes
        )
        self._keys = keys
        self._clock = clock
        self._ledger = ledger
        self._node = node
        self._regions = regions
        self._close_after_ms = close_after_s * 1000
        self._ledger_grace_ms = ledger_grace_s * 1000
        self._recovery = Recovery(files, offload, ledger, clock, node=node, identity=identity)
        self._streams: dict[tuple[Region, Epoch], Stream] = {}
        self._abandoned: list[str] = []
        self._draining = False
        self._ledger_away_since: Instant | None = None
        self._tick_running = asyncio.Lock()

    async def open(
        self,
        owner: Owner,
        scope_generation: int,
        endpoint: str,
        shared: Shared | None = None,
        *,
        expected: Epoch | None = None,
    ) -> Recording:
        """Begin a recording that arrives now; `shared`: its owner lets it serve training too.

        Training's keys being away fails no call: what cannot be sealed for it is not shared.

        Raises:
            NotFound: another epoch runs than the one that was `expected`.
            Unavailable: recording is impossible now; the request must fail.
            UnknownKey, DestroyedKey: the project may not be recorded for.
            InvalidInput: an endpoint without a code.
            Forbidden: the owner's region is not one of this worker's.
        """
        epoch = epoch_of(self._clock.now())
        if expected is not None and epoch != expected:
            raise NotFound("the half hour of this record is over")
        stream = self._streams.get((owner.region, epoch))
        if stream is None:
            stream = await self._begin_stream(owner.region, epoch)
        scope = stream.chains.scopes.get((owner.tenant, owner.project, scope_generation))
        if scope is None:
            scope = await self._begin_scope(stream, stream.chains, owner, scope_generation)
        sharing = None if shared is None else await self._begin_sharing(stream, owner, shared)
        self._check_health()
        code = ENDPOINT_CODES.get(endpoint)
        if code is None:
            raise InvalidInput("this endpoint is not recorded", field="endpoint")
        stream.check_room()
        return Recording(stream, scope, code, sharing)

    async def run(self) -> None:
        """Look after keys and journals until cancelled."""
        while True:
            await self.tick()
            await self._clock.sleep_s(TICK_S)

    async def tick(self) -> None:
        """One round of `run`: what fails is kept and tried again in the next."""
        async with self._tick_running:
            await self._refresh_keys()
            now = self._clock.now()
            for stream in list(self._streams.values()):
                self._age(stream, now)
                await self._settle(stream)
                self._forget_if_done(stream, now)
            await self._recover_abandoned()

    async def drain(self) -> None:
        """End every recording that is still open as broken, make all durable, close all journals.

        What cannot be told to the ledger now stays locked until this process ends, and is then
        settled by recovery. Raises nothing for that.
        """
        self._draining = True
        for stream in list(self._streams.values()):
            for recording in list(stream.recordings):
                with suppress(Unavailable):
                    recording.answer(b"", 0, final=True, broken=True)
        async with self._tick_running:
            for stream in list(self._streams.values()):
                stream.finish_journal()
                stream.end_session()
                await self._settle(stream)
            await self._recover_abandoned()

    def ready(self) -> str | None:
        """None, or why recording is impossible now."""
        now = self._clock.now()
        epoch = epoch_of(now)
        missing = [name for name in self._regions if not self._keys.has_epoch(name, epoch)]
        if missing:
            return f"the keeper's keys are missing in {', '.join(missing)}"
        try:
            self._check_health()
        except Unavailable as reason:
            return str(reason)
        return None

    def _check_health(self) -> None:
        failed, since = self._tools.failed_at, self._ledger_away_since
        if self._draining:
            raise Unavailable("this worker is shutting down; retry with another")
        if failed is not None and self._clock.now() - failed < RETRY_DISK_MS:
            raise Unavailable("the journal could not be written; retry in a second")
        if since is not None and self._clock.now() - since > self._ledger_grace_ms:
            raise Unavailable("the database has been away for too long; retry when it is back")

    async def _begin_stream(self, region: Region, epoch: Epoch) -> Stream:
        if region not in self._regions:
            raise Forbidden("content of another region is not recorded here; this is a defect")
        key = await self._keys.epoch(region, epoch)
        certificate = await self._keys.certificate(region)
        # Another request may have begun it meanwhile.
        return self._streams.setdefault((region, epoch), Stream(key, certificate, self._tools))

    async def _begin_scope(
        self, stream: Stream, chains: Chains, owner: Owner, generation: int
    ) -> Scope:
        purpose = chains.epoch_key.purpose
        name = ScopeKeyName(owner.region, purpose, owner.project, generation)
        key = await self._keys.scope(name)
        known = chains.scopes.get((owner.tenant, owner.project, generation))
        return known or stream.add_scope(chains, owner, name, key)

    async def _begin_sharing(self, stream: Stream, owner: Owner, shared: Shared) -> Sharing | None:
        generation = shared.generation
        try:
            chains = stream.training
            if chains is None:
                key = await self._keys.training_epoch(owner.region, stream.epoch)
                # Another request may have begun it meanwhile.
                chains = stream.training = stream.training or Chains(key, self._tools.randomness)
            scope = chains.scopes.get((owner.tenant, owner.project, generation))
            if scope is None:
                scope = await self._begin_scope(stream, chains, owner, generation)
        except (Unavailable, UnknownKey, DestroyedKey):
            return None
        return Sharing(shared, chains, scope)

    async def _refresh_keys(self) -> None:
        try:
            gone = await self._keys.refresh(self._regions)
        except BaileeError:
            return  # what is known still serves; `ready` and `open` say when it does not
        for stream in self._streams.values():
            for chains in filter(None, (stream.chains, stream.training)):
                for place, scope in list(chains.scopes.items()):
                    if scope.name in gone:
                        del chains.scopes[place]

    def _age(self, stream: Stream, now: Instant) -> None:
        journal = stream.journal
        if journal is not None and (
            journal.writer.failure is not None
            or (journal.writer.parts and now - journal.opened_at >= self._close_after_ms)
        ):
            stream.finish_journal()
        if now >= epoch_end(stream.epoch):
            stream.end_session()

    async def _settle(self, stream: Stream) -> None:
        """Close what is finished and register what is open."""
        for journal in list(stream.finished):
            if await self._close(journal):
                stream.finished.remove(journal)
        latest = stream.journal
        if latest is None or latest.registered or latest.writer.signed is None:
            return
        try:
            await register(self._ledger, self._opened(latest))
        except BaileeError:
            self._ledger_failed()
        else:
            latest.registered = True
            self._ledger_away_since = None

    async def _close(self, journal: OpenJournal) -> bool:
        """True when nothing is left to do for the journal here.

        The lock is held until the ledger knows the journal as closed, so that nobody recovers it
        meanwhile. A crash after the close frame leaves a finished file and no row, and one after
        the transaction only a lock, which dies with the process.
        """
        writer = journal.writer
        if journal.closed is None and writer.parts:
            try:
                signed = await writer.close()
            except Unavailable:
                self._tools.failed_at = self._clock.now()
                writer.release()
                self._abandoned.append(writer.path)
                return True
            self._tools.failed_at = None
            opened = self._opened(journal)
            journal.closed = closed_row(
                opened, signed, self._clock.now(), writer.size_bytes, recovered=False
            )
        if journal.closed is not None:
            try:
                await record_closing(self._ledger, self._opened(journal), *journal.closed)
            except BaileeError:
                self._ledger_failed()
                return False
            self._ledger_away_since = None
        writer.release()
        return True

    async def _recover_abandoned(self) -> None:
        for path in list(self._abandoned):
            try:
                await self._recovery.recover(path)
            except (BaileeError, OSError):
                continue  # the disk or the ledger is still away
            self._abandoned.remove(path)

    def _forget_if_done(self, stream: Stream, now: Instant) -> None:
        over = now >= epoch_end(stream.epoch)
        if over and not (stream.recordings or stream.journal or stream.finished):
            del self._streams[stream.epoch_key.region, stream.epoch]

    def _opened(self, journal: OpenJournal) -> JournalRow:
        if journal.opened is None:
            journal.opened = opened_row(journal.writer.header, self._node, journal.opened_at)
        return journal.opened

    def _ledger_failed(self) -> None:
        if self._ledger_away_since is None:
            self._ledger_away_since = self._clock.now()

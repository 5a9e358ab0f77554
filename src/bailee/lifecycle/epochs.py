"""The life of an epoch, carried through its arrows:

    open → fenced → intended → destroyed → removed → receipted

Promises: each arrow is one ledger transaction (or ends in one) that is tied to its log entry, so
that a crash anywhere leaves the epoch in front of an arrow that can be taken again; whatever the
keeper destroyed on its own while nobody watched is caught up with. Lateness is stated, never
hidden. Deliberately does not decide when an epoch is due (`kernel.instants`), hold keys (the
keeper), or speak to customers.
"""

import hashlib
from dataclasses import dataclass, field

import msgspec
import structlog

from bailee.kernel.errors import DestroyedKey
from bailee.kernel.ids import EpochKeyName, Purpose
from bailee.kernel.instants import epoch_due, from_rfc3339
from bailee.ports.clock import Clock
from bailee.ports.files import Files
from bailee.ports.keeper import DestructionStatement, Keeper
from bailee.ports.ledger import (
    EpochRow,
    EpochState,
    Ledger,
    LedgerTransaction,
    ReceiptRow,
)
from bailee.ports.objects import Objects
from bailee.transparency import entry

log = structlog.get_logger()

CARRIER = Purpose.ABUSE_MONITORING
"""Whose journals and segments hold the wraps of the purposes that die at the same instant: training
has no bytes of its own (docs/decisions/0047-consent-in-turns.md)."""
BEFORE_DESTRUCTION = frozenset({EpochState.OPEN, EpochState.FENCED, EpochState.INTENDED})


@dataclass(slots=True)
class EpochLifecycle:
    """Moves every epoch as far as it can go at the present instant."""

    ledger: Ledger
    keeper: Keeper
    objects: Objects
    files: Files
    clock: Clock
    _known: set[EpochKeyName] = field(default_factory=set)

    async def step(self, fence: tuple[str, int] | None) -> None:
        """Take every arrow that can be taken now, oldest epoch first."""
        await self._note_opened(fence)
        await self._catch_up(fence)
        await self._fence_due(fence)
        await self._state_intent(fence)
        await self._destroy(fence)
        await self._remove(fence)

    async def _note_opened(self, fence: tuple[str, int] | None) -> None:
        """The keeper makes an epoch's secret when a gateway first asks; the log learns of it here.

        A crash before the commit: the next step finds the epoch unknown again.
        """
        status = await self.keeper.status()
        names = [EpochKeyName(*live) for live in status.live_epochs]
        fresh = [name for name in names if name not in self._known]
        digests: dict[EpochKeyName, bytes] = {}
        for name in fresh:
            try:
                key = await self.keeper.epoch_public_key(name)
            except DestroyedKey:
                # Past its deadline and about to be destroyed: the log still learns that it was.
                digests[name] = bytes(32)
                continue
            digests[name] = hashlib.sha256(key.mlkem_key + key.x25519_key).digest()
        if not fresh:
            return
        now = self.clock.now()
        async with self.ledger.transaction(fence) as transaction:
            for name in fresh:
                if await transaction.add_epoch(EpochRow(name, EpochState.OPEN, now)):
                    await transaction.append_entry(
                        entry.epoch_opened(now, name, public_key_digest=digests[name])
                    )
        self._known.update(fresh)
        self._known.intersection_update(names)

    async def _catch_up(self, fence: tuple[str, int] | None) -> None:
        """Enter destructions that the keeper carried out without being asked, after downtime.

        No intent is logged for them afterwards: that would claim an order that was not kept. The
        keeper repeats its statements until it is told that the log holds them, so a crash here
        loses none.
        """
        for statement in await self.keeper.pending_statements():
            async with self.ledger.transaction(fence) as transaction:
                await self._enter_destruction(transaction, statement)

    async def _fence_due(self, fence: tuple[str, int] | None) -> None:
        """From here on nothing new is granted for the epoch. Nothing is granted for long in this
        release (an opening releases one content key), so the fence is the row alone."""
        now = self.clock.now()
        async with self.ledger.transaction(fence) as transaction:
            for row in await transaction.epochs(frozenset({EpochState.OPEN})):
                if epoch_due(row.name.epoch) <= now:
                    await transaction.move_epoch(
                        row._replace(state=EpochState.FENCED), EpochState.OPEN
                    )

    async def _state_intent(self, fence: tuple[str, int] | None) -> None:
        """The intent is committed to the outbox before the act. The log may be away: destruction
        does not wait for it, and the order of the outbox keeps the intent before the act."""
        async with self.ledger.transaction(fence) as transaction:
            rows = await transaction.epochs(frozenset({EpochState.FENCED}))
            for row in rows:
                await transaction.append_entry(
                    entry.destruction_intended(
                        self.clock.now(),
                        row.name.subject,
                        content_digest=await content_digest(transaction, row.name),
                    )
                )
                await transaction.move_epoch(
                    row._replace(state=EpochState.INTENDED), EpochState.FENCED
                )

    async def _destroy(self, fence: tuple[str, int] | None) -> None:
        """All that is intended goes in one rewriting of the keyring.

        A crash after the keeper acknowledged and before the commit: the keeper gives the same
        statements again.
        """
        async with self.ledger.transaction(fence) as transaction:
            rows = await transaction.epochs(frozenset({EpochState.INTENDED}))
        if not rows:
            return
        statements = await self.keeper.destroy_epochs([row.name for row in rows])
        generation = (await self.keeper.status()).generation
        async with self.ledger.transaction(fence) as transaction:
            for statement in statements:
                await self._enter_destruction(transaction, statement)
            await transaction.append_entry(
                entry.key_root_rolled(self.clock.now(), generation=generation)
            )
        log.info("epochs_destroyed", count=len(statements))

    async def _enter_destruction(
        self, transaction: LedgerTransaction, statement: DestructionStatement
    ) -> None:
        said = msgspec.json.decode(statement.document)
        try:
            name = EpochKeyName.parse_subject(said["subject"])
        except ValueError:
            return
        row = await transaction.epoch(name)
        if row is None:
            # Opened and destroyed between two steps of a clerk that was away.
            row = EpochRow(name, EpochState.OPEN, self.clock.now())
            await transaction.add_epoch(row)
        if row.state not in BEFORE_DESTRUCTION:
            return
        leaf = entry.destroyed(
            self.clock.now(),
            said["subject"],
            statement_digest=hashlib.sha256(statement.document).digest(),
            unusable_at=said["unusable_at"],
            irrecoverable_at=said["irrecoverable_at"],
            lateness_ms=said["lateness_ms"],
            content_digest=await content_digest(transaction, name),
        )
        await transaction.append_entry(leaf)
        await transaction.put_receipt(ReceiptRow(said["subject"], leaf, None))
        await transaction.move_epoch(
            row._replace(
                state=EpochState.DESTROYED,
                destroyed_at=from_rfc3339(said["unusable_at"]),
                statement=msgspec.json.encode(statement),
            ),
            row.state,
        )

    async def _remove(self, fence: tuple[str, int] | None) -> None:
        """Remove the bytes of what is already unreadable.

        Removing twice is harmless, so a crash between a removal and the commit costs nothing.
        """
        async with self.ledger.transaction() as transaction:
            rows = await transaction.epochs(frozenset({EpochState.DESTROYED}))
        for row in rows:
            own = row.name.purpose is CARRIER
            removed = await self._remove_bytes(row.name) if own else 0
            async with self.ledger.transaction(fence) as transaction:
                await transaction.append_entry(
                    entry.segments_removed(self.clock.now(), row.name.subject, objects=removed)
                )
                if own:
                    await transaction.forget_epoch_content(
                        row.name.region, row.name.epoch, row.name.purpose
                    )
                await transaction.move_epoch(
                    row._replace(state=EpochState.REMOVED), EpochState.DESTROYED
                )

    async def _remove_bytes(self, name: EpochKeyName) -> int:
        """Remove segments, then journals; gives how many objects and files."""
        keys = await self.objects.list(segment_folder(name))
        for key in keys:
            await self.objects.delete(key)
        folder = f"journals/{name.region}/{name.epoch}"
        paths = self.files.list(folder)
        for path in paths:
            self.files.remove(path)
        if paths:
            self.files.sync_folder(folder)
        return len(keys) + len(paths)


def segment_folder(name: EpochKeyName) -> str:
    """Where the segments of an epoch lie in the object store."""
    return f"segments/{name.region}/{name.purpose.value}/{name.epoch}"


async def content_digest(transaction: LedgerTransaction, name: EpochKeyName) -> bytes:
    """What a destruction is bound to: SHA-256 over the sorted digests of the segments that hold the
    epoch's wraps and the roots of its journals that were not packed."""
    segments = await transaction.segments(name.region, name.epoch, CARRIER)
    journals = await transaction.journals(name.region, name.epoch)
    digests = [segment.digest for segment in segments]
    digests += [journal.root for journal in journals if journal.segment is None and journal.root]
    return hashlib.sha256(b"".join(sorted(digests))).digest()

"""Deleting what is kept, carried through its arrows:

    kept → deleting → destroyed

Promises: from the first arrow on nobody finds the thing; when the owner is told that it is deleted,
its secret is gone from the keyring and the root has rolled, so that no older copy opens; the
intent is in the outbox before the act, and the destruction after it, in transactions whose crash
leaves the thing in front of an arrow that can be taken again (`finish`, by the clerk, also for
what is past its deadline or was never finished). What is a part of a thing goes with it.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

from bailee.application_state import repository
from bailee.application_state.keeping import KeptFor
from bailee.application_state.model import HeldObject
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import BaileeError, Forbidden, NotFound, NotYet
from bailee.kernel.ids import ObjectId, TenantId
from bailee.kernel.instants import HOUR_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.keeper import DestructionStatement, Keeper
from bailee.ports.objects import Objects
from bailee.transparency import entry

ABANDONED_MS: Final = HOUR_MS
"""How long content may take to arrive."""
RETRY_AFTER_S: Final = 5.0


@dataclass(slots=True)
class Deletion:
    """Ends what is kept. One for each process."""

    database: Database
    keeper: Keeper
    objects: Objects
    clock: Clock

    async def delete(self, whose: KeptFor, held: list[HeldObject]) -> None:
        """Destroy one's own things and their parts; on return nothing opens them.

        Raises:
            Unavailable: a store or the keeper is away. If the first arrow was taken, the things
                are no longer found, and the clerk goes on.
        """
        if not isinstance(whose.right, Secret):
            raise Forbidden("work under a grant deletes nothing of its owner's")
        ended = await self._intend(whose.owner.tenant, held)
        statements = await self.keeper.destroy_own_objects(whose.right, [one.name for one in ended])
        await self._enter(whose.owner.tenant, ended, statements)

    async def finish(self, _fence: tuple[str, int] | None = None) -> None:
        """One round of the clerk's: whatever has to end now, of every organisation."""
        now = self.clock.now()
        async with self.database.platform_reading() as transaction:
            ending = await repository.ending(transaction, now, Instant(now - ABANDONED_MS))
        by_tenant: dict[TenantId, list[HeldObject]] = {}
        for one in ending:
            by_tenant.setdefault(one.tenant, []).append(one)
        failed: BaileeError | None = None
        for tenant, found in by_tenant.items():
            try:
                await self._finish(tenant, found)
            except BaileeError as error:
                # One organisation's trouble keeps nobody else's things alive.
                failed = error
        await self._finish_unused(now)
        if failed is not None:
            raise failed

    async def _finish_unused(self, now: Instant) -> None:
        """Keys that were made and never used, past their deadline: they die and are logged."""
        await self.keeper.destroy_objects(await self.keeper.objects_due(now))
        for statement in await self.keeper.pending_statements():
            said = msgspec.json.decode(statement.document)
            kind, _, rest = said["subject"].partition("/")
            if kind != "object":
                continue
            name = ObjectId(bytes.fromhex(rest.rpartition("/")[2]))
            async with self.database.platform_reading() as transaction:
                if await repository.is_known(transaction, name):
                    continue
            leaf = _destroyed_leaf(self.clock.now(), statement, hashlib.sha256(b"").digest())
            signed = msgspec.json.encode(statement)
            async with self.database.transaction(None) as transaction:
                if await repository.add_receipt(transaction, said["subject"], leaf, signed):
                    await transaction.append_entry(leaf)

    async def receipt(self, owner: Owner, public_id: str) -> bytes:
        """The receipt of a deletion, for whose thing it was: canonical JSON.

        Raises:
            NotFound: nothing of this name was deleted. NotYet: the log does not cover it yet.
        """
        async with self.database.transaction(owner.tenant) as transaction:
            gone = await repository.destroyed(transaction, owner.project, public_id)
            found = None
            if gone is not None:
                found = await repository.receipt(transaction, gone.name.subject)
        if gone is None:
            raise NotFound("Nothing of this name was deleted in this project.")
        if found is None:
            raise NotYet(
                "The log does not cover this deletion yet. Ask again in a few seconds.",
                retry_after_s=RETRY_AFTER_S,
            )
        return found

    async def _finish(self, tenant: TenantId, found: list[HeldObject]) -> None:
        more = await self._intend(tenant, found)
        ended = {one.object: one for one in (*found, *more)}
        names = [one.name for one in ended.values()]
        statements = await self.keeper.destroy_objects(names)
        await self._enter(tenant, list(ended.values()), statements)

    async def _intend(self, tenant: TenantId, held: list[HeldObject]) -> list[HeldObject]:
        """The first arrow: nobody finds the things, and the intent is on its way to the log."""
        async with self.database.transaction(tenant) as transaction:
            ended = await repository.mark_deleting(transaction, [one.object for one in held])
            for one in ended:
                await transaction.append_entry(
                    entry.destruction_intended(
                        self.clock.now(), one.name.subject, content_digest=_digest(one)
                    )
                )
        return ended

    async def _enter(
        self, tenant: TenantId, ended: list[HeldObject], statements: list[DestructionStatement]
    ) -> None:
        """The second: secrets are gone. Bytes go after the row says so; that may be repeated."""
        said = {
            msgspec.json.decode(statement.document)["subject"]: statement
            for statement in statements
        }
        for one in ended:
            if one.name.subject not in said:
                # The log has it, and a crash kept the row from saying so: destroyed before.
                if one.digest is not None:
                    await self.objects.delete(one.blob)
                await self._close(tenant, one)
                continue
            statement = said[one.name.subject]
            leaf = _destroyed_leaf(self.clock.now(), statement, _digest(one))
            await self.objects.delete(one.blob)
            async with self.database.transaction(tenant) as transaction:
                if await repository.mark_destroyed(transaction, one.object, self.clock.now()):
                    await transaction.append_entry(leaf)
                    signed = msgspec.json.encode(statement)
                    await repository.add_receipt(transaction, one.name.subject, leaf, signed)

    async def _close(self, tenant: TenantId, one: HeldObject) -> None:
        async with self.database.transaction(tenant) as transaction:
            await repository.mark_destroyed(transaction, one.object, self.clock.now())


def _destroyed_leaf(now: Instant, statement: DestructionStatement, content_digest: bytes) -> bytes:
    said = msgspec.json.decode(statement.document)
    return entry.destroyed(
        now,
        said["subject"],
        statement_digest=hashlib.sha256(statement.document).digest(),
        unusable_at=said["unusable_at"],
        irrecoverable_at=said["irrecoverable_at"],
        lateness_ms=said["lateness_ms"],
        content_digest=content_digest,
    )


def _digest(held: HeldObject) -> bytes:
    """What a deletion is bound to: the digest of the content as stored, or of sealed details."""
    return held.digest or hashlib.sha256(held.details).digest()

"""Destroying what was shared, once sharing has ended:

    stood → ended → destroyed → begun anew

Promises: a project whose sharing ended is found here until the secret of its scope for training has
left the keyring, the root has rolled, and the log and a receipt say so; then, and only then, may it
share again, under the next generation. Each arrow can crash: *ended* follows from the ledger's own
turns, and whoever comes next, the command again or the clerk, takes the arrow again. A crash after
the keeper destroyed and before the commit: the keeper repeats its statement until the log holds it.

The withdrawal's own entry, in the outbox before, is the intent. What is sealed to the scope lies in
segments with everything else of its half hour, and goes with them.
"""

import hashlib

import msgspec

from bailee.governance.consent import repository
from bailee.governance.consent.model import ended
from bailee.governance.consent.repository import Ending
from bailee.kernel.errors import BaileeError, NotYet, Unavailable
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.turns import effective
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.keeper import DestructionStatement, TrainingDestroyer, TrainingScope
from bailee.transparency import entry

RETRY_AFTER_S = 2.0
_SETTLED_MS = 5_000
"""How long a command is left alone before the clerk finishes for it."""


class SharingEnd:
    """Finishes withdrawals. One for each process."""

    def __init__(self, database: Database, keeper: TrainingDestroyer, clock: Clock) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock

    async def finish(self, tenant: TenantId, until: Instant) -> list[str]:
        """Destroy what was shared by projects whose sharing ended by then; what receipts call it.

        Whoever asks has waited until nobody seals to it any more: `until` has passed in every
        worker. Raises Unavailable when the keeper or the database is away: ask again, or leave it
        to the clerk.
        """
        async with self._database.transaction(tenant) as transaction:
            found = await repository.endings(transaction)
        return await self._finish([one for one in found if _ended_by(one, until)])

    async def require_finished(self, tenant: TenantId, project: ProjectId | None) -> None:
        """Return if whoever shares now begins anew. Raises NotYet while a withdrawal goes on."""
        async with self._database.transaction(tenant) as transaction:
            found = await repository.endings(transaction)
        if any(_ended(one) for one in found if project in (None, one.project)):
            raise NotYet(
                "An earlier withdrawal is being finished. Repeat this in a few seconds.",
                retry_after_s=RETRY_AFTER_S,
            )

    async def settle(self, _fence: tuple[str, int] | None = None) -> None:
        """One round of the clerk's: what commands left behind, of every organisation.

        Raises the last failure, after trying everything.
        """
        before = self._clock.now() - _SETTLED_MS
        async with self._database.platform_reading() as transaction:
            found = await repository.endings(transaction)
        failed: BaileeError | None = None
        for one in found:
            if not _ended_by(one, Instant(before)):
                continue
            try:
                await self._finish([one])
            except BaileeError as error:
                # One organisation's trouble keeps nobody else's secrets alive.
                failed = error
        if failed is not None:
            raise failed

    async def _finish(self, found: list[Ending]) -> list[str]:
        """All of them in one rewriting of the keyring."""
        scopes: list[tuple[Ending, Instant, TrainingScope]] = []
        for one in found:
            turn = _ended(one)
            if turn is None:
                continue
            ended_at, shared = turn
            async with self._database.transaction(one.tenant) as transaction:
                if not shared:
                    # It only ever said that it does not share: there is nothing to destroy.
                    await self._close(transaction, one, one.generation, ended_at)
                    continue
                scopes.append((one, ended_at, await _scope(transaction, one)))
        if not scopes:
            return []
        statements = await self._keeper.destroy_training([scope for _, _, scope in scopes])
        said = {msgspec.json.decode(word.document)["subject"]: word for word in statements}
        for one, ended_at, scope in scopes:
            async with self._database.transaction(one.tenant) as transaction:
                await self._enter(transaction, scope.subject, said.get(scope.subject))
                await self._close(transaction, one, one.generation + 1, ended_at)
        return [scope.subject for _, _, scope in scopes]

    async def _enter(
        self,
        transaction: DatabaseTransaction,
        subject: str,
        statement: DestructionStatement | None,
    ) -> None:
        """Log the destruction with the receipt that it awaits, unless that was done before."""
        if statement is None:
            if not await repository.has_receipt(transaction, subject):
                raise Unavailable("The keeper has not said that it destroyed this. Ask it again.")
            return
        said = msgspec.json.decode(statement.document)
        leaf = entry.destroyed(
            self._clock.now(),
            subject,
            statement_digest=hashlib.sha256(statement.document).digest(),
            unusable_at=said["unusable_at"],
            irrecoverable_at=said["irrecoverable_at"],
            lateness_ms=said["lateness_ms"],
            content_digest=hashlib.sha256(b"").digest(),
        )
        signed = msgspec.json.encode(statement)
        if await repository.add_receipt(transaction, subject, leaf, signed):
            await transaction.append_entry(leaf)

    async def _close(
        self, transaction: DatabaseTransaction, one: Ending, generation: int, ended_at: Instant
    ) -> None:
        """Unless another was first: the clerk and a command may finish side by side."""
        if await repository.lock_ending(transaction, one.project) == one.generation:
            await repository.finish_ending(transaction, one.project, generation, ended_at)


def _ended(one: Ending) -> tuple[Instant, bool] | None:
    return ended(effective(one.organisation, one.own), one.ended_at)


def _ended_by(one: Ending, until: Instant) -> bool:
    turn = _ended(one)
    return turn is not None and turn[0] <= until


async def _scope(transaction: DatabaseTransaction, one: Ending) -> TrainingScope:
    generation = one.generation.to_bytes(4, "big")
    reference = await transaction.reference(b"training", one.project, generation)
    return TrainingScope(one.region, one.project, one.generation, reference)

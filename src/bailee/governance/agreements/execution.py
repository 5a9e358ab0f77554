"""The clerk's part: documents, execution, notices, and what newer agreements supersede.

Promises: an agreement that both have signed is executed by the next tick, in one transaction with
its document, its log entry and its audit event; it is taken up again after a crash anywhere, and
one that cannot be typeset keeps no other from being executed. The key that seals is the clerk's
alone (docs/decisions), which answers no customer.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import structlog

from bailee.governance.agreements import repository
from bailee.governance.agreements.document import document_of
from bailee.governance.agreements.events import AGREEMENT, event
from bailee.governance.agreements.model import Agreement, Ended, Kind, State, Step, may
from bailee.governance.agreements.templates import Library
from bailee.governance.agreements.versions import offered, outstanding_of
from bailee.kernel.errors import BaileeError
from bailee.kernel.ids import handle_text
from bailee.kernel.instants import to_rfc3339
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.documents import Documents
from bailee.ports.offload import Offload
from bailee.transparency import entry

log = structlog.get_logger()

_BY_NEWER: Final = "superseded by a newer agreement"
_BY_NOTICE: Final = "superseded when the notice of a newer version ended"
_ACTOR: Final = "operator"


class Execution:
    """Carries agreements on, in the role `clerk`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        documents: Documents,
        offload: Offload,
        library: Library,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._documents = documents
        self._offload = offload
        self._library = library

    async def step(self, _fence: tuple[str, int] | None) -> None:
        """One round. Raises Unavailable while the database is away.

        Needs no fence: each agreement is locked while it is carried on.
        """
        async with self._database.platform_reading() as reading:
            signed = await repository.in_state(reading, {State.COUNTERSIGNED})
            executed = await repository.in_state(reading, {State.EXECUTED})
        for row in signed:
            await self._attempt(row)
        if executed:
            await self._notices(executed)

    async def _attempt(self, row: Agreement) -> None:
        try:
            await self._execute(row)
        except BaileeError as error:
            name = handle_text(AGREEMENT, row.agreement)
            log.error("agreement_not_executed", agreement=name, reason=str(error))

    async def _execute(self, row: Agreement) -> None:
        template = self._library.one(row.kind, row.version)
        now = self._clock.now()
        document = document_of(row, template, now)
        pdf = await self._offload.run(lambda: self._documents.signed(document))
        digest = hashlib.sha256(pdf).digest()
        async with self._database.transaction(row.tenant) as transaction:
            found = await repository.one(transaction, row.agreement, lock=True)
            if found is None or not may(Step.EXECUTE, found.state, reviewed=template.review):
                return
            executed = found._replace(state=State.EXECUTED, executed_at=now, document_digest=digest)
            for older in await repository.in_state(transaction, {State.EXECUTED}, lock=True):
                if older.kind is row.kind:
                    await self._supersede(transaction, older, _BY_NEWER)
            await repository.execute(transaction, executed, pdf)
            await transaction.append_entry(
                entry.agreement_executed(
                    now,
                    await transaction.reference(b"organisation"),
                    kind=row.kind.value,
                    text=row.version,
                    document_digest=digest,
                )
            )
            more = {"document_sha256": digest.hex()}
            await self._audit.write(transaction, event("executed", executed, **more))

    async def _notices(self, executed: Sequence[Agreement]) -> None:
        """Tell of newer versions; end what the notice has ended for."""
        now = self._clock.now()
        async with self._database.transaction(None) as transaction:
            current = {kind: await offered(transaction, self._library, kind) for kind in Kind}
        for row in executed:
            if row.terminating:
                await self._terminate(row)
                continue
            due = outstanding_of(row, current[row.kind])
            if due is None:
                continue
            async with self._database.transaction(row.tenant) as transaction:
                found = await repository.one(transaction, row.agreement, lock=True)
                if found is None or found.state is not State.EXECUTED:
                    continue
                until = found.in_force_until
                if until is None:
                    until = due.in_force_until
                    await repository.give_notice(transaction, row.agreement, until)
                    more = {
                        "newer_version": current[row.kind].template.version,
                        "in_force_until": to_rfc3339(until),
                    }
                    await self._audit.write(transaction, event("notice_given", found, **more))
                if now >= until:
                    await self._supersede(transaction, found, _BY_NOTICE)

    async def _terminate(self, row: Agreement) -> None:
        """End an agreement whose termination was declared, once the notice has passed."""
        async with self._database.transaction(row.tenant) as transaction:
            found = await repository.one(transaction, row.agreement, lock=True)
            if found is None or not found.terminating or found.in_force(self._clock.now()):
                return
            terminated = found._replace(state=State.TERMINATED)
            await repository.supersede(transaction, terminated)
            await self._audit.write(transaction, event("terminated", terminated))

    async def _supersede(
        self, transaction: DatabaseTransaction, row: Agreement, reasons: str
    ) -> None:
        """Who gave notice of its termination before, and why, stays: it is kept nowhere else."""
        ended = row.ended or Ended(_ACTOR, self._clock.now(), reasons)
        superseded = row._replace(state=State.SUPERSEDED, ended=ended)
        await repository.supersede(transaction, superseded)
        await self._audit.write(transaction, event("superseded", superseded))

"""Importing dated records, one at a time.

Promises: the version that was in force when a record was submitted governs it, whatever was in
force since; its deadline counts from its submission, never from the import; what would be gone by
now is counted and its content not kept. A zero-retention project of today gets no content either.

Content is sealed only while the half hour of its submission runs. To one that is over nothing can
be sealed that anybody could open: the keeper opens no part whose worker was certified after the
part's half hour, so that nobody can give records an earlier date. Such content is left out, and
the outcome says so. What is not imported at all: application state and shared content.
"""

from collections.abc import Awaitable, Callable

from bailee.custody.seal.part import ENDPOINT_CODES
from bailee.governance.imports import repository
from bailee.governance.imports.model import DatedRecord, Imported, ImportedProject, Outcome
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, Purpose, RecordId, parse_project
from bailee.kernel.instants import DAY_MS, Epoch, Instant, epoch_of, from_rfc3339
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.policy.decide import decide
from bailee.policy.history import PolicyHistory
from bailee.policy.model import Decision, Facts, RetentionMode
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database

Seal = Callable[[ImportedProject, DatedRecord, Epoch], Awaitable[RecordId | None]]
"""Seals request and answer in a half hour, durably; None if it is over. Raises Unavailable."""


class Imports:
    """Imports records of every organisation, in the role `administrator`."""

    def __init__(
        self, database: Database, clock: Clock, audit: Audit, actor: Actor, seal: Seal
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._actor = actor
        self._seal = seal
        self._projects: dict[ProjectId, ImportedProject] = {}
        self._counts: dict[ProjectId, int] = {}

    async def begin(self) -> None:
        """Look at what projects there are. Raises Forbidden."""
        require(self._actor, "records.import", None, self._clock.now())
        async with self._database.platform_reading() as reading:
            found = await repository.projects(reading)
        self._projects = {project.project: project for project in found}

    async def take(self, policies: PolicyHistory, line: DatedRecord) -> Imported:
        """Import one record; what it came to is durable on return.

        Raises:
            InvalidInput: it cannot be one, as its message says without quoting it.
            NotFound: there is no such active project.
            Unavailable: the keeper, the disk or the database is away; nothing was imported.
        """
        now = self._clock.now()
        project, facts = self._facts(line, now)
        decision = decide(policies, facts)
        outcome, until = self._outcome(decision, facts, project, now)
        record = None
        if outcome is Outcome.SEALED:
            record = await self._seal(project, line, decision.epoch)
            if record is None:
                outcome = Outcome.NO_KEY
        imported = Imported(outcome, decision.policy_version, facts.service, until, record)
        async with self._database.transaction(project.tenant) as transaction:
            day = facts.submitted_at // DAY_MS
            await repository.count(transaction, project, day, facts.endpoint, imported)
        self._counts[project.project] = self._counts.get(project.project, 0) + 1
        return imported

    async def end(self) -> None:
        """Write to each organisation's audit log what was imported for it."""
        for identifier, records in self._counts.items():
            project = self._projects[identifier]
            details = {"records": records}
            async with self._database.transaction(project.tenant) as transaction:
                event = AuditEvent(
                    "records.imported", project.tenant, identifier.hex(), details, identifier
                )
                await self._audit.write(transaction, event)
        self._counts.clear()

    def _facts(self, line: DatedRecord, now: Instant) -> tuple[ImportedProject, Facts]:
        try:
            submitted_at = from_rfc3339(line.submitted_at)
        except ValueError:
            submitted_at = Instant(-1)
        if not 0 <= submitted_at <= now:
            raise InvalidInput(
                "submitted_at is no past instant since 1970; write it as 2026-11-23T07:30:00Z",
                field="submitted_at",
            )
        try:
            project = self._projects.get(parse_project(line.project))
        except ValueError:
            project = None
        if project is None or not project.active:
            raise NotFound("there is no such active project; `bailee projects list` shows them")
        if line.endpoint not in ENDPOINT_CODES:
            known = ", ".join(sorted(ENDPOINT_CODES))
            raise InvalidInput(f"records are of {known}", field="endpoint")
        if not 100 <= line.status <= 599:
            raise InvalidInput("a status is from 100 to 599", field="status")
        facts = Facts(
            service=project.service,
            endpoint=line.endpoint,
            region=project.owner.region,
            submitted_at=submitted_at,
            retention_mode=line.retention_mode,
            sharing_consent=line.sharing_consent,
            improvement_opt_out=line.improvement_opt_out,
            protected_health=line.protected_health,
            store_requested=line.store,
        )
        return project, facts

    def _outcome(
        self, decision: Decision, facts: Facts, project: ImportedProject, now: Instant
    ) -> tuple[Outcome, Instant | None]:
        if not decision.allowed:
            return Outcome.REFUSED, None
        monitored = [one for one in decision.handlings if one.purpose is Purpose.ABUSE_MONITORING]
        if not monitored or project.retention_mode is not RetentionMode.DEFAULT:
            return Outcome.NOTHING_KEPT, None
        until = monitored[0].until
        if until is not None and until <= now:
            return Outcome.PAST_DEADLINE, until
        if epoch_of(facts.submitted_at) != epoch_of(now):
            return Outcome.NO_KEY, until
        return Outcome.SEALED, until

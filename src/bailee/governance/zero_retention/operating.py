"""What the operator does at the machine: set a mode without an application, verify a domain.

Whoever runs the installation for themselves need not apply to themselves. The command is their
word: it is written down as an approval that they gave, in the audit log and in the transparency
log like any other, is reviewed and revoked like any other, and ends when they set the default.
"""

import re
from typing import Final

from bailee.governance.zero_retention import events, repository
from bailee.governance.zero_retention.assessment import OPERATORS_OWN
from bailee.governance.zero_retention.model import (
    MODES,
    REVIEW_MS,
    STANDING,
    Application,
    VerifiedDomain,
)
from bailee.governance.zero_retention.service import (
    approved_entry,
    locked,
    revoked,
)
from bailee.governance.zero_retention.standing import begun, end_unapproved, permitted
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.policy.model import RetentionMode
from bailee.ports.acknowledgement import Acknowledgement
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

_ID_BYTES: Final = 16
_BY_COMMAND: Final = "Set by the operator on the machine."
_DOMAIN_MAX: Final = 253
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}", re.ASCII)


class OperatorsRetention:
    """The operator's commands on modes and domains, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
        actor: Actor,
        acknowledgement: Acknowledgement,
        grace_ms: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit
        self._actor = actor
        self._acknowledgement = acknowledgement
        self._grace_ms = grace_ms

    async def set_mode(
        self, tenant: TenantId, project: ProjectId | None, mode: RetentionMode | None
    ) -> None:
        """Set the mode of a project (None: the organisation's holds), or of the organisation.

        On return it is in force in every gateway worker.

        Raises:
            Forbidden: the actor is not the operator.
            NotFound: there is no such organisation or project.
            Conflict: the project is archived.
            Unavailable: as `Acknowledgement.everywhere`; the command holds.
        """
        now = self._clock.now()
        require(self._actor, "zero_retention.set", tenant, now)
        async with self._database.transaction(tenant) as transaction:
            await locked(transaction, tenant, project)
            known = await repository.applications(transaction)
            approval = None
            if mode is None or mode not in MODES:
                await self._end_own(transaction, known, project, now)
            elif not permitted(known, project, mode, now):
                approval = await self._approve(transaction, tenant, project, mode, now)
            await repository.set_mode(transaction, tenant, project, mode)
            await self._audit.write(transaction, events.mode_set(tenant, project, mode))
            await end_unapproved(transaction, self._audit, tenant, now)
        await self._acknowledgement.everywhere(self._grace_ms)
        if approval is not None:
            async with self._database.transaction(tenant) as transaction:
                await begun(transaction, self._audit, approval, self._clock.now())

    async def verify_domain(self, tenant: TenantId, domain: str) -> VerifiedDomain:
        """Note that a domain is the organisation's, on the operator's word. Repeatable.

        Nothing is looked up: how the operator came to know is theirs to answer for.

        Raises:
            Forbidden: the actor is not the operator.
            InvalidInput: that is no domain name.
            NotFound: there is no such organisation.
        """
        now = self._clock.now()
        require(self._actor, "organisation.verify_domain", tenant, now)
        name = domain.lower().removesuffix(".")
        if len(name) > _DOMAIN_MAX or _DOMAIN.fullmatch(name) is None:
            raise InvalidInput(
                "A domain is a name such as example.org, in ASCII (xn--… for others).",
                field="domain",
            )
        row = VerifiedDomain(tenant, name, now, self._actor.identifier)
        async with self._database.transaction(tenant) as transaction:
            await locked(transaction, tenant, None)
            if await repository.add_domain(transaction, row):
                await self._audit.write(transaction, events.domain_verified(tenant, name))
            found = await repository.domains(transaction)
        return next(one for one in found if one.domain == name)

    async def _approve(
        self,
        transaction: DatabaseTransaction,
        tenant: TenantId,
        project: ProjectId | None,
        mode: RetentionMode,
        now: Instant,
    ) -> Application:
        name = self._actor.identifier
        row = Application(
            application=self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            project=project,
            mode=mode,
            category=OPERATORS_OWN,
            use_case=_BY_COMMAND,
            created_at=now,
            created_by=name,
            decided_at=now,
            decided_by=name,
            approved=True,
            reasons=_BY_COMMAND,
            since=now,
            review_at=Instant(now + REVIEW_MS),
        )
        await repository.put(transaction, row)
        await transaction.append_entry(await approved_entry(transaction, row, now))
        await self._audit.write(transaction, events.event("approved", row))
        return row

    async def _end_own(
        self,
        transaction: DatabaseTransaction,
        known: list[Application],
        project: ProjectId | None,
        now: Instant,
    ) -> None:
        for row in known:
            own = row.category == OPERATORS_OWN and row.project == project
            if own and row.state(now) in STANDING:
                ended = row._replace(
                    revoked_at=now,
                    revoked_by=self._actor.identifier,
                    revocation_reasons=_BY_COMMAND,
                )
                await revoked(transaction, self._audit, ended, now)

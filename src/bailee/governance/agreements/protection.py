"""Putting a project under the business associate agreement (C16).

It holds in every gateway worker when the command returns. There is no way back: a project that may
hold protected health information stays protected until it is archived.
"""

from bailee.governance.agreements import repository
from bailee.governance.agreements.errors import not_in_force, terminating
from bailee.governance.agreements.events import protected
from bailee.governance.agreements.model import Kind
from bailee.governance.agreements.standing import in_force
from bailee.kernel.errors import Conflict, NotFound
from bailee.kernel.ids import ProjectId, TenantId
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.ports.acknowledgement import LEASE_MS, Acknowledgement
from bailee.ports.audit import Audit
from bailee.ports.clock import Clock
from bailee.ports.database import Database


class Protection:
    """Protects projects on behalf of one actor, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        actor: Actor,
        acknowledgement: Acknowledgement,
        lapse_ms: int = LEASE_MS,
    ) -> None:
        """`lapse_ms`: how long a worker that went silent may go on as if nothing was protected."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._actor = actor
        self._acknowledgement = acknowledgement
        self._lapse_ms = lapse_ms

    async def protect(self, tenant: TenantId, project: ProjectId) -> None:
        """Refuse from now on what the agreement does not cover; again is the same.

        Raises:
            Forbidden: the actor may not administer the organisation.
            NotFound: the organisation has no such project.
            Conflict: no business associate agreement is in force, or notice of its termination
                was given; or the project is archived.
        """
        now = self._clock.now()
        require(self._actor, "organisation.administer", tenant, now)
        async with self._database.transaction(tenant) as transaction:
            agreement = await in_force(transaction, Kind.BUSINESS_ASSOCIATE_AGREEMENT, now)
            enterprise = await in_force(transaction, Kind.ENTERPRISE_AGREEMENT, now)
            if agreement is None or enterprise is None:
                raise not_in_force(
                    Kind.BUSINESS_ASSOCIATE_AGREEMENT
                    if agreement is None
                    else Kind.ENTERPRISE_AGREEMENT
                )
            if agreement.terminating or enterprise.terminating:
                raise terminating(agreement if agreement.terminating else enterprise)
            status = await repository.project_status(transaction, project)
            if status is None:
                raise NotFound("There is no such project. List the organisation's projects.")
            if status == "archived":
                raise Conflict("The project is archived. It cannot be changed any more.")
            await repository.protect(transaction, project)
            await self._audit.write(transaction, protected(agreement, project))
        await self._acknowledgement.everywhere(self._lapse_ms)

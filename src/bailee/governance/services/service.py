"""Commands on services: registering one, and putting a project under it.

Promises: when `put_project` returns, every gateway worker decides by the new service's policy; what
was submitted before obeys the policy that governed then. A project whose service has no policy in
force is refused every call, and never governed by the API's (C11). A service is never renamed or
removed: decisions cite it.
"""

import re
from typing import Final

from bailee.governance.services import repository
from bailee.governance.services.model import Service
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId, project_text
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.policy.decide import API_SERVICE
from bailee.ports.acknowledgement import Acknowledgement
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TITLE_MAX: Final = 100
_ACTION: Final = "service.administer"


class Services:
    """The registry of services, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        acknowledgement: Acknowledgement,
        actor: Actor,
        *,
        grace_ms: int,
    ) -> None:
        """`grace_ms` is how long a gateway worker acts on what it knew while it hears nothing."""
        self._database = database
        self._clock = clock
        self._audit = audit
        self._acknowledgement = acknowledgement
        self._actor = actor
        self._grace_ms = grace_ms

    async def all(self) -> list[Service]:
        """Every service beside the API. Public."""
        async with self._database.transaction(None) as transaction:
            return await repository.services(transaction)

    async def register(self, service: str, english: str, korean: str) -> Service:
        """Register a service. Its policy is drafted and published like the API's.

        The audit log of the operator's own organisation tells of it, as soon as there is one.

        Raises:
            InvalidInput: a name or a title that cannot be.
            Conflict: there is a service of that name.
        """
        now = self._clock.now()
        require(self._actor, _ACTION, None, now)
        if _NAME.fullmatch(service) is None:
            raise InvalidInput(
                "A service's name has 1 to 32 of a-z, 0-9 and `-`, beginning with a letter.",
                field="service",
            )
        for field, title in (("english", english), ("korean", korean)):
            if not title.strip() or len(title) > _TITLE_MAX or not title.isprintable():
                raise InvalidInput(
                    f"A title has 1 to {_TITLE_MAX} printable characters.", field=field
                )
        if not any("가" <= sign <= "힣" for sign in korean):
            raise InvalidInput("Write the Korean title in Korean.", field="korean")
        row = Service(service, english, korean, self._actor.identifier, now)
        known = Conflict("There is a service of this name. List the services.")
        if service == API_SERVICE:
            raise known
        tenant = self._actor.tenant
        if tenant is None:
            async with self._database.platform_reading() as reading:
                tenant = await repository.house(reading)
        async with self._database.transaction(tenant) as transaction:
            if any(one.service == service for one in await repository.services(transaction)):
                raise known
            await repository.add(transaction, row)
            if tenant is not None:
                event = AuditEvent("service.registered", tenant, service, {"id": service})
                await self._audit.write(transaction, event)
        return row

    async def put_project(self, tenant: TenantId, project: ProjectId, service: str) -> None:
        """Put a project under a service, or back under `api`; holds everywhere on return.

        Raises:
            NotFound: there is no such service or project.
            Unavailable: the database is away; what was committed holds, perhaps not everywhere.
        """
        now = self._clock.now()
        require(self._actor, _ACTION, tenant, now)
        async with self._database.transaction(tenant) as transaction:
            known = {one.service for one in await repository.services(transaction)}
            if service not in known | {API_SERVICE}:
                raise NotFound("There is no such service. Register it first.")
            if not await repository.put_project_under(transaction, project, service, now):
                raise NotFound("There is no such project. List the organisation's projects.")
            details = {"id": project_text(project), "changes_requested": {"service": service}}
            event = AuditEvent("project.updated", tenant, project_text(project), details, project)
            await self._audit.write(transaction, event)
        await self._acknowledgement.everywhere(self._grace_ms)

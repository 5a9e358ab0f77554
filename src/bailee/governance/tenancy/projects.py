"""What an organisation changes of itself, its projects and their service accounts.

Each command is one transaction with its audit event, and holds in every gateway worker within 1 s
of return. Creating projects and keys, which the keeper takes part in, is `service`'s. A change of
the retention mode governs what is submitted from then on: what is held already keeps its deadline.
A mode other than the default is set only while an approval stands for it (C08); whoever has one may
go back and forth.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from bailee.governance.tenancy import repository
from bailee.governance.tenancy.model import (
    ApiKey,
    CreatedKey,
    Limits,
    Organisation,
    Project,
    ServiceAccount,
    Status,
)
from bailee.governance.tenancy.service import Tenancy, check_limits, name_taken
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId, handle_text, project_text, tenant_text
from bailee.kernel.instants import Instant
from bailee.kernel.names import checked_name
from bailee.policy.model import RetentionMode
from bailee.ports.audit import Audit, AuditEvent, Details
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness
from bailee.ports.retention_approvals import RetentionApprovals

SERVICE_ACCOUNT: Final = "svc_acct_"
_RATE_LIMIT: Final = "rl_"
_ID_BYTES: Final = 16
_MODELS_MAX: Final = 1000


class Projects:
    """Commands on one organisation, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        approvals: RetentionApprovals,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._approvals = approvals

    async def organisation(self, tenant: TenantId) -> Organisation:
        """The organisation. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            return await _organisation(transaction)

    async def project(self, tenant: TenantId, project: ProjectId) -> Project:
        """One project of the organisation. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            return await _project(transaction, project)

    async def rename(self, tenant: TenantId, project: ProjectId, name: str) -> Project:
        """Call a project something else. Raises NotFound, Conflict, InvalidInput."""
        checked_name(name)
        changes = {"title": name}
        return await self._change(
            tenant, project, lambda row: row._replace(name=name), "project.updated", changes
        )

    async def archive(self, tenant: TenantId, project: ProjectId) -> Project:
        """End a project for good: its keys may end what it keeps, and do nothing else.

        Raises NotFound, Conflict if it ended.
        """
        now = self._clock.now()

        def archived(row: Project) -> Project:
            return row._replace(status=Status.ARCHIVED, archived_at=now)

        return await self._change(tenant, project, archived, "project.archived", None)

    async def set_status(self, tenant: TenantId, project: ProjectId, status: Status) -> Project:
        """Suspend a project or make it active again. Raises NotFound, Conflict, InvalidInput."""
        if status is Status.ARCHIVED:
            raise InvalidInput("Archiving cannot be undone; ask for it by name.", field="status")
        changes = {"status": status.value}
        return await self._change(
            tenant, project, lambda row: row._replace(status=status), "project.updated", changes
        )

    async def set_retention(
        self,
        tenant: TenantId,
        project: ProjectId,
        mode: RetentionMode | None,
        *,
        reject_store: bool | None = None,
    ) -> Project:
        """Set a project's retention mode; None: the organisation's.

        `reject_store`, where given: whether to refuse calls that ask for storing what may not be.

        Raises:
            NotFound: the organisation has no such project.
            Forbidden: no approval stands for the mode.
            Conflict: the project is archived.
        """

        async def permit(transaction: DatabaseTransaction, before: Project) -> None:
            if mode not in (None, RetentionMode.DEFAULT, before.retention_mode):
                await self._approvals.require(transaction, project, mode.value)

        def changed(row: Project) -> Project:
            reject = row.reject_store if reject_store is None else reject_store
            return row._replace(retention_mode=mode, reject_store=reject)

        changes: dict[str, object] = {
            "data_retention": "organization_default" if mode is None else mode.value
        }
        if reject_store is not None:
            changes["store"] = "reject" if reject_store else "coerce"
        return await self._change(
            tenant, project, changed, "project.updated", changes, permit=permit
        )

    async def set_organisation_retention(
        self, tenant: TenantId, mode: RetentionMode
    ) -> Organisation:
        """Set what holds for projects without a mode of their own.

        Raises:
            NotFound: there is no such organisation.
            Forbidden: no approval stands for the mode.
        """
        async with self._database.transaction(tenant) as transaction:
            found = await _organisation(transaction)
            if mode not in (RetentionMode.DEFAULT, found.retention_mode):
                await self._approvals.require(transaction, None, mode.value)
            await repository.set_organisation_retention(transaction, tenant, mode)
            details = {
                "id": tenant_text(tenant),
                "changes_requested": {"data_retention": mode.value},
            }
            event = AuditEvent("organization.updated", tenant, tenant_text(tenant), details)
            await self._audit.write(transaction, event)
        return found._replace(retention_mode=mode)

    async def set_limits(
        self, tenant: TenantId, project: ProjectId, limits: Limits, model: str | None = None
    ) -> Project:
        """Set a project's limits, or those for one model; 0 means none of its own.

        Raises:
            InvalidInput: a limit that cannot be, or too many models.
            NotFound: the organisation has no such project.
            Conflict: the project is archived.
        """
        check_limits(limits)

        def changed(row: Project) -> Project:
            if model is None:
                return row._replace(limits=limits)
            by_model = {**row.model_limits, model: limits}
            if len(by_model) > _MODELS_MAX:
                raise InvalidInput("A project has limits for 1000 models at most.", field="model")
            return row._replace(model_limits=by_model)

        changes = {
            "max_requests_per_1_minute": limits.requests_per_minute,
            "max_tokens_per_1_minute": limits.tokens_per_minute,
        }
        resource = _RATE_LIMIT + (model or project_text(project))
        return await self._change(
            tenant, project, changed, "rate_limit.updated", changes, resource=resource
        )

    async def _change(
        self,
        tenant: TenantId,
        project: ProjectId,
        change: Callable[[Project], Project],
        kind: str,
        changes: Details | None,
        resource: str | None = None,
        permit: Callable[[DatabaseTransaction, Project], Awaitable[None]] | None = None,
    ) -> Project:
        async with self._database.transaction(tenant) as transaction:
            if permit is not None:
                # Before the project is locked: a revocation locks the organisation first.
                await permit(transaction, await _project(transaction, project))
            await repository.lock_project(transaction, project)
            before = await _project(transaction, project)
            if before.status is Status.ARCHIVED:
                raise Conflict("The project is archived. It cannot be changed any more.")
            after = change(before)
            if await repository.project_named(transaction, after.name) not in (None, project):
                raise name_taken()
            await repository.write_project(transaction, after)
            details: dict[str, object] = {"id": resource or project_text(project)}
            if changes is not None:
                details["changes_requested"] = changes
            event = AuditEvent(kind, tenant, str(details["id"]), details, project)
            await self._audit.write(transaction, event)
        return after


class ServiceAccounts:
    """Owners of API keys that are no person, in the role `administrator`.

    An account is made before its key. A crash between leaves an account without one, which can be
    deleted. Deleting revokes the keys first, so that no key outlives its owner.
    """

    def __init__(
        self,
        database: Database,
        tenancy: Tenancy,
        clock: Clock,
        randomness: Randomness,
        audit: Audit,
    ) -> None:
        self._database = database
        self._tenancy = tenancy
        self._clock = clock
        self._randomness = randomness
        self._audit = audit

    async def create(
        self,
        tenant: TenantId,
        project: ProjectId,
        name: str,
        *,
        with_key: bool = True,
        expires_at: Instant | None = None,
    ) -> tuple[ServiceAccount, CreatedKey | None]:
        """Make a service account and its first key, whose text is given out this once.

        Raises what `Tenancy.create_key` raises.
        """
        checked_name(name)
        row = ServiceAccount(
            self._randomness.random_bytes(_ID_BYTES),
            tenant,
            project,
            name,
            "member" if with_key else "none",
            self._clock.now(),
        )
        async with self._database.transaction(tenant) as transaction:
            owner = await _project(transaction, project)
            if owner.status is Status.ARCHIVED:
                raise Conflict("The project is archived. Use another project.")
            await repository.add_service_account(transaction, row)
            event = _account_event("service_account.created", row, {"data": {"role": row.role}})
            await self._audit.write(transaction, event)
        if not with_key:
            return row, None
        key = await self._tenancy.create_key(
            tenant, project, name, expires_at=expires_at, service_account=row.service_account
        )
        return row, key

    async def create_key(
        self,
        tenant: TenantId,
        project: ProjectId,
        service_account: bytes,
        name: str,
        expires_at: Instant | None = None,
    ) -> CreatedKey:
        """Make another key for an account. Raises NotFound, and what `Tenancy.create_key` does."""
        row = await self.one(tenant, project, service_account)
        return await self._tenancy.create_key(
            tenant, project, name, expires_at=expires_at, service_account=row.service_account
        )

    async def all(self, tenant: TenantId, project: ProjectId) -> list[ServiceAccount]:
        """A project's service accounts, oldest first. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            await _project(transaction, project)
            return await repository.service_accounts(transaction, project)

    async def one(
        self, tenant: TenantId, project: ProjectId, service_account: bytes
    ) -> ServiceAccount:
        """One service account. Raises NotFound."""
        for row in await self.all(tenant, project):
            if row.service_account == service_account:
                return row
        raise NotFound("There is no such service account. List the project's service accounts.")

    async def delete(
        self, tenant: TenantId, project: ProjectId, service_account: bytes
    ) -> list[ApiKey]:
        """Revoke an account's keys and delete it. Raises NotFound, Unavailable."""
        row = await self.one(tenant, project, service_account)
        owned = [
            key
            for key in await self._tenancy.keys(tenant, project)
            if key.service_account == service_account and key.revoked_at is None
        ]
        for key in owned:
            await self._tenancy.revoke_key(tenant, key.public_id)
        async with self._database.transaction(tenant) as transaction:
            await repository.mark_service_account_deleted(
                transaction, service_account, self._clock.now()
            )
            await self._audit.write(transaction, _account_event("service_account.deleted", row, {}))
        return owned


async def _organisation(transaction: DatabaseTransaction) -> Organisation:
    found = await repository.organisations(transaction)
    if not found:
        raise NotFound("There is no such organisation.")
    return found[0]


async def _project(transaction: DatabaseTransaction, project: ProjectId) -> Project:
    found = await repository.project(transaction, project)
    if found is None:
        raise NotFound("There is no such project. List the organisation's projects.")
    return found


def _account_event(kind: str, row: ServiceAccount, more: Details) -> AuditEvent:
    resource = handle_text(SERVICE_ACCOUNT, row.service_account)
    return AuditEvent(kind, row.tenant, resource, {"id": resource, **more}, row.project)

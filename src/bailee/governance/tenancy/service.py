"""Commands of tenancy, each one transaction, in an order that survives a crash anywhere.

Creating a project: its scope key pair is made first, then its row. A crash between leaves a key
pair of a project that never was, under a random name that nothing refers to: nothing can be sealed
to it on anybody's behalf.

Creating an API key: scope (again, it costs nothing), then a pending row, then the keeper's
credential, then the row becomes active and the text is given out. A crash before the last step
leaves a key whose text nobody has seen: pending, so that no gateway accepts it; `settle` revokes
it and withdraws what the keeper may know.

Each command writes its audit event in the transaction that makes it so.

Revoking: the row first, so that every gateway refuses the key within a second, then the keeper. A
crash between leaves a key that gateways refuse and the keeper still knows; `settle` withdraws it.
"""

import hashlib
from typing import Final

from bailee.governance.tenancy import repository
from bailee.governance.tenancy.credential import CredentialHash, new_credential, public_id_of
from bailee.governance.tenancy.events import Announce, Happening, TenancyEvent, ignore
from bailee.governance.tenancy.model import (
    ApiKey,
    CreatedKey,
    Demo,
    KeyState,
    Limits,
    Organisation,
    Project,
    Status,
)
from bailee.kernel.encoding import fields
from bailee.kernel.errors import BaileeError, Conflict, InvalidInput, NotFound, Unavailable
from bailee.kernel.ids import (
    ProjectId,
    Purpose,
    Region,
    ScopeKeyName,
    TenantId,
    key_text,
    project_text,
)
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.kernel.names import checked_name
from bailee.ports.audit import Audit, AuditEvent, NoAudit
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.keeper import CredentialKeeper
from bailee.ports.randomness import Randomness

PENDING_MAX_MS: Final = 10 * MINUTE_MS
"""How long a key may stay pending before `settle` takes it for abandoned."""
_ID_BYTES: Final = 16
_SALT_BYTES: Final = 32
_NO_LIMITS: Final = Limits()


class Tenancy:
    """Organisations, projects and API keys, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        keeper: CredentialKeeper,
        clock: Clock,
        randomness: Randomness,
        pepper: bytes,
        announce: Announce = ignore,
        audit: Audit | None = None,
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock
        self._randomness = randomness
        self._hash = CredentialHash(pepper)
        self._announce = announce
        self._audit = audit or NoAudit()

    async def create_organisation(self, name: str) -> Organisation:
        """Create an organisation. InvalidInput for a name that is empty, long or unprintable."""
        tenant = TenantId(self._randomness.random_bytes(_ID_BYTES))
        return await self._add_organisation(tenant, name)

    async def organisations(self) -> list[Organisation]:
        """All organisations, oldest first."""
        async with self._database.platform_reading() as transaction:
            return await repository.organisations(transaction)

    async def create_project(
        self,
        tenant: TenantId,
        name: str,
        region: Region,
        *,
        limits: Limits = _NO_LIMITS,
    ) -> Project:
        """Create a project that has its organisation's retention mode.

        Raises:
            InvalidInput: a name that is empty, long or unprintable, or a negative limit.
            NotFound: the organisation does not exist.
            Conflict: the organisation has a project of that name.
            Unavailable: the keeper or the database is away.
        """
        project = ProjectId(self._randomness.random_bytes(_ID_BYTES))
        return await self._add_project(project, tenant, name, region, limits)

    async def projects(self, tenant: TenantId) -> list[Project]:
        """An organisation's projects, oldest first; [] if there is no such organisation."""
        async with self._database.transaction(tenant) as transaction:
            return await repository.projects(transaction)

    async def create_key(
        self,
        tenant: TenantId,
        project: ProjectId,
        name: str,
        *,
        expires_at: Instant | None = None,
        limits: Limits = _NO_LIMITS,
        service_account: bytes | None = None,
    ) -> CreatedKey:
        """Create an API key and give out its text, this once.

        Raises:
            InvalidInput: a name that is empty, long or unprintable, a past expiry, a negative
                limit.
            NotFound: the organisation has no such project.
            Conflict: the project is archived.
            Unavailable: the keeper or the database is away; nothing usable was created.
        """
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidInput("The expiry is past. Give a later instant.", field="expires_at")
        check_limits(limits)
        async with self._database.transaction(tenant) as transaction:
            owner = await repository.project(transaction, project)
        if owner is None:
            raise NotFound("There is no such project. List the organisation's projects.")
        if owner.status is Status.ARCHIVED:
            raise Conflict("The project is archived. Make the key in another project.")
        await self._keeper.create_scope(_scope_of(owner))
        credential = new_credential(self._randomness, owner.region)
        key = ApiKey(
            public_id=public_id_of(credential),
            tenant=tenant,
            project=project,
            name=checked_name(name),
            limits=limits,
            created_at=now,
            registered_at=None,
            expires_at=expires_at,
            revoked_at=None,
            withdrawn_at=None,
            last_used_at=None,
            service_account=service_account,
        )
        async with self._database.transaction(tenant) as transaction:
            await repository.add_key(transaction, key, self._hash(credential))
        try:
            await self._keeper.register_credential(credential, tenant, project, expires_at)
        except BaileeError:
            await self._abandon(key)
            raise
        registered_at = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            if not await repository.mark_registered(transaction, key.public_id, registered_at):
                raise Conflict("The new API key was revoked meanwhile. Create another.")
            await self._audit.write(transaction, _key_event("api_key.created", key))
        self._tell(Happening.KEY_CREATED, tenant, project, key.public_id)
        return CreatedKey(key._replace(registered_at=registered_at), credential)

    async def keys(self, tenant: TenantId, project: ProjectId | None = None) -> list[ApiKey]:
        """An organisation's API keys, or one of its projects', oldest first, revoked ones too."""
        async with self._database.transaction(tenant) as transaction:
            found = await repository.keys(transaction)
        return [key for key in found if project is None or key.project == project]

    async def all_keys(self) -> list[ApiKey]:
        """The API keys of every organisation, oldest first, revoked ones too."""
        async with self._database.platform_reading() as transaction:
            return await repository.keys(transaction)

    async def tenant_of_key(self, public_id: str) -> TenantId:
        """Whose API key this is, for an operator who has the public identifier alone.

        Raises:
            NotFound: there is no such key.
        """
        async with self._database.platform_reading() as transaction:
            tenant = await repository.tenant_of_key(transaction, public_id)
        if tenant is None:
            raise _no_key()
        return tenant

    async def revoke_key(self, tenant: TenantId, public_id: str) -> ApiKey:
        """Revoke an API key: refused by every gateway within 1 s of return. Idempotent.

        Raises:
            NotFound: the organisation has no such key.
            Unavailable: the database is away; or the keeper, and then gateways refuse the key
                already and `settle` will tell the keeper.
        """
        async with self._database.transaction(tenant) as transaction:
            repeated = await repository.is_revoked(transaction, public_id)
            key = await repository.mark_revoked(transaction, public_id, self._clock.now())
            if key is None:
                raise _no_key()
            if not repeated:
                await self._audit.write(transaction, _key_event("api_key.deleted", key))
        self._tell(Happening.KEY_REVOKED, tenant, key.project, public_id)
        return await self._withdraw(key)

    async def settle(self) -> int:
        """Finish what a crash or an absent keeper left half done; how many keys that concerned.

        Raises:
            Unavailable: the keeper or the database is away; call again later.
        """
        before = Instant(self._clock.now() - PENDING_MAX_MS)
        async with self._database.platform_reading() as transaction:
            unsettled = await repository.unsettled_keys(transaction, before)
        for key in unsettled:
            async with self._database.transaction(key.tenant) as transaction:
                revoked = await repository.mark_revoked(
                    transaction, key.public_id, self._clock.now()
                )
            if revoked is not None:
                await self._withdraw(revoked)
        return len(unsettled)

    async def ensure_demo(self, region: Region) -> Demo:
        """The demonstration organisation with one project, made on the first call.

        Its first key is created when it has none that is active, and only then given out. The
        identifiers follow from the installation's, so that two first starts make one of each.
        """
        installation = await self.installation()
        tenant = TenantId(_derived(installation, "organisation"))
        organisation = await self._add_organisation(tenant, "Demo")
        project = ProjectId(_derived(installation, "project"))
        owner = await self._add_project(project, tenant, "Demo", region, _NO_LIMITS)
        now = self._clock.now()
        states = {key.state(now) for key in await self.keys(tenant, project)}
        if KeyState.ACTIVE in states:
            return Demo(organisation, owner, None)
        return Demo(organisation, owner, await self.create_key(tenant, project, "Demo"))

    async def installation(self) -> bytes:
        """The installation's identifier, 16 bytes, made at random on the first call."""
        async with self._database.transaction(None) as transaction:
            await repository.set_installation_id(
                transaction, self._randomness.random_bytes(_ID_BYTES)
            )
            found = await repository.installation_id(transaction)
        if found is None:
            raise Unavailable("The installation's identifier cannot be read. Run the migrations.")
        return found

    async def _add_organisation(self, tenant: TenantId, name: str) -> Organisation:
        row = Organisation(tenant, checked_name(name), Status.ACTIVE, self._clock.now())
        async with self._database.transaction(tenant) as transaction:
            salt = self._randomness.random_bytes(_SALT_BYTES)
            if not await repository.add_organisation(transaction, row, salt):
                return (await repository.organisations(transaction))[0]
        self._tell(Happening.ORGANISATION_CREATED, tenant)
        return row

    async def _add_project(
        self, project: ProjectId, tenant: TenantId, name: str, region: Region, limits: Limits
    ) -> Project:
        check_limits(limits)
        row = Project(
            project=project,
            tenant=tenant,
            name=checked_name(name),
            region=region,
            retention_mode=None,
            scope_generation=0,
            status=Status.ACTIVE,
            limits=limits,
            created_at=self._clock.now(),
        )
        async with self._database.transaction(tenant) as transaction:
            if not await repository.organisations(transaction):
                raise NotFound("There is no such organisation. List the organisations.")
            if await repository.project_named(transaction, name) not in (None, project):
                raise name_taken()
            present = await repository.project(transaction, project)
        if present is not None:
            return present
        await self._keeper.create_scope(_scope_of(row))
        async with self._database.transaction(tenant) as transaction:
            if not await repository.add_project(transaction, row):
                return await repository.project(transaction, project) or row
            named = {"name": row.name, "title": row.name}
            details = {"id": project_text(project), "data": named}
            await self._audit.write(
                transaction,
                AuditEvent("project.created", tenant, project_text(project), details, project),
            )
        self._tell(Happening.PROJECT_CREATED, tenant, project)
        return row

    async def _abandon(self, key: ApiKey) -> None:
        """Revoke a key that the keeper did not take. What fails here is left to `settle`."""
        try:
            async with self._database.transaction(key.tenant) as transaction:
                await repository.mark_revoked(transaction, key.public_id, self._clock.now())
        except BaileeError:
            return

    async def _withdraw(self, key: ApiKey) -> ApiKey:
        if key.withdrawn_at is not None:
            return key
        await self._keeper.revoke_credential(key.public_id.encode())
        withdrawn_at = self._clock.now()
        async with self._database.transaction(key.tenant) as transaction:
            await repository.mark_withdrawn(transaction, key.public_id, withdrawn_at)
        return key._replace(withdrawn_at=withdrawn_at)

    def _tell(
        self,
        happening: Happening,
        tenant: TenantId,
        project: ProjectId | None = None,
        public_id: str | None = None,
    ) -> None:
        self._announce(TenancyEvent(happening, self._clock.now(), tenant, project, public_id))


def _scope_of(project: Project) -> ScopeKeyName:
    return ScopeKeyName(
        project.region, Purpose.ABUSE_MONITORING, project.project, project.scope_generation
    )


def _key_event(kind: str, key: ApiKey) -> AuditEvent:
    details: dict[str, object] = {"id": key_text(key.public_id)}
    if kind == "api_key.created":
        details["data"] = {"scopes": []}
    return AuditEvent(kind, key.tenant, key_text(key.public_id), details, key.project)


def _derived(installation: bytes, what: str) -> bytes:
    return hashlib.blake2b(
        fields("bailee/1/demo", installation, what.encode()), digest_size=_ID_BYTES
    ).digest()


def check_limits(limits: Limits) -> None:
    """Raises InvalidInput for limits that cannot be."""
    if min(limits) < 0 or max(limits) >= 1 << 31:
        raise InvalidInput("A limit is 0 (none) to 2147483647 per minute.", field="limits")


def name_taken() -> Conflict:
    """The refusal of a name that another project has."""
    return Conflict(
        "The organisation has a project of this name, perhaps an archived one. Choose another.",
        field="name",
    )


def _no_key() -> NotFound:
    return NotFound("There is no such API key. List the keys and use a public identifier.")

"""Commands on admin keys, in an order that survives a crash anywhere.

Creating: a pending row, then the keeper's authority, then the row becomes active, with its audit
event, and the text is given out. Revoking: the row with its event, then the keeper. What a crash
leaves between is finished by `settle`, as for API keys. An organisation's first key is made by the
operator (`bootstrap`), once; further ones by whoever bears one.
"""

import hashlib
from typing import Final

from bailee.governance.administrators import repository
from bailee.governance.administrators.errors import AdminKeyRefused
from bailee.governance.administrators.model import (
    AdminKey,
    CreatedAdminKey,
    is_admin_key,
    new_admin_key,
)
from bailee.kernel.errors import BaileeError, Conflict, InvalidInput, NotFound
from bailee.kernel.ids import Region, TenantId, key_text
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.kernel.names import checked_name
from bailee.kernel.redacted import Secret
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.keeper import CredentialKeeper
from bailee.ports.randomness import Randomness

PENDING_MAX_MS: Final = 10 * MINUTE_MS
"""How long a key may stay pending before `settle` takes it for abandoned."""


class Administrators:
    """Admin keys of organisations, in the role `administrator`."""

    def __init__(
        self,
        database: Database,
        keeper: CredentialKeeper,
        clock: Clock,
        randomness: Randomness,
        pepper: bytes,
        audit: Audit,
        region: Region,
    ) -> None:
        """`region` is where this is: keys bear its mark."""
        self._database = database
        self._keeper = keeper
        self._clock = clock
        self._randomness = randomness
        self._pepper = Secret(pepper)
        self._audit = audit
        self._region = region

    async def authenticate(self, credential: bytes) -> AdminKey:
        """Whose admin key this is; a use is noted, to within a minute.

        Raises:
            AdminKeyRefused: it is not a key, or not an active one.
            Unavailable: the database is away. There is no snapshot of these keys.
        """
        if not is_admin_key(credential):
            raise AdminKeyRefused
        async with self._database.platform_reading() as transaction:
            key = await repository.by_digest(transaction, self._hash(credential))
        now = self._clock.now()
        if key is None or not key.active(now):
            raise AdminKeyRefused
        if key.last_used_at is None or now - key.last_used_at >= MINUTE_MS:
            async with self._database.transaction(key.tenant) as transaction:
                await repository.mark_used(transaction, key.public_id, now)
        return key

    async def bootstrap(self, tenant: TenantId, name: str) -> CreatedAdminKey:
        """Make an organisation's first admin key.

        Raises:
            Conflict: it has an active one.
            NotFound, InvalidInput, Unavailable: as `create`.
        """
        return await self._make(tenant, name, None, first=True)

    async def create(
        self, tenant: TenantId, name: str, expires_at: Instant | None = None
    ) -> CreatedAdminKey:
        """Make an admin key and give out its text, this once.

        Raises:
            InvalidInput: a name that is empty, long or unprintable, a past expiry.
            NotFound: there is no such organisation.
            Unavailable: the keeper or the database is away; nothing usable was created.
        """
        return await self._make(tenant, name, expires_at, first=False)

    async def keys(self, tenant: TenantId) -> list[AdminKey]:
        """An organisation's admin keys, oldest first, without revoked and pending ones."""
        async with self._database.transaction(tenant) as transaction:
            found = await repository.keys(transaction)
        return [key for key in found if key.registered_at is not None and key.revoked_at is None]

    async def key(self, tenant: TenantId, public_id: str) -> AdminKey:
        """One of them. Raises NotFound."""
        for key in await self.keys(tenant):
            if key.public_id == public_id:
                return key
        raise _no_key()

    async def revoke(self, tenant: TenantId, public_id: str) -> AdminKey:
        """Revoke a key: refused from return on. Idempotent.

        Raises:
            NotFound: the organisation has no such key.
            Unavailable: the database is away; or the keeper, and then the key is refused already
                and `settle` will tell the keeper.
        """
        async with self._database.transaction(tenant) as transaction:
            repeated = await repository.is_revoked(transaction, public_id)
            key = await repository.mark_revoked(transaction, public_id, self._clock.now())
            if key is None:
                raise _no_key()
            if not repeated:
                await self._write(transaction, "api_key.deleted", key)
        await self._withdraw(key)
        return key

    async def settle(self) -> int:
        """Finish what a crash or an absent keeper left half done; how many keys that concerned.

        Raises Unavailable while the keeper or the database is away.
        """
        before = Instant(self._clock.now() - PENDING_MAX_MS)
        async with self._database.platform_reading() as transaction:
            unsettled = await repository.unsettled(transaction, before)
        for key in unsettled:
            async with self._database.transaction(key.tenant) as transaction:
                await repository.mark_revoked(transaction, key.public_id, self._clock.now())
            await self._withdraw(key)
        return len(unsettled)

    async def _make(
        self, tenant: TenantId, name: str, expires_at: Instant | None, *, first: bool
    ) -> CreatedAdminKey:
        now = self._clock.now()
        checked_name(name)
        if expires_at is not None and expires_at <= now:
            raise InvalidInput("The expiry is past. Give a later instant.", field="expires_at")
        public_id, credential = new_admin_key(self._randomness, self._region)
        key = AdminKey(public_id, tenant, name, now, None, expires_at, None, None, None)
        async with self._database.transaction(tenant) as transaction:
            if not await repository.organisation_exists(transaction, tenant):
                raise NotFound("There is no such organisation. List the organisations.")
            if first and any(k.active(now) for k in await repository.keys(transaction)):
                raise Conflict(
                    "The organisation has an admin key. Make more with it, over the API; if it is"
                    " lost, revoke it first."
                )
            await repository.add(transaction, key, self._hash(credential))
        try:
            await self._keeper.register_administrator(credential, tenant, expires_at)
        except BaileeError:
            await self._abandon(key)
            raise
        registered_at = self._clock.now()
        async with self._database.transaction(tenant) as transaction:
            if not await repository.mark_registered(transaction, public_id, registered_at):
                raise Conflict("The new admin key was revoked meanwhile. Create another.")
            await self._write(transaction, "api_key.created", key)
        return CreatedAdminKey(key._replace(registered_at=registered_at), credential)

    def _hash(self, credential: bytes) -> bytes:
        """As the hash of API keys; the texts of the two can never be equal."""
        return hashlib.blake2b(credential, digest_size=32, key=self._pepper).digest()

    async def _abandon(self, key: AdminKey) -> None:
        """Revoke a key that the keeper did not take. What fails here is left to `settle`."""
        try:
            async with self._database.transaction(key.tenant) as transaction:
                await repository.mark_revoked(transaction, key.public_id, self._clock.now())
        except BaileeError:
            return

    async def _withdraw(self, key: AdminKey) -> None:
        if key.withdrawn_at is not None:
            return
        await self._keeper.revoke_credential(b"admin-" + key.public_id.encode())
        async with self._database.transaction(key.tenant) as transaction:
            await repository.mark_withdrawn(transaction, key.public_id, self._clock.now())

    async def _write(self, transaction: DatabaseTransaction, kind: str, key: AdminKey) -> None:
        details: dict[str, object] = {"id": key_text(key.public_id)}
        if kind == "api_key.created":
            details["data"] = {"scopes": ["api.management"]}
        event = AuditEvent(kind, key.tenant, key_text(key.public_id), details)
        await self._audit.write(transaction, event)


def _no_key() -> NotFound:
    return NotFound("There is no such admin key. List the organisation's admin keys.")

"""Which role may ask the keeper for what: the one table, and the keeper as a role sees it."""

from typing import Final, Literal, get_args

from bailee.kernel.errors import Forbidden
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ProjectId, Region, ScopeKeyName
from bailee.kernel.instants import Instant
from bailee.ports.keeper import (
    BootCertificate,
    DestructionStatement,
    EpochPublicKey,
    KeeperAdministration,
    KeeperStatus,
    ObjectPublicKey,
    OpenPart,
    ScopePublicKey,
    SealedKey,
    TrainingScope,
    WorkGrant,
)

Role = Literal["gateway", "clerk", "worker", "administrator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

PERMITTED: Final[dict[str, frozenset[Role]]] = {
    "status": frozenset(ROLES),
    "epoch_public_key": frozenset({"gateway", "clerk", "worker"}),
    "scope_public_key": frozenset({"gateway", "worker"}),
    "certify_boot_key": frozenset({"gateway", "clerk", "worker"}),
    "create_scope": frozenset({"gateway", "worker", "administrator"}),
    "register_credential": frozenset({"gateway", "administrator"}),
    "register_administrator": frozenset({"gateway", "administrator"}),
    "revoke_credential": frozenset({"gateway", "administrator"}),
    "store_secret": frozenset({"administrator"}),
    "reveal_secret": frozenset({"gateway", "worker"}),
    "open_part": frozenset({"gateway"}),
    "create_objects": frozenset({"gateway", "worker"}),
    "open_objects": frozenset({"gateway"}),
    "grant_work": frozenset({"gateway"}),
    "open_granted": frozenset({"worker"}),
    "destroy_own_objects": frozenset({"gateway"}),
    "destroy_objects": frozenset({"clerk"}),
    "objects_due": frozenset({"clerk"}),
    "destroy_epochs": frozenset({"clerk"}),
    "destroy_training": frozenset({"gateway", "clerk", "administrator"}),
    "statements_logged": frozenset({"clerk"}),
    "pending_statements": frozenset({"clerk"}),
    "accept_clock": frozenset({"administrator"}),
    "destroy_scopes": frozenset({"administrator"}),
}
"""Per method of `ports.keeper`. What is not here is nobody's."""
ON_AUTHORITY: Final = frozenset(
    {"register_credential", "register_administrator", "revoke_credential"}
)
"""What only an administrator may ask without an admin key that the keeper verifies."""


class RoleKeeper:
    """A keeper that refuses what `role` may not ask. Raises Forbidden."""

    def __init__(self, keeper: KeeperAdministration, role: Role) -> None:
        self._keeper = keeper
        self._role = role

    async def status(self) -> KeeperStatus:
        """See the port."""
        return await self._permitted("status").status()

    async def epoch_public_key(self, name: EpochKeyName) -> EpochPublicKey:
        """See the port."""
        return await self._permitted("epoch_public_key").epoch_public_key(name)

    async def scope_public_key(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._permitted("scope_public_key").scope_public_key(name)

    async def certify_boot_key(
        self, worker: str, region: Region, public_key: bytes
    ) -> BootCertificate:
        """See the port."""
        return await self._permitted("certify_boot_key").certify_boot_key(
            worker, region, public_key
        )

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._permitted("create_scope").create_scope(name)

    async def register_credential(
        self,
        credential: bytes,
        tenant: bytes,
        project: ProjectId,
        expires_at: Instant | None,
        authority: bytes = b"",
    ) -> None:
        """See the port."""
        await self._permitted("register_credential", authority).register_credential(
            credential, tenant, project, expires_at, authority
        )

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: Instant | None, authority: bytes = b""
    ) -> None:
        """See the port."""
        await self._permitted("register_administrator", authority).register_administrator(
            credential, tenant, expires_at, authority
        )

    async def revoke_credential(self, credential_id: bytes, authority: bytes = b"") -> None:
        """See the port."""
        await self._permitted("revoke_credential", authority).revoke_credential(
            credential_id, authority
        )

    async def store_secret(self, name: str, value: bytes) -> None:
        """See the port."""
        await self._permitted("store_secret").store_secret(name, value)

    async def reveal_secret(self, name: str) -> bytes:
        """See the port."""
        return await self._permitted("reveal_secret").reveal_secret(name)

    async def open_part(self, request: OpenPart) -> bytes:
        """See the port."""
        return await self._permitted("open_part").open_part(request)

    async def create_objects(
        self, names: list[ObjectKeyName], generation: int, deadline: Instant | None
    ) -> list[ObjectPublicKey]:
        """See the port."""
        return await self._permitted("create_objects").create_objects(names, generation, deadline)

    async def open_objects(self, credential: bytes, sealed: list[SealedKey]) -> list[bytes]:
        """See the port."""
        return await self._permitted("open_objects").open_objects(credential, sealed)

    async def grant_work(
        self, credential: bytes, names: list[ObjectKeyName], work: str, not_after: Instant
    ) -> WorkGrant:
        """See the port."""
        return await self._permitted("grant_work").grant_work(credential, names, work, not_after)

    async def open_granted(self, grant: WorkGrant, sealed: list[SealedKey]) -> list[bytes]:
        """See the port."""
        return await self._permitted("open_granted").open_granted(grant, sealed)

    async def destroy_own_objects(
        self, credential: bytes, names: list[ObjectKeyName]
    ) -> list[DestructionStatement]:
        """See the port."""
        return await self._permitted("destroy_own_objects").destroy_own_objects(credential, names)

    async def destroy_objects(self, names: list[ObjectKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._permitted("destroy_objects").destroy_objects(names)

    async def objects_due(self, until: Instant) -> list[ObjectKeyName]:
        """See the port."""
        return await self._permitted("objects_due").objects_due(until)

    async def destroy_epochs(self, names: list[EpochKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._permitted("destroy_epochs").destroy_epochs(names)

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """See the port."""
        return await self._permitted("destroy_training").destroy_training(scopes)

    async def statements_logged(self, subjects: list[str]) -> None:
        """See the port."""
        await self._permitted("statements_logged").statements_logged(subjects)

    async def pending_statements(self) -> list[DestructionStatement]:
        """See the port."""
        return await self._permitted("pending_statements").pending_statements()

    async def accept_clock(self, now: Instant) -> None:
        """See the port."""
        await self._permitted("accept_clock").accept_clock(now)

    async def destroy_scopes(self, names: list[ScopeKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._permitted("destroy_scopes").destroy_scopes(names)

    def _permitted(self, method: str, authority: bytes = b"") -> KeeperAdministration:
        if self._role not in PERMITTED[method]:
            raise Forbidden(f"the role {self._role} may not ask the keeper for {method}")
        if method in ON_AUTHORITY and not authority and self._role != "administrator":
            raise Forbidden(f"the role {self._role} may ask for {method} with an admin key alone")
        return self._keeper

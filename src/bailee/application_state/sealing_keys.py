"""The public keys to which kept things are sealed, each verified before it is used.

Promises: nothing is sealed to a key that the keeper pinned when the installation was set up did
not sign under the very name, and for the very generation, that was asked for. Whoever stands
between this process and the keeper can withhold keys and cannot replace them.
"""

from dataclasses import dataclass

from bailee.custody.keeper.signatures import (
    verify_epoch_public_key,
    verify_object_public_key,
    verify_scope_public_key,
)
from bailee.custody.seal.held import Recipient
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, Purpose, ScopeKeyName
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.keeper import Keeper, ObjectPublicKey


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """What the keeper gives out to seal to."""

    keeper: Keeper
    identity: bytes
    """Ed25519 public key of the keeper, as pinned."""

    async def of_objects(
        self, names: list[ObjectKeyName], generation: int, deadline: Instant | None
    ) -> list[ObjectPublicKey]:
        """As `Keeper.create_objects`. Raises TamperedContent besides."""
        keys = await self.keeper.create_objects(names, generation, deadline)
        for key in keys:
            verify_object_public_key(self.identity, key)
        if [(key.name, key.generation) for key in keys] != [(name, generation) for name in names]:
            raise TamperedContent("the keeper gave other things' keys; inspect it")
        return keys

    async def for_monitoring(self, owner: Owner, generation: int, epoch: Epoch) -> Recipient:
        """Whom a copy for abuse monitoring is sealed to, which ends with `epoch`.

        Raises what the keeper raises, and TamperedContent.
        """
        scope = ScopeKeyName(owner.region, Purpose.ABUSE_MONITORING, owner.project, generation)
        name = EpochKeyName(owner.region, Purpose.ABUSE_MONITORING, epoch)
        scope_key = await self.keeper.scope_public_key(scope)
        epoch_key = await self.keeper.epoch_public_key(name)
        verify_scope_public_key(self.identity, scope_key)
        verify_epoch_public_key(self.identity, epoch_key)
        if (scope_key.region, scope_key.purpose, scope_key.project, scope_key.generation) != scope:
            raise TamperedContent("the keeper gave another scope's key; inspect it")
        if (epoch_key.region, epoch_key.purpose, epoch_key.epoch) != name:
            raise TamperedContent("the keeper gave another epoch's key; inspect it")
        keys = (epoch_key.mlkem_key, epoch_key.x25519_key)
        return Recipient(scope, scope_key.x25519_key, name, keys)

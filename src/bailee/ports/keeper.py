"""The keeper: the only holder of private keys, seen from the other processes.

It gives public keys and certificates freely, opens under rules only, and destroys. Every method
raises Unavailable when the keeper is away and Forbidden when the caller's role may not call it
(roles: `gateway`, `clerk`, `worker`, `administrator`).
"""

from typing import Protocol

from msgspec import Struct

from bailee.kernel.ids import (
    EpochKeyName,
    JournalId,
    ObjectKeyName,
    ProjectId,
    Purpose,
    Region,
    ScopeKeyName,
)
from bailee.kernel.instants import Epoch, Instant


class EpochPublicKey(Struct, frozen=True):
    """An epoch's public key, signed by the keeper (format: docs/formats/keyring.md)."""

    region: Region
    purpose: Purpose
    epoch: Epoch
    mlkem_key: bytes
    """ML-KEM-768 encapsulation key, 1,184 bytes."""
    x25519_key: bytes
    """32 bytes."""
    pseudonym_key: bytes
    """32 bytes that derive the pseudonyms used in this epoch's headers; dies with the epoch."""
    signature: bytes
    """Ed25519 by the keeper's identity over the fields above but `pseudonym_key`."""


class ScopePublicKey(Struct, frozen=True):
    """A scope's public key, signed by the keeper."""

    region: Region
    purpose: Purpose
    project: ProjectId
    generation: int
    x25519_key: bytes
    signature: bytes


class BootCertificate(Struct, frozen=True):
    """The keeper's word that a key signs for a worker started in this region."""

    worker: str
    region: Region
    public_key: bytes
    """Ed25519, 32 bytes."""
    not_before: Instant
    not_after: Instant
    signature: bytes


class OpeningProof(Struct, frozen=True):
    """That a part is under a root which a certified worker signed and the log holds.

    `path` is the RFC 6962 inclusion path of the part's leaf among the journal's `count` leaves;
    `log_path` the one of the journal_closed entry `log_leaf` in the checkpoint; `consistency` the
    RFC 6962 proof from the tree size that the keeper told (`KeeperStatus.log_size`) to it.
    """

    journal: JournalId
    frame: int
    count: int
    path: list[bytes]
    root: bytes
    root_signature: bytes
    certificate: BootCertificate
    log_leaf: bytes
    log_index: int
    log_path: list[bytes]
    checkpoint: bytes
    consistency: list[bytes]


class OpenPart(Struct, frozen=True):
    """A request to release the content key of one part to the record's owner.

    `credential` is the API key as the caller sent it; the keeper verifies it itself and takes
    tenant and project from it. The rest is as stored: docs/formats/part.md.
    """

    credential: bytes
    purpose: Purpose
    header: bytes
    ciphertext_hash: bytes
    """SHA-256 of the ciphertext."""
    wrap: bytes
    session: bytes
    """The session frame's body, after its type byte."""
    scope: bytes
    """The scope frame's body, after its type byte."""
    proof: OpeningProof


class ObjectPublicKey(Struct, frozen=True):
    """The public keys to which one thing kept until deleted is sealed (docs/formats/object.md)."""

    name: ObjectKeyName
    generation: int
    """Of the project's scope for application state."""
    mlkem_key: bytes
    """ML-KEM-768 encapsulation key of the object, 1,184 bytes."""
    x25519_key: bytes
    """Of the object, 32 bytes."""
    scope_key: bytes
    """X25519 of the project's scope for application state, 32 bytes."""
    signature: bytes
    """Ed25519 by the keeper's identity over the fields above."""


class SealedKey(Struct, frozen=True):
    """The content key of one thing kept until deleted, as stored: for whom, and its wrap."""

    name: ObjectKeyName
    key_block: bytes
    """As in docs/formats/object.md."""


class TrainingScope(Struct, frozen=True):
    """One generation of a project's scope for training, which is to be destroyed."""

    region: Region
    project: ProjectId
    generation: int
    reference: bytes
    """32 bytes: what log and receipts call it, since they name no project."""

    @property
    def name(self) -> ScopeKeyName:
        """The key pair."""
        return ScopeKeyName(self.region, Purpose.TRAINING, self.project, self.generation)

    @property
    def subject(self) -> str:
        """How statements, entries and receipts name it: `training/us/` and 64 hex digits."""
        return f"training/{self.region}/{self.reference.hex()}"


class WorkGrant(Struct, frozen=True):
    """The keeper's word that background work may open some things on their owner's behalf.

    It is given to whoever shows the owner's API key, for a stated work and time, and ends with any
    of the things' deletion as far as that thing goes.
    """

    work: str
    """What it is for, as in `batch/batch_…`."""
    tenant: bytes
    names: list[ObjectKeyName]
    not_after: Instant
    signature: bytes


class DestructionStatement(Struct, frozen=True):
    """The keeper's signed word that secrets are gone.

    `document` is canonical JSON: subject, `unusable_at`, `irrecoverable_at` (or null),
    `assumption`, `deadline`, `lateness_ms`, keyring generation; `signature` is Ed25519 over it by
    the keeper's identity.
    """

    document: bytes
    signature: bytes


class KeeperStatus(Struct, frozen=True):
    """What the keyring holds, by name, and the keeper's own state."""

    identity: bytes
    """Ed25519 public key of the keeper."""
    now: Instant
    generation: int
    live_epochs: list[tuple[Region, Purpose, Epoch]]
    live_scopes: int
    log_size: int
    """Tree size of the last checkpoint that the keeper accepted."""
    log_root: bytes
    enforcement: str
    """`separate_user`, `landlock` or `none`: how other processes are kept from the keyring."""
    clock_doubt: str | None = None
    """Why nothing is destroyed at present; None: the keeper believes its clock."""


class Keeper(Protocol):
    """What may be asked of the keeper, with the roles that may ask it."""

    async def status(self) -> KeeperStatus:
        """Any role."""
        ...

    async def epoch_public_key(self, name: EpochKeyName) -> EpochPublicKey:
        """gateway, clerk, worker. Makes the secret if the epoch is present or begins within 2 h.

        The secret is durable before its public key is given out. Raises DestroyedKey past the
        epoch's deadline or after destruction, InvalidInput too far ahead, UnknownKey for a past
        epoch that never was.
        """
        ...

    async def scope_public_key(self, name: ScopeKeyName) -> ScopePublicKey:
        """gateway, worker. Raises UnknownKey, DestroyedKey."""
        ...

    async def certify_boot_key(
        self, worker: str, region: Region, public_key: bytes
    ) -> BootCertificate:
        """gateway, clerk, worker. Valid for 7 days."""
        ...

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """gateway, worker, administrator. Idempotent; DestroyedKey if it was destroyed."""
        ...

    async def register_credential(
        self,
        credential: bytes,
        tenant: bytes,
        project: ProjectId,
        expires_at: Instant | None,
        authority: bytes = b"",
    ) -> None:
        """administrator; gateway with an authority. The bearer may open what `project` owns.

        `authority` is the text of an admin key, which the keeper verifies itself: it reaches the
        projects of its own organisation alone. Raises Forbidden for a wrong one, and for a project
        that is known as another organisation's.
        """
        ...

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: Instant | None, authority: bytes = b""
    ) -> None:
        """administrator; gateway with an authority. Make an admin key of `tenant` an authority.

        An admin key never opens content. Raises Forbidden for another organisation's authority.
        """
        ...

    async def revoke_credential(self, credential_id: bytes, authority: bytes = b"") -> None:
        """administrator; gateway with an authority. By the public identifier; idempotent.

        Of an API key 16 hexadecimal digits, of an admin key `admin-` before them. Raises Forbidden
        for a key of another organisation.
        """
        ...

    async def store_secret(self, name: str, value: bytes) -> None:
        """administrator. Keep a backend's credential in the keyring; replaces."""
        ...

    async def reveal_secret(self, name: str) -> bytes:
        """gateway, worker. A backend's credential. Raises UnknownKey."""
        ...

    async def open_part(self, request: OpenPart) -> bytes:
        """gateway. The part's 32-byte content key, for its owner.

        Raises Forbidden for a wrong credential, DestroyedKey from the deadline on, UnknownKey,
        TamperedContent, and InvalidInput when the proof does not hold.
        """
        ...

    async def create_objects(
        self, names: list[ObjectKeyName], generation: int, deadline: Instant | None
    ) -> list[ObjectPublicKey]:
        """gateway, worker. Make a secret for each of some things of one project.

        Each is durable before its public key is given out. From `deadline` on (None: there is
        none) the things do not open and are destroyed. Idempotent; a later call may bring a
        deadline forward, and never back. Raises DestroyedKey if one, or
        the project's scope, was destroyed.
        """
        ...

    async def open_objects(self, credential: bytes, sealed: list[SealedKey]) -> list[bytes]:
        """gateway. The 32-byte content keys of things of the API key's own project.

        Raises Forbidden for a wrong credential or another's thing, DestroyedKey, UnknownKey,
        TamperedContent; then none is opened.
        """
        ...

    async def grant_work(
        self, credential: bytes, names: list[ObjectKeyName], work: str, not_after: Instant
    ) -> WorkGrant:
        """gateway. Let background work open these things, at most 30 days long.

        They may be things that the work will make: names without a secret yet. Raises Forbidden
        for a wrong credential or another's thing, DestroyedKey.
        """
        ...

    async def open_granted(self, grant: WorkGrant, sealed: list[SealedKey]) -> list[bytes]:
        """worker. As `open_objects`, under a grant. Raises Forbidden if it does not cover one."""
        ...

    async def destroy_own_objects(
        self, credential: bytes, names: list[ObjectKeyName]
    ) -> list[DestructionStatement]:
        """gateway. Destroy things of the API key's own project; rolls the root once.

        Raises Forbidden, UnknownKey, destroying nothing. Idempotent, as `destroy_epochs`.
        """
        ...

    async def destroy_objects(self, names: list[ObjectKeyName]) -> list[DestructionStatement]:
        """clerk. Destroy things; rolls the root once. Idempotent, as `destroy_epochs`."""
        ...

    async def objects_due(self, until: Instant) -> list[ObjectKeyName]:
        """clerk. Live objects whose deadline is before `until`, earliest first, 1,000 at most."""
        ...

    async def destroy_epochs(self, names: list[EpochKeyName]) -> list[DestructionStatement]:
        """clerk. Destroys what is due, together, and rolls the root once.

        Raises Conflict, destroying nothing, if one is not due. Idempotent: statements of what was
        destroyed before are given again until `statements_logged`.
        """
        ...

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """gateway, clerk, administrator. Whatever these projects shared for training is dead.

        Rolls the root once. A scope that never was is destroyed as well: nothing is sealed to it
        later. It can only take away, so that no authority is asked for. Raises InvalidInput for a
        reference that has not 32 bytes. Idempotent, as `destroy_epochs`.
        """
        ...

    async def statements_logged(self, subjects: list[str]) -> None:
        """clerk. The log holds these statements; the keyring need not keep them."""
        ...

    async def pending_statements(self) -> list[DestructionStatement]:
        """clerk. Destructions whose statements the log is not known to hold."""
        ...


class TrainingDestroyer(Protocol):
    """The part of `Keeper` that ends sharing."""

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """See `Keeper`."""
        ...


class CredentialKeeper(TrainingDestroyer, Protocol):
    """The part of `Keeper` that organisations' commands need, with their authority built in."""

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See `Keeper`."""
        ...

    async def register_credential(
        self, credential: bytes, tenant: bytes, project: ProjectId, expires_at: Instant | None
    ) -> None:
        """See `Keeper`."""
        ...

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: Instant | None
    ) -> None:
        """See `Keeper`."""
        ...

    async def revoke_credential(self, credential_id: bytes) -> None:
        """See `Keeper`."""
        ...


class KeeperAdministration(Keeper, Protocol):
    """What an administrator may do besides."""

    async def accept_clock(self, now: Instant) -> None:
        """administrator. Vouch for the keeper's clock, then destroy what is due by it.

        Raises Conflict unless `now` is within a minute of the keeper's own clock.
        """
        ...

    async def destroy_scopes(self, names: list[ScopeKeyName]) -> list[DestructionStatement]:
        """administrator. Everything ever sealed to these scopes is dead; rolls the root once.

        Raises UnknownKey, destroying nothing, if one never was. Idempotent, as `destroy_epochs`.
        """
        ...

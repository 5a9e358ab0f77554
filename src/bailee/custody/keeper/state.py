"""What the keyring holds, in memory and as MessagePack. Format: docs/formats/keyring.md.

A state is changed by changing a copy of it; `keyring` makes the copy durable before anyone sees
it. Nothing here reads a file or a clock.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from bailee.custody.keeper import ranges
from bailee.kernel.errors import DestroyedKey, TamperedContent, UnknownKey
from bailee.kernel.ids import (
    EpochKeyName,
    ObjectId,
    ObjectKeyName,
    ProjectId,
    Purpose,
    Region,
    ScopeKeyName,
    TenantId,
)
from bailee.kernel.instants import Instant

SECRET_BYTES: Final = 32


class Credential(Struct, frozen=True):
    """An API key as the keeper knows it: it can be recognised and not reconstructed."""

    keyed_hash: bytes
    """BLAKE2b-256 of the whole key text, keyed with the keyring's pepper; empty if the key was
    revoked before it was ever registered."""
    tenant: TenantId
    project: ProjectId
    expires_at: Instant | None
    revoked: bool = False


class Destruction(Struct, frozen=True):
    """A destruction that the log is not known to hold.

    `document` and `signature` are empty until the root that could open the secret has been
    overwritten: only then is it known since when nothing opens.
    """

    subject: str
    deadline: Instant | None
    generation: int
    document: bytes = b""
    signature: bytes = b""


class ObjectSecret(NamedTuple):
    """The secret of one thing that is kept until it is deleted."""

    secret: bytes
    deadline: Instant | None


class _Stored(Struct, frozen=True, forbid_unknown_fields=True):
    identity: bytes
    pepper: bytes
    epochs: list[tuple[EpochKeyName, bytes]]
    scopes: list[tuple[ScopeKeyName, bytes]]
    destroyed_epochs: list[tuple[Region, Purpose, ranges.Ranges]]
    destroyed_scopes: list[ScopeKeyName]
    credentials: dict[str, Credential]
    named_secrets: dict[str, bytes]
    destructions: list[Destruction]
    checkpoint: bytes
    log_size: int
    log_root: bytes
    time_mark: Instant
    rolled_at: Instant
    objects: list[tuple[ObjectKeyName, bytes, Instant | None]] = []
    destroyed_objects: list[ObjectId] = []


_decoder = msgspec.msgpack.Decoder(_Stored)
_encoder = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class KeyringState:
    """Every secret and what must be remembered about those that are gone."""

    identity: bytes = field(repr=False)
    """Seed of the keeper's Ed25519 key."""
    pepper: bytes = field(repr=False)
    """Keys the hashes of credentials."""
    time_mark: Instant
    """The latest instant that the keeper has seen; time before it is not believed."""
    rolled_at: Instant
    """When the root was last replaced."""
    epochs: dict[EpochKeyName, bytes] = field(default_factory=dict, repr=False)
    scopes: dict[ScopeKeyName, bytes] = field(default_factory=dict, repr=False)
    objects: dict[ObjectKeyName, ObjectSecret] = field(default_factory=dict, repr=False)
    destroyed_objects: set[ObjectId] = field(default_factory=set)
    destroyed_epochs: dict[tuple[Region, Purpose], ranges.Ranges] = field(default_factory=dict)
    destroyed_scopes: set[ScopeKeyName] = field(default_factory=set)
    credentials: dict[str, Credential] = field(default_factory=dict, repr=False)
    """By the public identifier inside the key."""
    named_secrets: dict[str, bytes] = field(default_factory=dict, repr=False)
    destructions: dict[str, Destruction] = field(default_factory=dict, repr=False)
    """By subject, in the order in which they happened."""
    checkpoint: bytes = b""
    log_size: int = 0
    log_root: bytes = b""

    def copy(self) -> "KeyringState":
        """A copy that can be changed without changing this one."""
        return KeyringState(
            self.identity,
            self.pepper,
            self.time_mark,
            self.rolled_at,
            dict(self.epochs),
            dict(self.scopes),
            dict(self.objects),
            set(self.destroyed_objects),
            dict(self.destroyed_epochs),
            set(self.destroyed_scopes),
            dict(self.credentials),
            dict(self.named_secrets),
            dict(self.destructions),
            self.checkpoint,
            self.log_size,
            self.log_root,
        )

    def epoch_secret(self, name: EpochKeyName) -> bytes:
        """The epoch's secret. Raises DestroyedKey or UnknownKey, which are never confused."""
        secret = self.epochs.get(name)
        if secret is not None:
            return secret
        if ranges.contains(self.destroyed_epochs.get((name.region, name.purpose), ()), name.epoch):
            raise DestroyedKey("this epoch's key was destroyed; nothing of it opens again")
        raise UnknownKey("no key was ever made for this epoch; check region, purpose and epoch")

    def scope_secret(self, name: ScopeKeyName) -> bytes:
        """The scope's secret. Raises DestroyedKey or UnknownKey."""
        secret = self.scopes.get(name)
        if secret is not None:
            return secret
        if name in self.destroyed_scopes:
            raise DestroyedKey("this project's key was destroyed; begin a new generation")
        raise UnknownKey("no key was made for this project and purpose; create its scope first")

    def object_secret(self, name: ObjectKeyName) -> ObjectSecret:
        """The secret of a thing. Raises DestroyedKey or UnknownKey."""
        found = self.objects.get(name)
        if found is not None:
            return found
        if name.object in self.destroyed_objects:
            raise DestroyedKey("this was deleted and its key destroyed; it does not open again")
        raise UnknownKey("no key was made for this; check what it is called")

    def destroy_object(self, name: ObjectKeyName) -> None:
        """Drop a live object's secret and leave a tombstone."""
        del self.objects[name]
        self.destroyed_objects.add(name.object)

    def destroy_epoch(self, name: EpochKeyName) -> None:
        """Drop a live epoch's secret and leave a tombstone."""
        del self.epochs[name]
        kind = (name.region, name.purpose)
        self.destroyed_epochs[kind] = ranges.add(self.destroyed_epochs.get(kind, ()), name.epoch)

    def destroy_scope(self, name: ScopeKeyName) -> None:
        """Drop a live scope's secret and leave a tombstone."""
        del self.scopes[name]
        self.destroyed_scopes.add(name)

    def secrets(self) -> list[bytes]:
        """Every secret of an epoch, a scope, an object or a backend."""
        return [
            *self.epochs.values(),
            *self.scopes.values(),
            *(found.secret for found in self.objects.values()),
            *self.named_secrets.values(),
        ]

    def encode(self) -> bytes:
        """The plaintext of a keyring file; the caller wipes it."""
        return _encoder.encode(
            _Stored(
                self.identity,
                self.pepper,
                list(self.epochs.items()),
                list(self.scopes.items()),
                [(*kind, found) for kind, found in self.destroyed_epochs.items()],
                list(self.destroyed_scopes),
                self.credentials,
                self.named_secrets,
                list(self.destructions.values()),
                self.checkpoint,
                self.log_size,
                self.log_root,
                self.time_mark,
                self.rolled_at,
                [(name, *found) for name, found in self.objects.items()],
                list(self.destroyed_objects),
            )
        )

    @classmethod
    def decode(cls, plaintext: bytes) -> "KeyringState":
        """The reverse of `encode`. Raises TamperedContent if it is none of this version."""
        try:
            stored = _decoder.decode(plaintext)
        except msgspec.DecodeError:
            raise TamperedContent(
                "the keyring's content is not of version 1; upgrade Bailee to read it"
            ) from None
        tombstones = {
            (region, purpose): found for region, purpose, found in stored.destroyed_epochs
        }
        lengths = {len(secret) for _, secret in (*stored.epochs, *stored.scopes)}
        lengths |= {len(secret) for _, secret, _ in stored.objects}
        if lengths - {SECRET_BYTES} or not all(map(ranges.is_canonical, tombstones.values())):
            raise TamperedContent("the keyring's content is inconsistent; restore the installation")
        return cls(
            stored.identity,
            stored.pepper,
            stored.time_mark,
            stored.rolled_at,
            dict(stored.epochs),
            dict(stored.scopes),
            {name: ObjectSecret(secret, until) for name, secret, until in stored.objects},
            set(stored.destroyed_objects),
            tombstones,
            set(stored.destroyed_scopes),
            stored.credentials,
            stored.named_secrets,
            {destruction.subject: destruction for destruction in stored.destructions},
            stored.checkpoint,
            stored.log_size,
            stored.log_root,
        )


def forgotten(before: KeyringState, after: KeyringState) -> list[bytes]:
    """Secrets of `before` that `after` no longer holds; to be wiped once nothing reads them."""
    kept = set(map(id, after.secrets()))
    return [secret for secret in before.secrets() if id(secret) not in kept]

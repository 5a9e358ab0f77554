"""Keeping, reading and ending things on their owner's behalf.

Promises: content is sealed as it arrives and never written otherwise; a thing can be asked for
once all of it is durable, and not before; what is read was authenticated chunk by chunk. The owner
shows the API key, which the keeper verifies itself; background work shows the keeper's grant.
Deliberately does not know what a file or a response is: `files` and its siblings do.

Crash order of keeping: the secret is durable in the keyring, then the row (pending, with the
wrapped content key), then the content, then the row says that it is kept. A crash leaves a secret
to which nothing was sealed, or a pending row, which the clerk carries to its end after an hour.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from bailee.application_state import repository
from bailee.application_state.model import PREFIXES, HeldObject, Kind, Page, State
from bailee.application_state.reserve import Reserve
from bailee.application_state.sealing_keys import SealingKeys
from bailee.custody.seal.held import (
    CHUNK_BYTES,
    TAG_BYTES,
    HeldKey,
    Recipient,
    new_held_key,
)
from bailee.custody.seal.part import Owner
from bailee.custody.unseal import HeldThing, open_held
from bailee.kernel.errors import Conflict, DestroyedKey, NotFound
from bailee.kernel.ids import ObjectId, ObjectKeyName, Purpose, ScopeKeyName
from bailee.kernel.instants import Epoch, Instant
from bailee.kernel.redacted import Content, Secret, hidden
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.keeper import Keeper, WorkGrant
from bailee.ports.objects import Objects
from bailee.ports.randomness import Randomness

_ID_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_LENGTH_BYTES: Final = 4
_OPENED_AT_ONCE: Final = 100
"""So that nobody waits long for the keeper behind somebody's list."""


class KeptFor(NamedTuple):
    """For whom something is kept, and how it is monitored."""

    owner: Owner
    generation: int
    """Of the project's key pairs."""
    right: Secret | WorkGrant
    """The API key as it was sent, or a grant of such an owner."""
    monitored_in: Epoch | None = None
    """The epoch with which a copy for abuse monitoring ends; None: there is none."""


class New(NamedTuple):
    """What is to be kept."""

    kind: Kind
    details: bytes
    """Name and metadata: sealed."""
    label: str = ""
    expires_at: Instant | None = None
    parent: ObjectId | None = None
    public_id: str | None = None
    """None: a random one is made."""
    object: ObjectId | None = None
    """The name of its key, where a grant named it beforehand; None: a random one."""
    work_grant: bytes | None = None
    often: bool = False
    """Whether such things are kept by the second: their keys may be made ahead."""

    def __repr__(self) -> str:
        return hidden(self)


class Terms(NamedTuple):
    """What may be known only when all content has arrived."""

    label: str
    expires_at: Instant | None
    details: bytes | None = None
    """Instead of those that it was begun with."""

    def __repr__(self) -> str:
        return hidden(self)


class Opened(NamedTuple):
    """A thing and its details, opened."""

    held: HeldObject
    details: Content

    def __repr__(self) -> str:
        return hidden(self)


@dataclass(slots=True)
class Keeping:
    """What is kept until it is deleted. One for each process."""

    database: Database
    keeper: Keeper
    objects: Objects
    clock: Clock
    randomness: Randomness
    identity: bytes
    """The keeper's, as pinned: nothing is sealed to a key that it did not sign."""
    _sealing: SealingKeys = field(init=False, repr=False)
    _reserve: Reserve = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._sealing = SealingKeys(self.keeper, self.identity)
        self._reserve = Reserve(self._sealing, self.new_object)

    async def keep(
        self,
        whose: KeptFor,
        new: New,
        content: AsyncIterable[bytes] | None = None,
        terms: Callable[[], Terms] | None = None,
    ) -> HeldObject:
        """Seal and keep something; gives it once it is durable.

        `terms` is asked when all of `content` has arrived; its deadline may be earlier only.

        Raises:
            Unavailable: a store or the keeper is away; nothing is kept.
            DestroyedKey: the project's key was destroyed.
        """
        row, held = await self._begin(whose, new)
        try:
            row = row._replace(details=self._seal_details(held, new.details))
            async with self.database.transaction(row.tenant) as transaction:
                await repository.add(
                    transaction,
                    row if content is not None else row._replace(state=State.KEPT),
                )
            if content is None:
                return row._replace(state=State.KEPT)
            row = await self._write(row, held, content)
            if terms is not None:
                row = await self._settle(whose, row, held, terms())
            async with self.database.transaction(row.tenant) as transaction:
                if not await repository.mark_kept(transaction, row):
                    raise Conflict("This took too long to arrive. Send it again.")
            return row._replace(state=State.KEPT)
        finally:
            held.forget()

    async def find(self, whose: KeptFor, kind: Kind, public_id: str) -> HeldObject:
        """A kept thing of one's own. Raises NotFound."""
        async with self.database.transaction(whose.owner.tenant) as transaction:
            found = await repository.find(
                transaction, whose.owner.project, kind, public_id, self.clock.now()
            )
        if found is None:
            raise NotFound(f"No such {kind.value.replace('_', ' ')} object: {_shown(public_id)}")
        return found

    async def find_all(self, whose: KeptFor, kind: Kind, public_ids: list[str]) -> list[HeldObject]:
        """Those of the named things that are kept, in no order."""
        async with self.database.transaction(whose.owner.tenant) as transaction:
            return await repository.find_all(
                transaction, whose.owner.project, kind, public_ids, self.clock.now()
            )

    async def has_expired(self, whose: KeptFor, kind: Kind, public_id: str) -> bool:
        """Whether a thing of one's own ended by its deadline. Its row says so for good."""
        async with self.database.transaction(whose.owner.tenant) as transaction:
            return await repository.has_expired(
                transaction, whose.owner.project, kind, public_id, self.clock.now()
            )

    async def read(self, whose: KeptFor, kind: Kind, public_id: str) -> Opened:
        """A thing's details. Raises NotFound, also when it ends at this moment."""
        return (await self.opened(whose, [await self.find(whose, kind, public_id)]))[0]

    async def opened(self, whose: KeptFor, held: list[HeldObject]) -> list[Opened]:
        """The details of some things. Raises NotFound when one ends at this moment."""
        opened: list[Opened] = []
        for at in range(0, len(held), _OPENED_AT_ONCE):
            some = held[at : at + _OPENED_AT_ONCE]
            keys = await self._keys(whose, some)
            try:
                opened += [
                    Opened(one, key.open_details(one.details))
                    for one, key in zip(some, keys, strict=True)
                ]
            finally:
                for key in keys:
                    key.forget()
        return opened

    async def listed(self, whose: KeptFor, held: list[HeldObject]) -> list[Opened]:
        """As `opened`, for a list: what ends at this moment, or has no secret any more since an
        older database was restored, is left out."""
        found: list[Opened] = []
        for at in range(0, len(held), _OPENED_AT_ONCE):
            some = held[at : at + _OPENED_AT_ONCE]
            try:
                found += await self.opened(whose, some)
            except NotFound:
                for one in some:
                    with suppress(NotFound):
                        found += await self.opened(whose, [one])
        return found

    async def page(
        self,
        whose: KeptFor,
        kind: Kind,
        *,
        parent: ObjectId | None = None,
        label: str | None = None,
        after: str | None = None,
        limit: int = 20,
        descending: bool = True,
    ) -> Page:
        """A part of the list of one's own things of a kind. Nothing is opened."""
        async with self.database.transaction(whose.owner.tenant) as transaction:
            return await repository.page(
                transaction,
                whose.owner.project,
                kind,
                self.clock.now(),
                parent=parent,
                label=label,
                after=after,
                limit=limit,
                descending=descending,
            )

    async def change(
        self, whose: KeptFor, opened: Opened, details: bytes, label: str | None = None
    ) -> HeldObject:
        """Replace a thing's details. Raises Conflict if they have changed since they were read."""
        (key,) = await self._keys(whose, [opened.held])
        try:
            sealed = self._seal_details(key, details)
        finally:
            key.forget()
        held = opened.held
        label = held.label if label is None else label
        async with self.database.transaction(held.tenant) as transaction:
            changed = await repository.update(
                transaction, held.object, details=sealed, label=label, former=held.details
            )
        if not changed:
            raise Conflict("This was changed at the same moment. Read it again.")
        return held._replace(details=sealed, label=label)

    async def content(
        self, whose: KeptFor, held: HeldObject, first: int = 0, last: int | None = None
    ) -> AsyncGenerator[Content, None]:
        """The content, or its bytes `first` to `last` (included), as authenticated stretches."""
        end = held.size_bytes if last is None else min(last + 1, held.size_bytes)
        chunks = held.size_bytes // CHUNK_BYTES + 1
        start = _LENGTH_BYTES + len(held.key_block)
        (key,) = await self._keys(whose, [held])
        try:
            for number in range(first // CHUNK_BYTES, chunks):
                begins = number * CHUNK_BYTES
                if begins >= end:
                    break
                sealed = await self.objects.get_range(
                    held.blob, start + number * (CHUNK_BYTES + TAG_BYTES), CHUNK_BYTES + TAG_BYTES
                )
                opened = key.open_chunk(number, sealed, final=number == chunks - 1)
                yield Content(opened[max(0, first - begins) : end - begins])
        finally:
            key.forget()

    async def grant(
        self, whose: KeptFor, held: list[HeldObject], work: str, not_after: Instant
    ) -> bytes:
        """Let background work open some things; gives the grant as MessagePack.

        Raises Forbidden if `whose` is background work itself.
        """
        return await self.grant_names(whose, [one.name for one in held], work, not_after)

    async def grant_names(
        self, whose: KeptFor, names: list[ObjectKeyName], work: str, not_after: Instant
    ) -> bytes:
        """As `grant`, also for things that the work will make."""
        if isinstance(whose.right, WorkGrant):
            raise Conflict("Work under a grant gives no grants. Ask with the API key.")
        return msgspec.msgpack.encode(
            await self.keeper.grant_work(whose.right, names, work, not_after)
        )

    def new_object(self) -> ObjectId:
        """A random name of a key."""
        return ObjectId(self.randomness.random_bytes(_ID_BYTES))

    async def _begin(self, whose: KeptFor, new: New) -> tuple[HeldObject, HeldKey]:
        owner = whose.owner
        if new.often and new.object is None and new.expires_at is not None:
            public = await self._reserve.take(owner, whose.generation, new.expires_at)
        else:
            wanted = ObjectKeyName(owner.region, owner.project, new.object or self.new_object())
            (public,) = await self._sealing.of_objects([wanted], whose.generation, new.expires_at)
        name = public.name
        scope = ScopeKeyName(
            owner.region, Purpose.APPLICATION_STATE, owner.project, whose.generation
        )
        recipients = [Recipient(scope, public.scope_key)]
        if whose.monitored_in is not None:
            recipients.append(
                await self._sealing.for_monitoring(owner, whose.generation, whose.monitored_in)
            )
        held, block = new_held_key(
            name, owner, (public.mlkem_key, public.x25519_key), tuple(recipients), self.randomness
        )
        public_id = new.public_id or (
            PREFIXES[new.kind] + self.randomness.random_bytes(_ID_BYTES).hex()
        )
        row = HeldObject(
            name.object,
            owner.tenant,
            owner.project,
            owner.region,
            new.kind,
            public_id,
            new.parent,
            0,
            State.PENDING,
            new.label,
            self.clock.now(),
            new.expires_at,
            None,
            0,
            None,
            block.encode(),
            b"",
            new.work_grant,
        )
        return row, held

    async def _write(
        self, row: HeldObject, held: HeldKey, content: AsyncIterable[bytes]
    ) -> HeldObject:
        written = _Written()
        await self.objects.put_stream(row.blob, _sealed(row.key_block, held, content, written))
        return row._replace(size_bytes=written.size_bytes, digest=written.hash.digest())

    async def _settle(
        self, whose: KeptFor, row: HeldObject, held: HeldKey, terms: Terms
    ) -> HeldObject:
        if terms.expires_at is not None:
            await self._sealing.of_objects([row.name], whose.generation, terms.expires_at)
        if terms.details is not None:
            row = row._replace(details=self._seal_details(held, terms.details))
        return row._replace(label=terms.label, expires_at=terms.expires_at or row.expires_at)

    async def _keys(self, whose: KeptFor, held: list[HeldObject]) -> list[HeldKey]:
        if not held:
            return []
        things = [HeldThing(one.name, one.owner, one.key_block) for one in held]
        try:
            return await open_held(self.keeper, whose.right, things)
        except DestroyedKey:
            raise NotFound("This was deleted, or its time has passed.") from None

    def _seal_details(self, held: HeldKey, details: bytes) -> bytes:
        return held.seal_details(details, self.randomness.random_bytes(_NONCE_BYTES))


@dataclass(slots=True)
class _Written:
    """What has passed by."""

    size_bytes: int = 0
    hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)


async def _sealed(
    key_block: bytes, held: HeldKey, content: AsyncIterable[bytes], written: "_Written"
) -> AsyncIterator[bytes]:
    """The stored form, chunk by chunk (docs/formats/object.md)."""
    head = len(key_block).to_bytes(_LENGTH_BYTES, "big") + key_block
    written.hash.update(head)
    yield head
    gathered, number = bytearray(), 0
    async for part in content:
        gathered += part
        while len(gathered) >= CHUNK_BYTES:
            sealed = held.seal_chunk(number, bytes(gathered[:CHUNK_BYTES]), final=False)
            del gathered[:CHUNK_BYTES]
            written.size_bytes += CHUNK_BYTES
            written.hash.update(sealed)
            number += 1
            yield sealed
    sealed = held.seal_chunk(number, bytes(gathered), final=True)
    written.size_bytes += len(gathered)
    written.hash.update(sealed)
    yield sealed


def _shown(public_id: str) -> str:
    """An identifier as it may be repeated: what has another form may be content."""
    plain = (
        len(public_id) <= 64 and public_id.isascii() and public_id.replace("-", "_").isidentifier()
    )
    return public_id if plain else "(not an identifier)"

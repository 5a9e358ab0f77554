"""Opening stored content: the one access function, and who may call it.

Whoever opens anything does it through here: a record's part for its owner, with a lease that is
bound to one purpose; what a project keeps until it deletes it, with the owner's API key, or with a
grant that the keeper signed for such an owner (the worker's only way). The table `CALLERS` names
the only modules that may import this one; import-linter holds everyone to it.
Deliberately decides nothing: the keeper does, and what it refuses is passed on unchanged.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from bailee.custody.seal import opening
from bailee.custody.seal.held import HeldKey, KeyBlock
from bailee.custody.seal.part import Owner, SealedPart
from bailee.custody.seal.wipe import wipe
from bailee.kernel.errors import Conflict, UnknownKey
from bailee.kernel.ids import ObjectKeyName, Purpose
from bailee.kernel.redacted import Content, Secret
from bailee.ports.keeper import Keeper, OpeningProof, OpenPart, SealedKey, WorkGrant

CALLERS: Final = {
    "bailee.application_state.keeping": "an owner reads what they keep until they delete it, with "
    "the project's API key; background work does so under a grant of such an owner",
    "bailee.serving.owner_reads": "the owner of a record reads it, with the project's API key",
}
"""Modules that may open content, and why. `tests/tidy` and import-linter agree with it."""

_ATTEMPTS: Final = 4


class OwnerLease(NamedTuple):
    """An owner's right to read: the API key itself, which the keeper verifies, for one purpose."""

    credential: Secret
    owner: Owner
    purpose: Purpose


class StoredPart(NamedTuple):
    """A part as stored, with the frames that its wrap refers to (bodies after the type byte)."""

    part: SealedPart
    session: bytes
    scope: bytes


class HeldThing(NamedTuple):
    """A thing that is kept until it is deleted, as far as opening it goes."""

    name: ObjectKeyName
    owner: Owner
    key_block: bytes


Prove = Callable[[int], Awaitable[OpeningProof]]
"""Proves that the part is under a logged root; given the log size that the keeper accepted last."""


async def open_held(
    keeper: Keeper, right: Secret | WorkGrant, things: list[HeldThing]
) -> list[HeldKey]:
    """The content keys of things that are kept until they are deleted; `forget` each.

    `right` is the owner's API key, or a grant that the keeper gave for one.

    Raises:
        DestroyedKey: one is past its deadline or was deleted.
        Forbidden, UnknownKey, TamperedContent, Unavailable: as `Keeper.open_objects`.
    """
    sealed = [SealedKey(thing.name, thing.key_block) for thing in things]
    if isinstance(right, WorkGrant):
        keys = await keeper.open_granted(right, sealed)
    else:
        keys = await keeper.open_objects(right, sealed)
    return [
        HeldKey.opened(thing.name, thing.owner, KeyBlock.decode(thing.key_block), key)
        for thing, key in zip(things, keys, strict=True)
    ]


async def open_for_owner(
    keeper: Keeper, lease: OwnerLease, stored: StoredPart, prove: Prove
) -> Content:
    """The content of one part, for its owner.

    `prove` is asked again when another opening moved the keeper to a newer checkpoint meanwhile.

    Raises:
        DestroyedKey: from the deadline on. UnknownKey: it was never sealed for this purpose.
        Forbidden: the API key is not valid, or of another project.
        TamperedContent, InvalidInput, Conflict, Unavailable: as `Keeper.open_part`.
    """
    wrap = stored.part.wrap_for(lease.purpose)
    if wrap is None:
        raise UnknownKey("this part is not held for this purpose; ask for one that it is held for")
    ciphertext_hash = hashlib.sha256(stored.part.ciphertext).digest()
    for attempt in range(_ATTEMPTS):
        proof = await prove((await keeper.status()).log_size)
        request = OpenPart(
            credential=lease.credential,
            purpose=lease.purpose,
            header=stored.part.header,
            ciphertext_hash=ciphertext_hash,
            wrap=wrap.encode(),
            session=stored.session,
            scope=stored.scope,
            proof=proof,
        )
        try:
            content_key = await keeper.open_part(request)
            break
        except Conflict:
            if attempt + 1 == _ATTEMPTS:
                raise
    try:
        return opening.open_content(stored.part, content_key, lease.owner)
    finally:
        wipe(content_key)

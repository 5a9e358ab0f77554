"""Things that work in the background carries while their owner may change them, too.

Promises: a change is made to what was read, and made again where that has changed meanwhile, so
that none is lost, whoever makes it; a holder whose lease another has taken since changes nothing
(the fence is kept in the thing itself, so that no clock is trusted). Deliberately does not know
what is carried: `batches` and `fine_tuning` do.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from bailee.application_state import repository
from bailee.application_state.keeping import Keeping, KeptFor, Opened
from bailee.application_state.model import HeldObject
from bailee.custody.seal.held import KeyBlock
from bailee.kernel.errors import Conflict, NotFound
from bailee.kernel.ids import ObjectId, Purpose
from bailee.kernel.redacted import Content, hidden
from bailee.ports.keeper import WorkGrant

_ATTEMPTS: Final = 8


class FencedError(Exception):
    """A later holder has begun: what an earlier one wants to change is not changed."""


class Revised(NamedTuple):
    """What a thing's details and label are to be."""

    details: bytes
    label: str

    def __repr__(self) -> str:
        return hidden(self)


def right_of(held: HeldObject) -> KeptFor:
    """For whom work on a thing is done: its owner, under the grant that lies beside it."""
    grant = msgspec.msgpack.decode(held.work_grant or b"", type=WorkGrant)
    wrap = KeyBlock.decode(held.key_block).wrap_for(Purpose.APPLICATION_STATE)
    return KeptFor(held.owner, wrap.generation, grant)


async def carried(keeping: Keeping, whose: KeptFor, name: ObjectId) -> Opened:
    """A kept thing by the name of its key. Raises NotFound when it is gone."""
    async with keeping.database.transaction(whose.owner.tenant) as transaction:
        rows = await repository.by_objects(transaction, [name])
    if not rows:
        raise NotFound("This was deleted.")
    (opened,) = await keeping.opened(whose, rows)
    return opened


async def revise(
    keeping: Keeping,
    whose: KeptFor,
    read: Callable[[], Awaitable[Opened]],
    change: Callable[[Opened], Revised | None],
) -> Opened:
    """Change a thing as `change` says of what was read; None leaves it as it is.

    Both may be asked several times; what they raise ends it. Raises Conflict where the thing is
    changed by others all the time.
    """
    for _ in range(_ATTEMPTS):
        opened = await read()
        revised = change(opened)
        if revised is None:
            return opened
        try:
            held = await keeping.change(whose, opened, revised.details, revised.label)
        except Conflict:
            continue
        return Opened(held, Content(revised.details))
    raise Conflict("This changes at the moment. Try again.")


async def end_without_grant(keeping: Keeping, held: HeldObject, label: str) -> None:
    """The grant has ended: nothing sealed can be changed any more, only the status."""
    async with keeping.database.transaction(held.tenant) as transaction:
        for row in await repository.by_objects(transaction, [held.object]):
            sealed = row.details
            await repository.update(
                transaction, row.object, details=sealed, label=label, former=sealed
            )

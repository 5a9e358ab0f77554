"""Object keys made a few at a time, for things that a project keeps often and for a stated time.

Making a secret costs a durable writing of the keyring. What is kept with every answer takes its
key from a reserve that one writing has filled. Only keys with a deadline are made ahead: one that
is never used dies at it (the clerk sees to that), so that nothing is left for ever. Content and
secrets are never here: these are public keys.
"""

from collections.abc import Callable
from typing import Final

from bailee.custody.seal.part import Owner
from bailee.kernel.ids import ObjectId, ObjectKeyName
from bailee.kernel.instants import Instant
from bailee.ports.keeper import Keeper, ObjectPublicKey

AT_ONCE: Final = 16
_RESERVES: Final = 1024


class Reserve:
    """Keys that are made and not used yet. One for each process."""

    def __init__(self, keeper: Keeper, new_object: Callable[[], ObjectId]) -> None:
        self._keeper = keeper
        self._new_object = new_object
        self._made: dict[tuple[Owner, int, Instant], list[ObjectPublicKey]] = {}

    async def take(self, owner: Owner, generation: int, deadline: Instant) -> ObjectPublicKey:
        """A fresh key. Raises what `Keeper.create_objects` raises."""
        kind = (owner, generation, deadline)
        made = self._made.get(kind)
        if made:
            return made.pop()
        names = [
            ObjectKeyName(owner.region, owner.project, self._new_object()) for _ in range(AT_ONCE)
        ]
        fresh = await self._keeper.create_objects(names, generation, deadline)
        if len(self._made) >= _RESERVES:
            self._made.clear()
        taken = fresh.pop()
        self._made.setdefault(kind, []).extend(fresh)
        return taken

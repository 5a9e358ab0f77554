"""Object keys made a few at a time, for things that a project keeps often and for a stated time.

Making a secret costs a durable writing of the keyring. What is kept with every answer takes its
key from a reserve that one writing has filled. A reserve is filled with as many as were taken from
it before, up to `AT_ONCE`, so that no more are made in vain than are used. Only keys with a
deadline are made ahead: one that is never used dies at it (the clerk sees to that), so that nothing
is left for ever. Content and secrets are never here: these are public keys.
"""

from collections.abc import Callable
from typing import Final

from bailee.application_state.sealing_keys import SealingKeys
from bailee.custody.seal.part import Owner
from bailee.kernel.ids import ObjectId, ObjectKeyName
from bailee.kernel.instants import Instant
from bailee.ports.keeper import ObjectPublicKey

AT_ONCE: Final = 16
_RESERVES: Final = 1024


class Reserve:
    """Keys that are made and not used yet. One for each process."""

    def __init__(self, sealing: SealingKeys, new_object: Callable[[], ObjectId]) -> None:
        self._sealing = sealing
        self._new_object = new_object
        self._made: dict[tuple[Owner, int, Instant], list[ObjectPublicKey]] = {}
        self._taken: dict[tuple[Owner, int, Instant], int] = {}

    async def take(self, owner: Owner, generation: int, deadline: Instant) -> ObjectPublicKey:
        """A fresh key. Raises what `SealingKeys.of_objects` raises."""
        kind = (owner, generation, deadline)
        made = self._made.get(kind)
        if made:
            self._taken[kind] += 1
            return made.pop()
        if len(self._taken) >= _RESERVES:
            self._made.clear()
            self._taken.clear()
        count = min(max(1, self._taken.get(kind, 0)), AT_ONCE)
        self._taken[kind] = self._taken.get(kind, 0) + 1
        names = [
            ObjectKeyName(owner.region, owner.project, self._new_object()) for _ in range(count)
        ]
        fresh = await self._sealing.of_objects(names, generation, deadline)
        taken = fresh.pop()
        self._made.setdefault(kind, []).extend(fresh)
        return taken

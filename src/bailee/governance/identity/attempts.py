"""Sign-ins that have begun: what is needed to end them, known to whoever bears their name.

A name is 256 random bits, is there for ten minutes and is taken once; whoever took it may put it
back for what is left of them. Its row says nothing to whoever reads the table: the name is hashed
and the details are sealed.
"""

from typing import Final, TypeVar

import msgspec

from bailee.governance.identity import repository
from bailee.governance.identity.model import ATTEMPT_MS, random_text
from bailee.governance.identity.sealing import Vault
from bailee.kernel.instants import Instant
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.randomness import Randomness

Details = TypeVar("Details", bound=msgspec.Struct)
_KIND: Final = "attempt"


class Attempts:
    """Begins attempts and takes them again."""

    def __init__(
        self, database: Database, clock: Clock, randomness: Randomness, vault: Vault
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._vault = vault

    async def begin(
        self, details: msgspec.Struct, name: str | None = None, until: Instant | None = None
    ) -> str:
        """Keep details until then, else for ten minutes; gives the name that they are taken by."""
        name = name or random_text(self._randomness).decode()
        now = self._clock.now()
        digest = self._vault.digest(_KIND, name.encode())
        sealed = self._vault.seal(_KIND, digest, msgspec.json.encode(details))
        async with self._database.transaction(None) as transaction:
            await repository.add_attempt(
                transaction, digest, sealed, now, until or Instant(now + ATTEMPT_MS)
            )
        return name

    async def take(self, name: str, kind: type[Details]) -> Details | None:
        """What was kept, this once; None for what is unknown, over or of another kind."""
        digest = self._vault.digest(_KIND, name.encode("utf-8", "replace"))
        async with self._database.transaction(None) as transaction:
            sealed = await repository.take_attempt(transaction, digest, self._clock.now())
        if sealed is None:
            return None
        try:
            return msgspec.json.decode(self._vault.open(_KIND, digest, sealed), type=kind)
        except msgspec.ValidationError:
            return None

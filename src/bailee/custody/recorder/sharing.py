"""Sealing a record for training besides, for as long as its owner shares.

Promises: a part has the wrap only if sharing stood when the record was begun, has stood ever since,
and stands at the very instant that the part's header states; once it was found not to, no later
part of the record has it. Deliberately decides nothing: `Shared` knows what stands, and whether the
policy lets content serve is the policy's matter.
"""

from dataclasses import dataclass
from typing import Protocol

from bailee.custody.journal.writer import JournalWriter
from bailee.custody.recorder.chains import Chains, Scope
from bailee.custody.recorder.stream import Stream
from bailee.custody.seal.session import Chain
from bailee.kernel.instants import Instant


class Shared(Protocol):
    """What a project's owner lets a record serve, as this process knows it."""

    @property
    def generation(self) -> int:
        """Of the project's scope for training."""
        ...

    def stands(self, now: Instant) -> bool:
        """Whether it stands at `now`, and is known to. Asked again for each part; never waits."""
        ...


@dataclass(slots=True)
class Sharing:
    """One record's sealing for training."""

    shared: Shared
    chains: Chains
    scope: Scope

    def chain(self, stream: Stream, writer: JournalWriter, now: Instant) -> Chain | None:
        """The chain for a part that is sealed at `now`; None: it is not shared, nor later ones."""
        if not self.shared.stands(now):
            return None
        return self.chains.chain(self.scope, stream.journal, writer)

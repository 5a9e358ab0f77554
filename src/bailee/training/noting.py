"""Notes of what a job has elsewhere: made before it can exist, so that it ends whatever happens."""

from dataclasses import dataclass

from bailee.application_state import remote_things
from bailee.application_state.keeping import Keeping
from bailee.application_state.model import HeldObject
from bailee.application_state.remote_things import RemoteKind, RemoteThing
from bailee.kernel.ids import ObjectId


@dataclass(slots=True)
class RemoteNotes:
    """Those of one job."""

    keeping: Keeping
    job: HeldObject
    backend: str = ""
    """The one that has what is made; empty: nothing is elsewhere."""
    named: str = ""
    """What names the run there."""

    async def run(self, name: str) -> None:
        """The run is about to be there under this name."""
        self.named = name
        await self._note(RemoteKind.RUN, name, self.job.object)

    async def model(self, name: str, adapter: HeldObject) -> None:
        """A model is there that belongs to a kept adapter."""
        await self._note(RemoteKind.MODEL, name, adapter.object)

    async def run_is_over(self) -> None:
        """All is well there: what was uploaded is gone, what was made is noted."""
        if self.named:
            async with self.keeping.database.transaction(self.job.tenant) as transaction:
                await remote_things.forget(transaction, self.backend, self.named)

    async def _note(self, kind: RemoteKind, name: str, belongs_to: ObjectId) -> None:
        if not name:
            return
        owner = self.job.owner
        thing = RemoteThing(self.backend, name, kind, belongs_to, owner.tenant, owner.project)
        async with self.keeping.database.transaction(owner.tenant) as transaction:
            await remote_things.note(transaction, thing, self.keeping.clock.now())

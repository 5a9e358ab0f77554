"""Destroying: secrets leave the keyring, the root rolls, and the keeper says so under its name.

A destruction takes two writings of the keyring. The first drops the secrets, leaves tombstones and
notes that a statement is owed; it rolls the root, and when it is done nothing opens any more. Only
then is it known since when, so the second writing adds the signed statements, and only then are
they given out. A crash between the two: `finish_statements`, at the next start, states the later
time, which is true. A crash after the second: the same statements are given again. So no subject
ever gets two different statements.
"""

from bailee.custody.keeper import statement
from bailee.custody.keeper.commits import Commits
from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.signatures import Identity
from bailee.custody.keeper.state import Destruction, KeyringState
from bailee.custody.keeper.time_guard import TimeGuard
from bailee.kernel.errors import Conflict, DestroyedKey, Unavailable
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ScopeKeyName
from bailee.kernel.instants import Instant, epoch_deadline, epoch_due
from bailee.ports.keeper import DestructionStatement, TrainingScope
from bailee.ports.root_slots import RootSlots


class Destroyer:
    """Destroys what one keyring holds."""

    def __init__(
        self, keyring: Keyring, guard: TimeGuard, commits: Commits, slots: RootSlots
    ) -> None:
        self._keyring = keyring
        self._guard = guard
        self._commits = commits
        self._slots = slots

    async def destroy_epochs(
        self, names: list[EpochKeyName], identity: Identity
    ) -> list[DestructionStatement]:
        """See the port. Raises Unavailable while the clock is in doubt."""
        doubt = self._guard.doubt()
        if doubt is not None:
            raise Unavailable(f"nothing is destroyed by a doubtful clock: {doubt}")

        def change(state: KeyringState) -> None:
            living = _living_epochs(state, names)
            now = self._guard.now()
            if any(now < epoch_due(name.epoch) for name in living):
                raise Conflict("an epoch is not due yet; destroy it from 15 minutes before its end")
            for name in living:
                state.destroy_epoch(name)
                self._owe(state, statement.epoch_subject(name), epoch_deadline(name.epoch))

        if _living_epochs(self._keyring.state, names):
            await self._commits.apply(change, roll=True)
        await self.finish_statements(identity)
        return self._statements([statement.epoch_subject(name) for name in names])

    async def destroy_scopes(
        self, names: list[ScopeKeyName], identity: Identity
    ) -> list[DestructionStatement]:
        """See the port. Asked for by a person, so no clock has a say in it."""

        def change(state: KeyringState) -> None:
            for name in _living_scopes(state, names):
                state.destroy_scope(name)
                self._owe(state, statement.scope_subject(name), None)

        if _living_scopes(self._keyring.state, names):
            await self._commits.apply(change, roll=True)
        await self.finish_statements(identity)
        return self._statements([statement.scope_subject(name) for name in names])

    async def destroy_training(
        self, scopes: list[TrainingScope], identity: Identity
    ) -> list[DestructionStatement]:
        """See the port. Asked for by a person who withdrew, so no clock has a say in it."""

        def change(state: KeyringState) -> None:
            for scope in _undestroyed(state, scopes):
                state.scopes.pop(scope.name, None)
                state.destroyed_scopes.add(scope.name)
                self._owe(state, scope.subject, None)

        if _undestroyed(self._keyring.state, scopes):
            await self._commits.apply(change, roll=True)
        await self.finish_statements(identity)
        return self._statements([scope.subject for scope in scopes])

    async def destroy_objects(
        self, names: list[ObjectKeyName], identity: Identity
    ) -> list[DestructionStatement]:
        """See the port. Asked for by the owner, or due by a deadline that the owner set."""

        def change(state: KeyringState) -> None:
            for name in _living_objects(state, names):
                deadline = state.object_secret(name).deadline
                state.destroy_object(name)
                early = deadline is None or self._guard.now() < deadline
                self._owe(state, statement.object_subject(name), None if early else deadline)

        if _living_objects(self._keyring.state, names):
            await self._commits.apply(change, roll=True)
        await self.finish_statements(identity)
        return self._statements([statement.object_subject(name) for name in names])

    async def destroy_due(self, identity: Identity) -> list[DestructionStatement]:
        """Destroy every epoch that is due, in one rewriting of the keyring."""
        now = self._guard.now()
        due = [name for name in self._keyring.state.epochs if now >= epoch_due(name.epoch)]
        return await self.destroy_epochs(due, identity)

    async def finish_statements(self, identity: Identity) -> None:
        """Sign what is owed for destructions that are durable by now."""
        owed = [found for found in self._keyring.state.destructions.values() if not found.document]
        if not owed:
            return
        now, times = self._guard.now(), self._slots.erasure_times()

        def change(state: KeyringState) -> None:
            for found in owed:
                if state.destructions.get(found.subject) == found:
                    document = statement.document(found, now, times)
                    state.destructions[found.subject] = Destruction(
                        found.subject,
                        found.deadline,
                        found.generation,
                        document,
                        identity.sign_statement(document),
                    )

        await self._commits.apply(change, roll=False)

    async def statements_logged(self, subjects: list[str]) -> None:
        """See the port. A statement that is still owed is kept, whoever says what."""

        def change(state: KeyringState) -> None:
            for subject in subjects:
                found = state.destructions.get(subject)
                if found is not None and found.document:
                    del state.destructions[subject]

        if any(subject in self._keyring.state.destructions for subject in subjects):
            await self._commits.apply(change, roll=False)

    def pending_statements(self) -> list[DestructionStatement]:
        """See the port."""
        return self._statements(list(self._keyring.state.destructions))

    def _statements(self, subjects: list[str]) -> list[DestructionStatement]:
        held = self._keyring.state.destructions
        found = [held[subject] for subject in dict.fromkeys(subjects) if subject in held]
        return [
            DestructionStatement(destruction.document, destruction.signature)
            for destruction in found
            if destruction.document
        ]

    def _owe(self, state: KeyringState, subject: str, deadline: Instant | None) -> None:
        generation = self._keyring.generation + 1
        state.destructions[subject] = Destruction(subject, deadline, generation)


def _living_epochs(state: KeyringState, names: list[EpochKeyName]) -> list[EpochKeyName]:
    """Those of `names` that have a secret. Raises UnknownKey if one never had."""
    living = []
    for name in dict.fromkeys(names):
        try:
            state.epoch_secret(name)
        except DestroyedKey:
            continue
        living.append(name)
    return living


def _living_objects(state: KeyringState, names: list[ObjectKeyName]) -> list[ObjectKeyName]:
    living = []
    for name in dict.fromkeys(names):
        try:
            state.object_secret(name)
        except DestroyedKey:
            continue
        living.append(name)
    return living


def _undestroyed(state: KeyringState, scopes: list[TrainingScope]) -> list[TrainingScope]:
    """Those without a tombstone, whether they ever had a secret or not."""
    by_name = {scope.name: scope for scope in scopes}
    return [scope for name, scope in by_name.items() if name not in state.destroyed_scopes]


def _living_scopes(state: KeyringState, names: list[ScopeKeyName]) -> list[ScopeKeyName]:
    living = []
    for name in dict.fromkeys(names):
        try:
            state.scope_secret(name)
        except DestroyedKey:
            continue
        living.append(name)
    return living

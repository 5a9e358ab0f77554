"""What a project keeps until it deletes it: making, opening, granting and destroying its secrets.

Promises what the port says of objects. A secret is durable before its public key is given out;
from its deadline on nothing opens; the owner shows an API key, background work shows a grant that
the keeper signed for such an owner, and neither reaches another project's things. One call opens
all that it names, or nothing.
"""

from contextlib import suppress
from typing import Final

from bailee.custody.keeper import credentials, keys
from bailee.custody.keeper.commits import Commits
from bailee.custody.keeper.destroyer import Destroyer
from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.signatures import Identity, verify_work_grant
from bailee.custody.keeper.state import SECRET_BYTES, Credential, KeyringState, ObjectSecret
from bailee.custody.keeper.time_guard import TimeGuard
from bailee.custody.seal.held import KeyBlock, unwrap_held_key
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import (
    DestroyedKey,
    Forbidden,
    InvalidInput,
    TamperedContent,
    UnknownKey,
)
from bailee.kernel.ids import ObjectKeyName, Purpose, ScopeKeyName, TenantId
from bailee.kernel.instants import DAY_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.ports.keeper import DestructionStatement, ObjectPublicKey, SealedKey, WorkGrant
from bailee.ports.randomness import Randomness

STATE: Final = Purpose.APPLICATION_STATE
LONGEST_GRANT_MS: Final = 30 * DAY_MS
OBJECTS_AT_ONCE: Final = 1000
_ID_BYTES: Final = 16
_WORK_CHARACTERS: Final = 100


class HeldSecrets:
    """The objects of one keyring."""

    def __init__(
        self,
        keyring: Keyring,
        guard: TimeGuard,
        commits: Commits,
        destroyer: Destroyer,
        randomness: Randomness,
    ) -> None:
        self._keyring = keyring
        self._guard = guard
        self._commits = commits
        self._destroyer = destroyer
        self._randomness = randomness

    async def create(
        self,
        names: list[ObjectKeyName],
        generation: int,
        deadline: Instant | None,
        identity: Identity,
    ) -> list[ObjectPublicKey]:
        """See the port."""
        _check_names(names)
        if not names:
            return []
        scope = ScopeKeyName(names[0].region, STATE, names[0].project, generation)
        if deadline is not None and deadline <= self._guard.now():
            raise InvalidInput("the deadline is past; give a later one", field="deadline")

        def change(state: KeyringState) -> None:
            try:
                state.scope_secret(scope)
            except UnknownKey:
                # A project from before it could keep anything: its scope begins with the first.
                state.scopes[scope] = self._randomness.random_bytes(SECRET_BYTES)
            for name in names:
                try:
                    known = state.object_secret(name)
                except UnknownKey:
                    known = ObjectSecret(self._randomness.random_bytes(SECRET_BYTES), deadline)
                state.objects[name] = known._replace(deadline=_earlier(known.deadline, deadline))

        await self._commits.apply(change, roll=False)
        state = self._keyring.state
        scope_key = keys.scope_x25519_key(scope, state.scope_secret(scope))
        public = scope_key.public_key().public_bytes_raw()
        return [self._public(state, name, generation, public, identity) for name in names]

    def open(self, credential: bytes, sealed: list[SealedKey]) -> list[bytes]:
        """See the port's `open_objects`."""
        _check_names([one.name for one in sealed])
        bearer = self._bearer(credential)
        for one in sealed:
            _check_own(bearer, one.name)
        return [self._opened(one, bearer.tenant) for one in sealed]

    def grant(
        self,
        credential: bytes,
        names: list[ObjectKeyName],
        work: str,
        not_after: Instant,
        identity: Identity,
    ) -> WorkGrant:
        """See the port's `grant_work`."""
        _check_names(names)
        if not 0 < len(work) <= _WORK_CHARACTERS:
            raise InvalidInput(f"a work has 1 to {_WORK_CHARACTERS} characters", field="work")
        if not_after > self._guard.now() + LONGEST_GRANT_MS:
            raise InvalidInput("a grant lasts 30 days at most", field="not_after")
        bearer = self._bearer(credential)
        for name in names:
            _check_own(bearer, name)
            with suppress(UnknownKey):
                self._living(name)
        return identity.work_grant(work, bearer.tenant, names, not_after)

    def open_granted(
        self, grant: WorkGrant, sealed: list[SealedKey], identity: Identity
    ) -> list[bytes]:
        """See the port."""
        try:
            verify_work_grant(identity.public_key, grant)
        except TamperedContent:
            raise Forbidden("this grant was not given by this keeper") from None
        if self._guard.now() > grant.not_after:
            raise Forbidden("this grant has ended; ask its owner for another")
        covered = set(grant.names)
        if any(one.name not in covered for one in sealed):
            raise Forbidden("this grant does not cover what is asked for")
        return [self._opened(one, TenantId(grant.tenant)) for one in sealed]

    async def destroy_own(
        self, credential: bytes, names: list[ObjectKeyName], identity: Identity
    ) -> list[DestructionStatement]:
        """See the port's `destroy_own_objects`."""
        _check_names(names)
        bearer = self._bearer(credential)
        for name in names:
            _check_own(bearer, name)
        return await self._destroyer.destroy_objects(names, identity)

    def due(self, until: Instant) -> list[ObjectKeyName]:
        """See the port's `objects_due`."""
        found = [
            (held.deadline, name)
            for name, held in self._keyring.state.objects.items()
            if held.deadline is not None and held.deadline <= until
        ]
        return [name for _, name in sorted(found)[:OBJECTS_AT_ONCE]]

    def _bearer(self, credential: bytes) -> Credential:
        return credentials.verify(self._keyring.state, credential, self._guard.now())

    def _living(self, name: ObjectKeyName) -> ObjectSecret:
        held = self._keyring.state.object_secret(name)
        if held.deadline is not None and self._guard.now() >= held.deadline:
            raise DestroyedKey("the deadline of this has passed; it does not open any more")
        return held

    def _opened(self, sealed: SealedKey, tenant: TenantId) -> Secret:
        name = sealed.name
        block = KeyBlock.decode(sealed.key_block)
        if block.object != name.object:
            raise TamperedContent("this key block belongs to something else")
        secret = self._living(name).secret
        scope = block.wrap_for(STATE).scope(name)
        return unwrap_held_key(
            name,
            Owner(tenant, name.project, name.region),
            block,
            STATE,
            (keys.object_mlkem_key(name, secret), keys.object_x25519_key(name, secret)),
            keys.scope_x25519_key(scope, self._keyring.state.scope_secret(scope)),
        )

    def _public(
        self,
        state: KeyringState,
        name: ObjectKeyName,
        generation: int,
        scope_key: bytes,
        identity: Identity,
    ) -> ObjectPublicKey:
        secret = state.object_secret(name).secret
        mlkem = keys.object_mlkem_key(name, secret).public_key().public_bytes_raw()
        x25519 = keys.object_x25519_key(name, secret).public_key().public_bytes_raw()
        return identity.object_public_key(name, generation, (mlkem, x25519), scope_key)


def _check_names(names: list[ObjectKeyName]) -> None:
    if len(names) > OBJECTS_AT_ONCE:
        raise InvalidInput(f"at most {OBJECTS_AT_ONCE} things at a time", field="names")
    if len({(name.region, name.project) for name in names}) > 1:
        raise InvalidInput("these belong to several projects; ask for each alone", field="names")
    for name in names:
        if len(name.object) != _ID_BYTES or len(name.project) != _ID_BYTES:
            raise InvalidInput("an object and its project are named by 16 bytes", field="names")


def _earlier(known: Instant | None, asked: Instant | None) -> Instant | None:
    return min((at for at in (known, asked) if at is not None), default=None)


def _check_own(bearer: Credential, name: ObjectKeyName) -> None:
    if bearer.project != name.project:
        raise Forbidden("this API key opens nothing here; use a key of the project that keeps it")

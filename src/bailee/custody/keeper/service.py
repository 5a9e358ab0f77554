"""The keeper at work, in its own process: what it gives, what it opens, what it destroys.

Promises: a secret is durable before its public key is given out; from its deadline on nothing of
an epoch opens, whatever is destroyed yet; a destruction is acknowledged once no older copy of the
keyring opens; statements are repeated, unchanged, until the log holds them. `start` comes before
anything is served: it destroys what fell due while nobody watched. Who may call what is `roles`'
matter; here everyone may call everything.
"""

import re
from typing import Final

import structlog

from bailee.custody.keeper import credentials, keys
from bailee.custody.keeper.commits import Commits
from bailee.custody.keeper.destroyer import Destroyer
from bailee.custody.keeper.held import HeldSecrets
from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.opener import Opener
from bailee.custody.keeper.roles import Role, RoleKeeper
from bailee.custody.keeper.signatures import Identity
from bailee.custody.keeper.state import SECRET_BYTES, KeyringState
from bailee.custody.keeper.time_guard import TOLERANCE_MS, TimeGuard
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import (
    Conflict,
    DestroyedKey,
    Forbidden,
    InvalidInput,
    Unavailable,
    UnknownKey,
)
from bailee.kernel.ids import (
    EpochKeyName,
    ObjectKeyName,
    ProjectId,
    Region,
    ScopeKeyName,
    TenantId,
)
from bailee.kernel.instants import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Instant,
    epoch_deadline,
    epoch_end,
    epoch_start,
    to_rfc3339,
)
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.keeper import (
    BootCertificate,
    DestructionStatement,
    EpochPublicKey,
    KeeperAdministration,
    KeeperStatus,
    ObjectPublicKey,
    OpenPart,
    ScopePublicKey,
    SealedKey,
    TrainingScope,
    WorkGrant,
)
from bailee.ports.offload import Offload
from bailee.ports.randomness import Randomness
from bailee.ports.root_slots import RootSlots
from bailee.transparency.note import VerifierKey

AHEAD_MS: Final = 2 * HOUR_MS
"""How long before its start an epoch's key is made."""
CERTIFICATE_MS: Final = 7 * DAY_MS
CERTIFICATE_LEAD_MS: Final = 10 * SECOND_MS
ROLL_INTERVAL_MS: Final = HOUR_MS
LAST_RESORT_MS: Final = 5 * MINUTE_MS
DEADLINE_CHECK_S: Final = 30.0
_ID_BYTES: Final = 16
log = structlog.get_logger()
_ED25519_BYTES: Final = 32
_REFERENCE_BYTES: Final = 32
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}")


class KeeperService:
    """Semantics of `ports.keeper.Keeper`. Use `for_role` to give it to others.

    `keyring` and `slots` are this process's alone. `log_key` is the transparency log's.
    `trust_clock` is for installations on a simulated clock. `region` is the only one for which keys
    and certificates are made; None: any. `enforcement` is what the process that
    built this found about how others are kept from the keyring.
    """

    def __init__(
        self,
        keyring: Keyring,
        slots: RootSlots,
        clock: Clock,
        randomness: Randomness,
        offload: Offload,
        log_key: VerifierKey,
        *,
        enforcement: str = "none",
        trust_clock: bool = False,
        region: Region | None = None,
    ) -> None:
        self._keyring = keyring
        self._clock = clock
        self._region = region
        self._randomness = randomness
        self._offload = offload
        self._enforcement = enforcement
        self._guard = TimeGuard(clock, trust=trust_clock)
        self._commits = Commits(keyring, offload, self._guard.mark)
        self._opener = Opener(keyring, self._guard, self._commits, log_key)
        self._destroyer = Destroyer(keyring, self._guard, self._commits, slots)
        self._held = HeldSecrets(keyring, self._guard, self._commits, self._destroyer, randomness)
        self._identity: Identity | None = None
        self._public_keys: dict[EpochKeyName, EpochPublicKey] = {}

    async def start(self) -> list[DestructionStatement]:
        """Load or make the keyring, then destroy everything that is due; call before serving.

        A crash during a destruction left either the old state, and what is due is destroyed now,
        or the new one, and its statement is finished now. When the clock is in doubt nothing is
        destroyed and the keeper serves all the same: it refuses what is past its deadline, and an
        administrator must be able to reach it. Gives the statements that the log may not hold.

        Raises what `Keyring.load_or_create` raises: without its keyring a keeper does not serve.
        """
        now = self._clock.now()
        await self._offload.run(lambda: self._keyring.load_or_create(now))
        state = self._keyring.state
        self._guard.start(state.time_mark)
        self._identity = Identity(state.identity)
        await self._destroyer.finish_statements(self._identity)
        if self._guard.doubt() is None:
            await self._destroyer.destroy_due(self._identity)
            await self._destroyer.destroy_objects(self._held.due(now), self._identity)
        return await self.pending_statements()

    def for_role(self, role: Role) -> KeeperAdministration:
        """This keeper as one role may use it."""
        return RoleKeeper(self, role)

    async def keep(self) -> None:
        """Roll the root hourly, which also persists the time mark, until cancelled.

        A roll that fails is tried again within a minute; meanwhile the older root stands.
        """
        while True:
            age_ms = self._guard.now() - self._keyring.state.rolled_at
            if age_ms >= ROLL_INTERVAL_MS:
                try:
                    await self.roll()
                except Unavailable:
                    await self._clock.sleep_s(60)
                continue
            await self._clock.sleep_s((ROLL_INTERVAL_MS - age_ms) / 1000)

    async def keep_deadlines(self) -> None:
        """Destroy what nobody asked for in time, until cancelled.

        The clerk asks from 15 minutes before a deadline, and states its intent in the log first.
        When it has not by `LAST_RESORT_MS` before the deadline, the promise goes before the order:
        the keeper destroys unasked, and the clerk finds the statement when it is back.
        """
        while True:
            try:
                await self.destroy_unasked()
            except Unavailable as error:
                log.warning("deadlines_not_kept", reason=str(error))
            await self._clock.sleep_s(DEADLINE_CHECK_S)

    async def destroy_unasked(self) -> list[DestructionStatement]:
        """One round of `keep_deadlines`. Raises Unavailable while the clock is in doubt."""
        latest = self._guard.now() + LAST_RESORT_MS
        late = [name for name in self._keyring.state.epochs if epoch_deadline(name.epoch) <= latest]
        destroyed = await self.destroy_epochs(late) if late else []
        objects = self._held.due(self._guard.now())
        if objects and self._guard.doubt() is None:
            destroyed += await self.destroy_objects(objects)
        return destroyed

    async def roll(self) -> None:
        """Put the keyring under a new root, so that every older copy is dead."""
        await self._commits.apply(lambda _: None, roll=True)

    async def status(self) -> KeeperStatus:
        """See the port."""
        state = self._keyring.state
        return KeeperStatus(
            identity=self._signing.public_key,
            now=self._guard.now(),
            generation=self._keyring.generation,
            live_epochs=sorted(state.epochs, key=lambda name: (name[0], name[1].code, name[2])),
            live_scopes=len(state.scopes),
            log_size=state.log_size,
            log_root=state.log_root,
            enforcement=self._enforcement,
            clock_doubt=self._guard.doubt(),
        )

    # Public keys and certificates.

    async def epoch_public_key(self, name: EpochKeyName) -> EpochPublicKey:
        """See the port."""
        if name not in self._keyring.state.epochs:
            self._check_may_begin(name)
            await self._commits.apply(lambda state: self._add_epoch(state, name), roll=False)
        secret = self._keyring.state.epoch_secret(name)
        if self._guard.now() >= epoch_deadline(name.epoch):
            raise DestroyedKey("this epoch's deadline has passed; nothing is sealed to it any more")
        known = self._public_keys.get(name)
        if known is None:
            known = self._public_keys[name] = self._signing.epoch_public_key(
                name,
                keys.epoch_mlkem_key(name, secret).public_key().public_bytes_raw(),
                keys.epoch_x25519_key(name, secret).public_key().public_bytes_raw(),
                keys.pseudonym_key(name, secret),
            )
        return known

    async def scope_public_key(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        key = keys.scope_x25519_key(name, self._keyring.state.scope_secret(name))
        return self._signing.scope_public_key(name, key.public_key().public_bytes_raw())

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        _check_length("project", name.project, _ID_BYTES)
        self._check_region(name.region)
        if name not in self._keyring.state.scopes:
            await self._commits.apply(lambda change: self._add_scope(change, name), roll=False)
        return await self.scope_public_key(name)

    async def certify_boot_key(
        self, worker: str, region: Region, public_key: bytes
    ) -> BootCertificate:
        """See the port."""
        _check_length("public_key", public_key, _ED25519_BYTES)
        self._check_region(region)
        now = self._guard.now()
        # A worker's clock may lag a little; its first parts must not seem older than this.
        begin, end = Instant(now - CERTIFICATE_LEAD_MS), Instant(now + CERTIFICATE_MS)
        return self._signing.certificate(worker, region, public_key, begin, end)

    # Credentials and backends' secrets.

    async def register_credential(
        self,
        credential: bytes,
        tenant: bytes,
        project: ProjectId,
        expires_at: Instant | None,
        authority: bytes = b"",
    ) -> None:
        """See the port."""
        _check_length("tenant", tenant, _ID_BYTES)
        _check_length("project", project, _ID_BYTES)

        def change(state: KeyringState) -> None:
            self._require_authority(state, authority, TenantId(tenant))
            credentials.register(state, credential, TenantId(tenant), project, expires_at)

        await self._commits.apply(change, roll=False)

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: Instant | None, authority: bytes = b""
    ) -> None:
        """See the port."""
        _check_length("tenant", tenant, _ID_BYTES)

        def change(state: KeyringState) -> None:
            self._require_authority(state, authority, TenantId(tenant))
            credentials.register_administrator(state, credential, TenantId(tenant), expires_at)

        await self._commits.apply(change, roll=False)

    async def revoke_credential(self, credential_id: bytes, authority: bytes = b"") -> None:
        """See the port."""

        def change(state: KeyringState) -> None:
            owner = credentials.owner_of(state, credential_id)
            if authority and owner is not None:
                self._require_authority(state, authority, owner)
            elif authority:
                credentials.verify_administrator(state, authority, self._guard.now())
            credentials.revoke(state, credential_id)

        await self._commits.apply(change, roll=True)

    def _require_authority(self, state: KeyringState, authority: bytes, tenant: TenantId) -> None:
        """Without an authority the role has decided already. Raises Forbidden."""
        if authority:
            credentials.require(state, authority, tenant, self._guard.now())

    async def store_secret(self, name: str, value: bytes) -> None:
        """See the port."""

        def change(state: KeyringState) -> None:
            state.named_secrets[name] = bytes(bytearray(value))

        await self._commits.apply(change, roll=True)

    async def reveal_secret(self, name: str) -> bytes:
        """See the port."""
        value = self._keyring.state.named_secrets.get(name)
        if value is None:
            raise UnknownKey("no secret is kept under this name; store it first")
        return Secret(value)

    # Opening and destroying.

    async def open_part(self, request: OpenPart) -> bytes:
        """See the port."""
        return await self._opener.open_part(request, self._signing)

    async def open_shared(self, owner: Owner, request: OpenPart) -> bytes:
        """Not in the port: nobody outside the keeper's process may ask. See `Opener`."""
        return await self._opener.open_shared(owner, request, self._signing)

    async def destroy_epochs(self, names: list[EpochKeyName]) -> list[DestructionStatement]:
        """See the port."""
        statements = await self._destroyer.destroy_epochs(names, self._signing)
        self._forget_public_keys()
        return statements

    # Things kept until they are deleted.

    async def create_objects(
        self, names: list[ObjectKeyName], generation: int, deadline: Instant | None
    ) -> list[ObjectPublicKey]:
        """See the port."""
        for name in names:
            self._check_region(name.region)
        return await self._held.create(names, generation, deadline, self._signing)

    async def open_objects(self, credential: bytes, sealed: list[SealedKey]) -> list[bytes]:
        """See the port."""
        return self._held.open(credential, sealed)

    async def grant_work(
        self, credential: bytes, names: list[ObjectKeyName], work: str, not_after: Instant
    ) -> WorkGrant:
        """See the port."""
        return self._held.grant(credential, names, work, not_after, self._signing)

    async def open_granted(self, grant: WorkGrant, sealed: list[SealedKey]) -> list[bytes]:
        """See the port."""
        return self._held.open_granted(grant, sealed, self._signing)

    async def destroy_own_objects(
        self, credential: bytes, names: list[ObjectKeyName]
    ) -> list[DestructionStatement]:
        """See the port."""
        return await self._held.destroy_own(credential, names, self._signing)

    async def destroy_objects(self, names: list[ObjectKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._destroyer.destroy_objects(names, self._signing)

    async def objects_due(self, until: Instant) -> list[ObjectKeyName]:
        """See the port."""
        return self._held.due(until)

    async def destroy_scopes(self, names: list[ScopeKeyName]) -> list[DestructionStatement]:
        """See the port."""
        return await self._destroyer.destroy_scopes(names, self._signing)

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """See the port."""
        for scope in scopes:
            _check_length("reference", scope.reference, _REFERENCE_BYTES)
            _check_length("project", scope.project, _ID_BYTES)
            # Of whatever region: it only takes away.
            _check_region_name(scope.region)
        return await self._destroyer.destroy_training(scopes, self._signing)

    async def statements_logged(self, subjects: list[str]) -> None:
        """See the port."""
        await self._destroyer.statements_logged(subjects)

    async def pending_statements(self) -> list[DestructionStatement]:
        """See the port."""
        return self._destroyer.pending_statements()

    async def accept_clock(self, now: Instant) -> None:
        """See the port."""
        seen = self._clock.now()
        if abs(now - seen) > TOLERANCE_MS:
            raise Conflict(
                f"the keeper's clock says {to_rfc3339(seen)}; set it right before accepting it"
            )
        self._guard.accept()
        await self.roll()
        await self._destroyer.destroy_due(self._signing)
        self._forget_public_keys()

    @property
    def _signing(self) -> Identity:
        if self._identity is None:
            raise Unavailable("the keeper has not started yet; try again shortly")
        return self._identity

    def _check_may_begin(self, name: EpochKeyName) -> None:
        """Raises DestroyedKey, UnknownKey for the past, InvalidInput for too far ahead."""
        now = self._guard.now()
        try:
            self._keyring.state.epoch_secret(name)
        except UnknownKey:
            if epoch_end(name.epoch) <= now:
                raise
        if epoch_start(name.epoch) > now + AHEAD_MS:
            raise InvalidInput("an epoch's key is made at most 2 hours ahead; ask later")
        self._check_region(name.region)

    def _check_region(self, region: Region) -> None:
        """Raises InvalidInput for what is no region, Forbidden for another one."""
        _check_region_name(region)
        if self._region not in (None, region):
            raise Forbidden(f"this keeper makes keys for the region `{self._region}` alone")

    def _add_epoch(self, state: KeyringState, name: EpochKeyName) -> None:
        try:
            state.epoch_secret(name)
        except UnknownKey:
            state.epochs[name] = self._randomness.random_bytes(SECRET_BYTES)

    def _add_scope(self, state: KeyringState, name: ScopeKeyName) -> None:
        try:
            state.scope_secret(name)
        except UnknownKey:
            state.scopes[name] = self._randomness.random_bytes(SECRET_BYTES)

    def _forget_public_keys(self) -> None:
        live = self._keyring.state.epochs
        for name in [name for name in self._public_keys if name not in live]:
            del self._public_keys[name]


def _check_length(what: str, value: bytes, size_bytes: int) -> None:
    if len(value) != size_bytes:
        raise InvalidInput(f"{what} has {size_bytes} bytes, not {len(value)}", field=what)


def _check_region_name(region: Region) -> None:
    if _REGION.fullmatch(region) is None:
        raise InvalidInput("a region is 1 to 32 of a-z, 0-9 and `-`", field="region")

"""The keeper's public keys, fetched ahead and verified.

Promises: no key is used that the keeper pinned at construction did not sign under the very name
that was asked for. Present and coming epochs are fetched up to 2 h ahead, so that a keeper that is
away for a while stops nobody whose project is known; training's are for an hour after somebody
shared. Scope keys are asked for again after `SCOPE_KEY_AGE_MS`, so that a destroyed scope is
noticed.
"""

from dataclasses import dataclass
from typing import Final

from bailee.custody.journal.root import BootKey
from bailee.custody.keeper.signatures import (
    verify_certificate,
    verify_epoch_public_key,
    verify_scope_public_key,
)
from bailee.kernel.errors import BaileeError, DestroyedKey, TamperedContent, UnknownKey
from bailee.kernel.ids import EpochKeyName, Purpose, Region, ScopeKeyName
from bailee.kernel.instants import (
    DAY_MS,
    EPOCH_LENGTH_MS,
    HOUR_MS,
    MINUTE_MS,
    Epoch,
    Instant,
    epoch_of,
)
from bailee.ports.clock import Clock
from bailee.ports.keeper import BootCertificate, EpochPublicKey, Keeper, ScopePublicKey
from bailee.ports.randomness import Randomness

AHEAD_MS: Final = 4 * EPOCH_LENGTH_MS - MINUTE_MS
"""How far ahead epochs are fetched: a minute less than the keeper allows, as clocks differ."""
SCOPE_KEY_AGE_MS: Final = 10 * MINUTE_MS
SHARED_MS: Final = HOUR_MS
"""How long after the last record for training its coming epochs are still fetched ahead."""
CERTIFICATE_LEFT_MS: Final = 3 * DAY_MS
"""A certificate with less time left than this is renewed."""


@dataclass(slots=True)
class _ScopeKey:
    key: ScopePublicKey
    fetched_at: Instant
    used: bool = True


class PublicKeys:
    """What one worker knows of the keeper's keys, and its own boot key with its certificates."""

    def __init__(
        self,
        keeper: Keeper,
        clock: Clock,
        randomness: Randomness,
        *,
        worker: str,
        identity: bytes,
        purpose: Purpose,
    ) -> None:
        self.boot_key = BootKey(randomness)
        self.purpose = purpose
        self._keeper = keeper
        self._clock = clock
        self._worker = worker
        self._identity = identity
        self._epochs: dict[EpochKeyName, EpochPublicKey] = {}
        self._shared_at: dict[Region, Instant] = {}
        """When a key for training was last asked for."""
        self._scopes: dict[ScopeKeyName, _ScopeKey] = {}
        self._certificates: dict[Region, BootCertificate] = {}

    def has_epoch(self, region: Region, epoch: Epoch) -> bool:
        """Whether recording into the epoch needs no word from the keeper."""
        name = EpochKeyName(region, self.purpose, epoch)
        return name in self._epochs and region in self._certificates

    async def epoch(self, region: Region, epoch: Epoch) -> EpochPublicKey:
        """An epoch's public key. Raises what the keeper raises, and TamperedContent."""
        return await self._epoch(EpochKeyName(region, self.purpose, epoch))

    async def training_epoch(self, region: Region, epoch: Epoch) -> EpochPublicKey:
        """The same, for training."""
        self._shared_at[region] = self._clock.now()
        return await self._epoch(EpochKeyName(region, Purpose.TRAINING, epoch))

    async def _epoch(self, name: EpochKeyName) -> EpochPublicKey:
        known = self._epochs.get(name)
        if known is None:
            known = await self._keeper.epoch_public_key(name)
            verify_epoch_public_key(self._identity, known)
            if EpochKeyName(known.region, known.purpose, known.epoch) != name:
                raise TamperedContent("the keeper gave another epoch's key; inspect it")
            self._epochs[name] = known
        return known

    async def scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """A scope's public key. Raises UnknownKey, DestroyedKey, Unavailable, TamperedContent."""
        known = self._scopes.get(name)
        if known is None:
            known = self._scopes[name] = await self._fetch_scope(name)
        known.used = True
        return known.key

    async def certificate(self, region: Region) -> BootCertificate:
        """The keeper's certificate for this worker's boot key in a region, valid now."""
        known = self._certificates.get(region)
        if known is None or known.not_after <= self._clock.now():
            known = await self._certify(region)
        return known

    async def refresh(self, regions: tuple[Region, ...]) -> list[ScopeKeyName]:
        """Fetch what will be needed and forget what will not; gives scopes that are no more.

        Raises the last failure after trying everything.
        """
        now = self._clock.now()
        failure: BaileeError | None = None
        first, last = epoch_of(now), epoch_of(Instant(now + AHEAD_MS))
        for region in regions:
            try:
                certificate = self._certificates.get(region)
                if certificate is None or certificate.not_after - now < CERTIFICATE_LEFT_MS:
                    await self._certify(region)
                for purpose in self._purposes(region, now):
                    for epoch in range(first, last + 1):
                        await self._epoch(EpochKeyName(region, purpose, Epoch(epoch)))
            except BaileeError as error:
                failure = error
        for key in [key for key in self._epochs if key.epoch < first - 1]:
            del self._epochs[key]
        gone, failed = await self._refresh_scopes(now)
        failure = failed or failure
        if failure is not None and not gone:
            raise failure
        return gone

    async def _refresh_scopes(self, now: Instant) -> tuple[list[ScopeKeyName], BaileeError | None]:
        failure: BaileeError | None = None
        gone = []
        for name, known in list(self._scopes.items()):
            if now - known.fetched_at < SCOPE_KEY_AGE_MS:
                continue
            if not known.used:
                del self._scopes[name]
                continue
            try:
                self._scopes[name] = await self._fetch_scope(name)
                self._scopes[name].used = False
            except (DestroyedKey, UnknownKey):
                del self._scopes[name]
                gone.append(name)
            except BaileeError as error:
                failure = error
        return gone, failure

    def _purposes(self, region: Region, now: Instant) -> tuple[Purpose, ...]:
        """For which epochs are fetched ahead."""
        shared_at = self._shared_at.get(region)
        if shared_at is None or now - shared_at >= SHARED_MS:
            return (self.purpose,)
        return (self.purpose, Purpose.TRAINING)

    async def _fetch_scope(self, name: ScopeKeyName) -> _ScopeKey:
        if name.purpose is Purpose.TRAINING:
            # Sharing begins without the keeper: its scope begins with the first record.
            key = await self._keeper.create_scope(name)
        else:
            key = await self._keeper.scope_public_key(name)
        verify_scope_public_key(self._identity, key)
        if (key.region, key.purpose, key.project, key.generation) != name:
            raise TamperedContent("the keeper gave another scope's key; inspect it")
        return _ScopeKey(key, self._clock.now())

    async def _certify(self, region: Region) -> BootCertificate:
        certificate = await self._keeper.certify_boot_key(
            self._worker, region, self.boot_key.public_key
        )
        verify_certificate(self._identity, certificate)
        if (certificate.region, certificate.public_key) != (region, self.boot_key.public_key):
            raise TamperedContent("the keeper certified another key; inspect it")
        self._certificates[region] = certificate
        return certificate

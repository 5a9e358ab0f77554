"""Who may call, in memory: the facts about every API key, for one gateway worker.

Promises: `authenticate` never waits; a committed change is seen within 1 s while the database
answers, also when its notification is lost, because the version is asked for every 0.3 s; when the
database is away the last snapshot serves for the grace, then every call is refused as Unavailable.
It does not count requests and does not decide anything about content.

A snapshot is never changed: a refresh makes a new one from the old one and what changed since, and
puts it in its place in one step. Keys are found by their keyed hash, so that how long a look-up
takes tells nothing about a secret.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import structlog

from bailee.custody.seal.part import Owner
from bailee.governance.tenancy import gateways, repository
from bailee.governance.tenancy.consent_facts import consent_of
from bailee.governance.tenancy.credential import CREDENTIAL_BYTES, CredentialHash, is_credential
from bailee.governance.tenancy.errors import CredentialRefused, Refusal
from bailee.governance.tenancy.model import (
    NO_CONSENT,
    NO_MODEL_LIMITS,
    Consent,
    Limits,
    Status,
)
from bailee.kernel.errors import BaileeError, Unavailable
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import DAY_MS, Instant
from bailee.policy.model import RetentionMode
from bailee.ports.acknowledgement import LEASE_MS
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.snapshot import Changes

log = structlog.get_logger()

REFRESH_S: Final = 0.3
"""How often the version is asked for when nothing is notified."""
GRACE_S: Final = 60.0
"""How long the last snapshot serves while the database is away."""
_REMEMBER_REVOKED_MS: Final = 30 * DAY_MS
"""How long a revoked key is told apart from an unknown one."""


class Caller(NamedTuple):
    """Who calls, and what was agreed."""

    owner: Owner
    """Tenant, project and region, as sealing needs them."""
    tenant: TenantId
    project: ProjectId
    region: Region
    public_id: str
    """The API key's public identifier."""
    retention_mode: RetentionMode
    scope_generation: int
    key_limits: Limits
    project_limits: Limits
    expires_at: Instant | None
    reject_store: bool = False
    model_limits: Mapping[str, Limits] = NO_MODEL_LIMITS
    client_certificates: tuple[bytes, ...] = ()
    """The active certificates (DER) of which a client must show one; empty: it need not."""
    consent: Consent = NO_CONSENT
    archived: bool = False
    """Whether the project has ended: the key may end what it keeps, and do nothing else."""
    service: str = "api"
    """Whose policy governs the project's calls."""
    protected_health: bool = False
    """Whether a business associate agreement governs the project."""


Beside = Callable[[DatabaseTransaction], Awaitable[None]]
"""Reads what else decides, in the same transaction as the facts."""
Entry = Caller | Refusal


class Snapshot(NamedTuple):
    """The facts as of one version."""

    version: int
    entries: Mapping[bytes, Entry]
    """By the keyed hash of the credential."""
    certificates: Mapping[bytes, bytes]
    """Active certificates (DER) by identifier; some that were active may be among them."""
    consents: Mapping[ProjectId, Consent]
    """Of the projects whose owners said anything."""


_EMPTY: Final = Snapshot(-1, MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


class FactsSnapshot:
    """The present snapshot and what keeps it present.

    `clock` tells and awaits real time, also where instants are simulated: staleness is about the
    database, not about records.
    """

    def __init__(
        self,
        database: Database,
        changes: Changes,
        clock: Clock,
        pepper: bytes,
        *,
        grace_s: float = GRACE_S,
        refresh_s: float = REFRESH_S,
        worker: str | None = None,
        beside: Beside | None = None,
    ) -> None:
        """`worker` names who acknowledges what it has read; None acknowledges nothing.

        `beside` is acknowledged with the facts: what it raises leaves both as they were.
        """
        self._database = database
        self._changes = changes
        self._clock = clock
        self._hash = CredentialHash(pepper)
        self._grace_s = grace_s
        self._refresh_s = refresh_s
        self._worker = worker
        self._beside = beside
        self._snapshot = _EMPTY
        self._find = self._snapshot.entries.get
        self._as_of_s = float("-inf")
        self._leased_from_s = float("-inf")

    def authenticate(self, credential: bytes, now: Instant) -> Caller:
        """Who sent `credential` (the text of an API key).

        Raises:
            CredentialRefused: it is malformed, unknown, revoked or expired, or its project is
                suspended; `refusal` says which.
            Unavailable: the snapshot is older than the grace.
        """
        if self._clock.monotonic_s() - self._as_of_s > self._grace_s:
            raise _too_old()
        if len(credential) != CREDENTIAL_BYTES:
            raise CredentialRefused(Refusal.MALFORMED)
        entry = self._find(self._hash(credential))
        if isinstance(entry, Caller):
            if entry.expires_at is None or now < entry.expires_at:
                return entry
            raise CredentialRefused(Refusal.EXPIRED)
        if entry is None:
            known_shape = is_credential(credential)
            raise CredentialRefused(Refusal.UNKNOWN if known_shape else Refusal.MALFORMED)
        raise CredentialRefused(entry)

    def age_ms(self) -> int | None:
        """How long ago the snapshot was known to be present; None if there never was one."""
        if self._snapshot is _EMPTY:
            return None
        return int(1000 * (self._clock.monotonic_s() - self._as_of_s))

    def leased(self) -> bool:
        """Whether facts that permit more may be acted on: acknowledged within the lease."""
        return 1000 * (self._clock.monotonic_s() - self._leased_from_s) <= LEASE_MS

    def consent(self, project: ProjectId) -> Consent:
        """What is known now of a project's consent. What it permits asks `leased` besides."""
        return self._snapshot.consents.get(project, NO_CONSENT)

    def ready(self) -> str | None:
        """None while calls can be authenticated, else why not."""
        if self._clock.monotonic_s() - self._as_of_s <= self._grace_s:
            return None
        return str(_too_old())

    async def refresh(self) -> None:
        """Make the snapshot present, by reading what has changed since it was.

        Raises:
            Unavailable: the database is away; the snapshot stays as it is and grows older.
        """
        asked_s = self._clock.monotonic_s()
        if not self.leased():
            if self._snapshot is not _EMPTY:
                # Whatever needs a lease, as sharing does, did not count for this long.
                log.warning("facts_lease_lapsed", age_ms=self.age_ms())
            # Waited for before reading what might be old by the time that it is acted on.
            await self._join()
        before = self._snapshot
        async with self._database.platform_reading() as transaction:
            version = await repository.version(transaction)
            if version != before.version:
                # A version that went back is another database: begin from nothing.
                since = before.version if version > before.version else _EMPTY.version
                entries = dict(before.entries) if since == before.version else {}
                # A revocation is never left out of what changes a snapshot, whatever the clock.
                forget = 0 if entries else self._clock.now() - _REMEMBER_REVOKED_MS
                rows = await repository.facts_since(transaction, since, Instant(forget))
                certificates = dict(before.certificates) if entries else {}
                named = {bytes(one) for row in rows for one in row.active_certificates}
                if missing := named - certificates.keys():
                    found = await repository.certificate_contents(transaction, missing)
                    certificates.update(found)
                entries.update((row.digest, _entry(row, certificates)) for row in rows)
                if self._beside is not None:
                    await self._beside(transaction)
                known = before.consents if since == before.version else {}
                self._replace(
                    Snapshot(
                        version,
                        MappingProxyType(entries),
                        MappingProxyType(certificates),
                        MappingProxyType(_consents(known, rows)),
                    )
                )
        if await self._acknowledged():
            self._leased_from_s = asked_s
        else:
            # The lease lapsed since the facts were asked for, so that nobody waited for this
            # worker meanwhile: the facts are present, and permit nothing more than others would.
            await self._join()
        self._as_of_s = asked_s

    async def _join(self) -> None:
        if self._worker is not None:
            async with self._database.transaction(None) as transaction:
                await gateways.join(transaction, self._worker, self._snapshot.version)

    async def _acknowledged(self) -> bool:
        if self._worker is None:
            return True
        async with self._database.transaction(None) as transaction:
            return await gateways.acknowledge(
                transaction, self._worker, self._snapshot.version, LEASE_MS
            )

    async def leave(self) -> None:
        """Say that this worker answers nobody any more. Raises Unavailable; then it lapses."""
        if self._worker is not None:
            async with self._database.transaction(None) as transaction:
                await gateways.leave(transaction, self._worker)

    async def run(self) -> None:
        """Keep the snapshot present until cancelled.

        What fails is tried again: a snapshot that cannot be made present grows older, and past the
        grace nobody is let in.
        """
        notified: asyncio.Task[None] | None = None
        try:
            while True:
                with suppress(BaileeError):
                    await self.refresh()
                notified = notified or asyncio.create_task(self._changes.wait())
                pause = asyncio.create_task(self._clock.sleep_s(self._refresh_s))
                try:
                    await asyncio.wait({notified, pause}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    pause.cancel()
                if notified.done():
                    notified.result()
                    notified = None
        finally:
            if notified is not None:
                notified.cancel()

    def _replace(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._find = snapshot.entries.get


def _consents(known: Mapping[ProjectId, Consent], rows: list[Any]) -> dict[ProjectId, Consent]:
    """A project that said anything once is among them for good."""
    said = {ProjectId(row.project): consent_of(row) for row in rows}
    return {**known, **{project: one for project, one in said.items() if one is not NO_CONSENT}}


def _entry(row: Any, certificates: Mapping[bytes, bytes]) -> Entry:
    if row.revoked_at is not None:
        return Refusal.REVOKED
    if Status.SUSPENDED.value in (row.project_status, row.organisation_status):
        return Refusal.SUSPENDED
    tenant, project = TenantId(row.tenant), ProjectId(row.project)
    region = Region(row.region)
    return Caller(
        owner=Owner(tenant, project, region),
        tenant=tenant,
        project=project,
        region=region,
        public_id=row.public_id,
        retention_mode=RetentionMode(row.retention_mode),
        scope_generation=row.scope_generation,
        key_limits=Limits(row.key_requests, row.key_tokens),
        project_limits=Limits(row.project_requests, row.project_tokens),
        expires_at=row.expires_at,
        reject_store=row.reject_store,
        model_limits=repository.model_limits(row.model_limits),
        # One that has just been deleted leaves its demand standing until the next refresh.
        client_certificates=tuple(
            certificates.get(bytes(one), b"") for one in row.active_certificates
        ),
        consent=consent_of(row),
        archived=row.project_status == Status.ARCHIVED.value,
        service=row.service,
        protected_health=row.protected_health,
    )


def _too_old() -> Unavailable:
    return Unavailable(
        "Who may call has not been confirmed for longer than the grace. Check the database; calls"
        " are answered again as soon as it is back."
    )

"""What stands of a project now, for work in the background that nobody's API key comes with.

Read from the database each time: such work can wait, and must not go on with what stood before.
Consent is asked about at every part that is sealed, so it is read ahead, and counts for no longer
than a gateway worker's facts do.
"""

from contextlib import suppress
from typing import Final, NamedTuple

from bailee.custody.seal.part import Owner
from bailee.governance.tenancy import repository
from bailee.governance.tenancy.consent_facts import consents
from bailee.governance.tenancy.errors import CredentialRefused, Refusal
from bailee.governance.tenancy.model import NO_CONSENT, Consent, Status
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import ProjectId
from bailee.policy.model import RetentionMode
from bailee.ports.acknowledgement import LEASE_MS
from bailee.ports.clock import Clock
from bailee.ports.database import Database

_REFRESH_S: Final = 0.3
_IDLE_S: Final = 5.0
"""How long after it was last wanted consent is still read ahead."""


class Standing(NamedTuple):
    """What stands of a project that may call."""

    retention_mode: RetentionMode
    scope_generation: int
    reject_store: bool
    service: str
    protected_health: bool


async def standing(database: Database, owner: Owner) -> Standing:
    """The project's facts.

    Raises:
        CredentialRefused: it, or its organisation, is suspended or gone.
        Unavailable: the database is away.
    """
    async with database.transaction(owner.tenant) as transaction:
        project = await repository.project(transaction, owner.project)
        organisations = await repository.organisations(transaction)
    active = [one for one in organisations if one.status is Status.ACTIVE]
    if project is not None and project.status is Status.ARCHIVED:
        raise CredentialRefused(Refusal.ARCHIVED)
    if project is None or project.status is not Status.ACTIVE or not active:
        raise CredentialRefused(Refusal.SUSPENDED)
    return Standing(
        project.retention_mode or active[0].retention_mode,
        project.scope_generation,
        project.reject_store,
        project.service,
        project.protected_health,
    )


class ConsentsAhead:
    """What every owner said about consent, while anybody wants to know it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock` tells and awaits real time."""
        self._database = database
        self._clock = clock
        self._consents: dict[ProjectId, Consent] = {}
        self._as_of_s = float("-inf")
        self._wanted_s = float("-inf")

    def consent(self, project: ProjectId) -> Consent:
        """What is known now of a project's consent. What it permits asks `leased` besides."""
        return self._consents.get(project, NO_CONSENT)

    def leased(self) -> bool:
        """Whether it may be acted on: it takes effect later than a lease after it was written."""
        return 1000 * (self._clock.monotonic_s() - self._as_of_s) <= LEASE_MS

    async def want(self) -> None:
        """Read it now unless it is known, and ahead for a while. Raises Unavailable."""
        self._wanted_s = self._clock.monotonic_s()
        if not self.leased():
            await self.refresh()

    async def refresh(self) -> None:
        """Read it. Raises Unavailable; then what is known grows old."""
        asked_s = self._clock.monotonic_s()
        async with self._database.platform_reading() as transaction:
            self._consents = await consents(transaction)
        self._as_of_s = asked_s

    async def run(self) -> None:
        """Keep it known until cancelled, as long as it is wanted."""
        while True:
            await self._clock.sleep_s(_REFRESH_S)
            if self._clock.monotonic_s() - self._wanted_s <= _IDLE_S:
                with suppress(Unavailable):
                    await self.refresh()

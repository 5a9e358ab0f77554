"""What stands of a project now, for work in the background that nobody's API key comes with.

Read from the database each time: such work can wait, and must not go on with what stood before.
"""

from typing import NamedTuple

from bailee.custody.seal.part import Owner
from bailee.governance.tenancy import repository
from bailee.governance.tenancy.errors import CredentialRefused, Refusal
from bailee.governance.tenancy.model import Status
from bailee.policy.model import RetentionMode
from bailee.ports.database import Database


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

"""Agreements: the operator as a party, the clerk's part, and what other nouns ask."""

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.documents_pades.authority import (
    seal_of,
)
from bailee.drivers.documents_pades.documents import PadesDocuments
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness
from bailee.governance.agreements.execution import Execution
from bailee.governance.agreements.model import Kind, Operator, Signatory
from bailee.governance.agreements.standing import Standing, in_force
from bailee.governance.agreements.templates import packaged_library
from bailee.governance.audit.model import OPERATOR
from bailee.governance.audit.service import AuditTrail
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.offload import Offload
from bailee.settings import Settings


def operator_of(settings: Settings) -> Operator | None:
    """The operator as a party; None where the settings do not name it."""
    named = settings.agreements
    if not named.operator_name or not named.operator_address:
        return None
    signatory = None
    if named.signatory_name and named.signatory_title:
        signatory = Signatory(named.signatory_name, named.signatory_title)
    return Operator(named.operator_name, named.operator_address, signatory)


def execution(engine: AsyncEngine, clock: Clock, offload: Offload, seal: Secret) -> Execution:
    """What the clerk carries agreements on with."""
    return Execution(
        PostgresDatabase(engine),
        clock,
        AuditTrail(OPERATOR, clock, SystemRandomness()),
        PadesDocuments(seal_of(seal)),
        offload,
        packaged_library(),
    )


async def enterprise_within(transaction: DatabaseTransaction, now: Instant) -> bool:
    """Whether the transaction's organisation has an executed enterprise agreement in force."""
    return await in_force(transaction, Kind.ENTERPRISE_AGREEMENT, now) is not None


class EnterpriseStanding:
    """Answers other nouns whether an organisation is an enterprise."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._standing = Standing(database, clock)

    async def __call__(self, tenant: TenantId) -> bool:
        """Whether it has an executed enterprise agreement that is in force."""
        return await self._standing.has(tenant, Kind.ENTERPRISE_AGREEMENT)

"""The governance nouns as one actor commands them."""

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness
from bailee.governance.administrators.service import Administrators
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.budgets.service import SpendAlerts
from bailee.governance.certificates.service import Certificates
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.governance.tenancy.projects import Projects, ServiceAccounts
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.usage.service import Usage
from bailee.kernel.ids import Region
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor
from bailee.ports.clock import Clock
from bailee.ports.keeper import CredentialKeeper


class Nouns:
    """The governance nouns of one actor, sharing database, clock and audit trail."""

    def __init__(
        self,
        engine: AsyncEngine,
        keeper: CredentialKeeper,
        clock: Clock,
        pepper: Secret,
        actor: Actor,
        region: Region,
    ) -> None:
        database, randomness = PostgresDatabase(engine), SystemRandomness()
        audit = AuditTrail(actor.identifier, clock, randomness)
        self.actor = actor
        self.tenancy = Tenancy(database, keeper, clock, randomness, pepper, audit=audit)
        self.projects = Projects(database, clock, audit)
        self.service_accounts = ServiceAccounts(database, self.tenancy, clock, randomness, audit)
        self.administrators = Administrators(
            database, keeper, clock, randomness, pepper, audit, region
        )
        self.people = People(database, clock, randomness, audit, actor)
        self.roles = Roles(database, clock, randomness, audit, actor)
        self.audit_log = AuditLog(database)
        self.usage = Usage(database)
        self.certificates = Certificates(database, clock, randomness, audit)
        self.spend_alerts = SpendAlerts(database, clock, randomness, audit)

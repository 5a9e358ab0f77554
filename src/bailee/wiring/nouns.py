"""The governance nouns as one actor commands them."""

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.administrators.service import Administrators
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.budgets.service import SpendAlerts
from bailee.governance.certificates.service import Certificates
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.tenancy.projects import Projects, ServiceAccounts
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.tenancy.snapshot import GRACE_S
from bailee.governance.usage.service import Usage
from bailee.governance.zero_retention.operating import OperatorsRetention
from bailee.governance.zero_retention.service import ZeroRetention
from bailee.governance.zero_retention.standing import StandingApprovals
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor
from bailee.ports.clock import Clock
from bailee.ports.keeper import CredentialKeeper
from bailee.wiring.agreements import has_enterprise_agreement


class Nouns:
    """The governance nouns of one actor, sharing database, clock and audit trail."""

    def __init__(
        self,
        engine: AsyncEngine,
        keeper: CredentialKeeper,
        clock: Clock,
        pepper: Secret,
        actor: Actor,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        """`grace_s` is how long a gateway worker goes on without the database."""
        database, randomness = PostgresDatabase(engine), SystemRandomness()
        audit = AuditTrail(actor.identifier, clock, randomness)
        self.actor = actor
        self.tenancy = Tenancy(database, keeper, clock, randomness, pepper, audit=audit)
        self.projects = Projects(database, clock, audit, StandingApprovals(clock))
        self.service_accounts = ServiceAccounts(database, self.tenancy, clock, randomness, audit)
        self.administrators = Administrators(database, keeper, clock, randomness, pepper, audit)
        self.people = People(database, clock, randomness, audit, actor)
        self.roles = Roles(database, clock, randomness, audit, actor)
        self.audit_log = AuditLog(database)
        self.usage = Usage(database)
        self.certificates = Certificates(database, clock, randomness, audit)
        self.spend_alerts = SpendAlerts(database, clock, randomness, audit)
        # Gateways count their leases in real time, whatever time records are simulated at.
        everywhere, grace_ms = Acknowledgements(database, SystemClock()), round(1000 * grace_s)
        common = (database, clock, randomness, audit, actor)
        self.zero_retention = ZeroRetention(*common, has_enterprise_agreement, everywhere, grace_ms)
        self.operators_retention = OperatorsRetention(*common, everywhere, grace_ms)

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
from bailee.governance.policy_drafts.service import PolicyDrafts
from bailee.governance.services.service import Services
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.tenancy.projects import Projects, ServiceAccounts
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.usage.service import Usage
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
        *,
        grace_ms: int,
    ) -> None:
        """`grace_ms` is how long a gateway worker acts on what it knew while it hears nothing."""
        database, randomness = PostgresDatabase(engine), SystemRandomness()
        audit = AuditTrail(actor.identifier, clock, randomness)
        self.actor = actor
        self.tenancy = Tenancy(database, keeper, clock, randomness, pepper, audit=audit)
        self.projects = Projects(database, clock, audit)
        self.service_accounts = ServiceAccounts(database, self.tenancy, clock, randomness, audit)
        self.administrators = Administrators(database, keeper, clock, randomness, pepper, audit)
        self.people = People(database, clock, randomness, audit, actor)
        self.roles = Roles(database, clock, randomness, audit, actor)
        self.audit_log = AuditLog(database)
        self.usage = Usage(database)
        self.certificates = Certificates(database, clock, randomness, audit)
        self.spend_alerts = SpendAlerts(database, clock, randomness, audit)
        everywhere = Acknowledgements(database, SystemClock())
        self.policy_drafts = PolicyDrafts(
            database, clock, randomness, audit, everywhere, actor, grace_ms=grace_ms
        )
        self.services = Services(database, clock, audit, everywhere, actor, grace_ms=grace_ms)

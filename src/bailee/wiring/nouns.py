"""The governance nouns as one actor commands them."""

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.administrators.service import Administrators
from bailee.governance.agreements.protection import Protection
from bailee.governance.agreements.service import Agreements
from bailee.governance.agreements.templates import packaged_library
from bailee.governance.agreements.versions import Versions
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.budgets.service import SpendAlerts
from bailee.governance.certificates.service import Certificates
from bailee.governance.consent.service import Consents
from bailee.governance.identity.enrolment import Enrolments
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.sessions import Sessions
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.governance.policy_drafts.service import PolicyDrafts
from bailee.governance.services.service import Services
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.tenancy.projects import Projects, ServiceAccounts
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.usage.service import Usage
from bailee.governance.zero_retention.operating import OperatorsRetention
from bailee.governance.zero_retention.service import ZeroRetention
from bailee.governance.zero_retention.standing import StandingApprovals
from bailee.kernel.ids import Region
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Actor
from bailee.ports.clock import Clock
from bailee.ports.keeper import CredentialKeeper
from bailee.settings import Settings
from bailee.wiring.agreements import EnterpriseStanding, enterprise_within, operator_of


class Nouns:
    """The governance nouns of one actor, sharing database, clock and audit trail."""

    def __init__(
        self,
        engine: AsyncEngine,
        keeper: CredentialKeeper,
        clock: Clock,
        pepper: Secret,
        actor: Actor,
        settings: Settings,
    ) -> None:
        database, randomness = PostgresDatabase(engine), SystemRandomness()
        audit = AuditTrail(actor.identifier, clock, randomness)
        self.actor = actor
        self.tenancy = Tenancy(database, keeper, clock, randomness, pepper, audit=audit)
        self.projects = Projects(
            database, clock, audit, StandingApprovals(clock, enterprise_within)
        )
        self.service_accounts = ServiceAccounts(database, self.tenancy, clock, randomness, audit)
        self.administrators = Administrators(
            database, keeper, clock, randomness, pepper, audit, Region(settings.region)
        )
        self.people = People(database, clock, randomness, audit, actor)
        self.vault = Vault(pepper, randomness)
        self.person_sessions = Sessions(database, clock, audit, actor)
        self.enrolments = Enrolments(database, clock, randomness, self.vault, audit, actor)
        self.roles = Roles(database, clock, randomness, audit, actor)
        self.audit_log = AuditLog(database)
        self.usage = Usage(database)
        self.consents = Consents(
            *(database, keeper, Acknowledgements(database, SystemClock()), clock, SystemClock()),
            *(randomness, audit, actor),
        )
        self.certificates = Certificates(database, clock, randomness, audit)
        self.spend_alerts = SpendAlerts(database, clock, randomness, audit)
        common, library = (database, clock, randomness, audit, actor), packaged_library()
        self.agreements = Agreements(*common, library, operator_of(settings))
        self.agreement_versions = Versions(database, clock, actor, library)
        # Gateways count their leases in real time, whatever time records are simulated at.
        everywhere = Acknowledgements(database, SystemClock())
        grace_ms = round(1000 * settings.snapshot.grace_s)
        self.protection = Protection(
            *(database, clock, audit, actor, everywhere), lapse_ms=grace_ms
        )
        enterprise = EnterpriseStanding(database, clock)
        self.zero_retention = ZeroRetention(*common, enterprise, everywhere, grace_ms)
        self.operators_retention = OperatorsRetention(*common, everywhere, grace_ms)
        self.policy_drafts = PolicyDrafts(
            *(database, clock, randomness, audit, everywhere, actor), grace_ms=grace_ms
        )
        self.services = Services(database, clock, audit, everywhere, actor, grace_ms=grace_ms)

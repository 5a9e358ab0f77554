"""An administrator's request: who it is, and what their commands go to.

Handlers ask `session_of` first: it authenticates the admin key or the signed-in person, and what it
gives reaches one organisation alone, by row-level security as much as by the tenant that every call
names: the key's, the person's own, or the one that somebody with a house role chose.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from litestar import Request

from bailee.governance.administrators.model import AdminKey
from bailee.governance.administrators.service import Administrators
from bailee.governance.agreements.protection import Protection
from bailee.governance.agreements.service import Agreements
from bailee.governance.agreements.versions import Versions
from bailee.governance.audit.service import AuditLog
from bailee.governance.budgets.service import SpendAlerts
from bailee.governance.certificates.service import Certificates
from bailee.governance.consent.service import Consents
from bailee.governance.identity.enrolment import Enrolling, Enrolments
from bailee.governance.identity.errors import AdminKeyNeeded
from bailee.governance.identity.model import Bearer
from bailee.governance.identity.sessions import SessionKeys, Sessions
from bailee.governance.identity.sign_in import SignIn
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.governance.policy_drafts.service import PolicyDrafts
from bailee.governance.services.service import Services
from bailee.governance.tenancy.model import Limits
from bailee.governance.tenancy.projects import Projects, ServiceAccounts
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.usage.model import Price
from bailee.governance.usage.service import Usage
from bailee.governance.webhooks.service import Webhooks
from bailee.governance.zero_retention.service import ZeroRetention
from bailee.kernel.ids import Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor

AnyRequest = Request[Any, Any, Any]

ADMINISTRATION: Final = "administration"
"""Where the application's state holds its `Administration`."""
ACTION: Final = "action"
"""What a handler calls the action of the matrix that it asks for."""

EVERY_ORGANISATION: Final = "every_organisation"
"""Whether a handler shows every organisation's, so that who may in one alone may not."""
ON_KEY_AUTHORITY: Final = "on_key_authority"
"""Whether a handler's command registers or revokes keys at the keeper."""


class Session(NamedTuple):
    """Who asks, with the nouns that act and write audit events for them."""

    tenant: TenantId
    actor: Actor
    key: AdminKey | None
    """None for a person."""
    bearer: Bearer | None
    """None for an admin key."""
    now: Instant
    tenancy: Tenancy
    projects: Projects
    service_accounts: ServiceAccounts
    administrators: Administrators
    people: People
    person_sessions: Sessions
    enrolments: Enrolments
    roles: Roles
    audit_log: AuditLog
    usage: Usage
    spend_alerts: SpendAlerts
    certificates: Certificates
    consents: Consents
    policy_drafts: PolicyDrafts
    services: Services
    agreements: Agreements
    agreement_versions: Versions
    protection: Protection
    zero_retention: ZeroRetention
    webhooks: Webhooks

    def require(self, action: str, *, everywhere: bool = False) -> None:
        """Return if the actor may do this in the session's organisation, or in every one.

        Raises Forbidden.
        """
        require(self.actor, action, None if everywhere else self.tenant, self.now)


class Public(NamedTuple):
    """What anybody may read: ask of it nothing that is not said to be public."""

    policy_drafts: PolicyDrafts
    services: Services


class Administration(NamedTuple):
    """What administration needs of a gateway worker."""

    open: Callable[[AnyRequest], Awaitable[Session]]
    """Raises CallRefused (KEY_…, ORGANISATION_MISMATCH), SessionRefused, Forbidden for a cookie
    from another site, and Unavailable."""
    public: Callable[[], Public]
    """For whoever comes without a key."""
    now: Callable[[], Instant]
    models: tuple[str, ...]
    """The names of the models that are served."""
    region: Region
    """Where new projects are."""
    hosts: Mapping[Region, tuple[str, ...]]
    """Every region's hosts, the first one to be named; empty: there is one region alone."""
    default_limits: Limits
    """What a project has that has no limits of its own."""
    prices: Mapping[str, Price]
    """What models cost."""
    asks_for_certificates: bool
    """Whether there is a port that asks clients for certificates."""
    sign_in: SignIn
    enrolling: Enrolling
    session_keys: SessionKeys
    origin: str
    """The address of the sign-in page's site, as in `https://bailee.example.com`."""
    provider_name: str
    """What people know the OpenID Connect provider as; empty: there is none."""


def administration_of(request: AnyRequest) -> Administration:
    """What the application was made with."""
    found: Administration = request.app.state[ADMINISTRATION]
    return found


async def session_of(request: AnyRequest) -> Session:
    """Authenticate, and ask the matrix for the `action` that the handler names, if it names one.

    Raises as `Administration.open`; Forbidden and SignInAgain as `policy.access.matrix.require`;
    AdminKeyNeeded for a person where the handler says that the keeper takes part.
    """
    session = await administration_of(request).open(request)
    options = request.route_handler.opt
    if ACTION in options:
        session.require(options[ACTION], everywhere=options.get(EVERY_ORGANISATION, False))
    if options.get(ON_KEY_AUTHORITY) and session.key is None:
        raise AdminKeyNeeded
    return session

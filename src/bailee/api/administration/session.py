"""An administrator's request: who it is, and what their commands go to.

Handlers ask `session_of` first: it authenticates the admin key, and what it gives reaches that
key's organisation alone, by row-level security as much as by the tenant that every call names.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from litestar import Request

from bailee.governance.administrators.model import AdminKey
from bailee.governance.administrators.service import Administrators
from bailee.governance.audit.service import AuditLog
from bailee.governance.budgets.service import SpendAlerts
from bailee.governance.certificates.service import Certificates
from bailee.governance.people.roles import Roles
from bailee.governance.people.service import People
from bailee.governance.policy_drafts.service import PolicyDrafts
from bailee.governance.services.service import Services
from bailee.governance.tenancy.model import Limits
from bailee.governance.tenancy.projects import Projects, ServiceAccounts
from bailee.governance.tenancy.service import Tenancy
from bailee.governance.usage.model import Price
from bailee.governance.usage.service import Usage
from bailee.kernel.ids import Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor

AnyRequest = Request[Any, Any, Any]

ADMINISTRATION: Final = "administration"
"""Where the application's state holds its `Administration`."""
ACTION: Final = "action"
"""What a handler calls the action of the matrix that it asks for."""


class Session(NamedTuple):
    """The bearer of an admin key, with the nouns that act and write audit events for them."""

    tenant: TenantId
    actor: Actor
    key: AdminKey
    now: Instant
    tenancy: Tenancy
    projects: Projects
    service_accounts: ServiceAccounts
    administrators: Administrators
    people: People
    roles: Roles
    audit_log: AuditLog
    usage: Usage
    spend_alerts: SpendAlerts
    certificates: Certificates
    policy_drafts: PolicyDrafts
    services: Services

    def require(self, action: str) -> None:
        """Return if the actor may do this in the session's organisation. Raises Forbidden."""
        require(self.actor, action, self.tenant, self.now)


class Public(NamedTuple):
    """What anybody may read: ask of it nothing that is not said to be public."""

    policy_drafts: PolicyDrafts
    services: Services


class Administration(NamedTuple):
    """What administration needs of a gateway worker."""

    open: Callable[[AnyRequest], Awaitable[Session]]
    """Raises CallRefused (KEY_…, ORGANISATION_MISMATCH) and Unavailable."""
    public: Callable[[], Public]
    """For whoever comes without a key."""
    now: Callable[[], Instant]
    models: tuple[str, ...]
    """The names of the models that are served."""
    region: Region
    """Where new projects are."""
    default_limits: Limits
    """What a project has that has no limits of its own."""
    prices: Mapping[str, Price]
    """What models cost."""
    asks_for_certificates: bool
    """Whether there is a port that asks clients for certificates."""


def administration_of(request: AnyRequest) -> Administration:
    """What the application was made with."""
    found: Administration = request.app.state[ADMINISTRATION]
    return found


async def session_of(request: AnyRequest) -> Session:
    """Authenticate, and ask the matrix for the `action` that the handler names, if it names one.

    Raises as `Administration.open`; Forbidden and SignInAgain as `policy.access.matrix.require`.
    """
    session = await administration_of(request).open(request)
    action = request.route_handler.opt.get(ACTION)
    if action is not None:
        session.require(action)
    return session

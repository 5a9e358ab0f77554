"""The states of organisations, projects and API keys.

An API key is *pending* until the keeper knows it, then *active* until it expires or is revoked.
Only an active key lets anybody in, so what the gateway accepts the keeper knows too.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.policy.model import RetentionMode


class Status(enum.Enum):
    """Whether calls are answered. The value is stable: it is stored."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"
    """For good: by the organisation itself."""


class Limits(NamedTuple):
    """How much may be asked for. 0 means no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0


NO_MODEL_LIMITS: Final[Mapping[str, Limits]] = MappingProxyType({})


class Consent(NamedTuple):
    """What a project's owner said about its data, as turns (`policy.turns`)."""

    sharing: tuple[int, ...] = ()
    opt_out: tuple[int, ...] = ()
    generation: int = 0
    """Of the project's scope for training."""


NO_CONSENT: Final = Consent()


class Organisation(NamedTuple):
    """A tenant."""

    tenant: TenantId
    name: str
    status: Status
    created_at: Instant
    retention_mode: RetentionMode = RetentionMode.DEFAULT
    """What holds for projects without a mode of their own."""


class Project(NamedTuple):
    """A part of an organisation with a region and a retention mode of its own."""

    project: ProjectId
    tenant: TenantId
    name: str
    region: Region
    retention_mode: RetentionMode | None
    """None: the organisation's."""
    scope_generation: int
    """Which generation of the project's scope keys seals now."""
    status: Status
    limits: Limits
    created_at: Instant
    reject_store: bool = False
    """Whether a call that asks for storing what may not be stored is refused, not put right."""
    model_limits: Mapping[str, Limits] = NO_MODEL_LIMITS
    """Limits for single models, beside the project's."""
    archived_at: Instant | None = None
    service: str = "api"
    """Whose policy governs it."""
    protected_health: bool = False
    """Whether a business associate agreement governs it; `agreements` says so."""


class ServiceAccount(NamedTuple):
    """An owner of API keys that is no person."""

    service_account: bytes
    """16 random bytes."""
    tenant: TenantId
    project: ProjectId
    name: str
    role: str
    created_at: Instant


class KeyState(enum.Enum):
    """How far an API key has come."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(NamedTuple):
    """What is known about an API key. Neither its text nor its hash."""

    public_id: str
    """16 hexadecimal digits, part of the key's text."""
    tenant: TenantId
    project: ProjectId
    name: str
    limits: Limits
    created_at: Instant
    registered_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None
    withdrawn_at: Instant | None
    """When the keeper confirmed that it no longer knows the revoked key."""
    last_used_at: Instant | None
    """To within the interval at which gateways write uses back."""
    service_account: bytes | None = None
    """The service account that owns it."""

    def state(self, now: Instant) -> KeyState:
        """How far the key has come at `now`."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return KeyState.EXPIRED
        return KeyState.PENDING if self.registered_at is None else KeyState.ACTIVE


class CreatedKey(NamedTuple):
    """A new API key and its text, which exists nowhere else and is shown once."""

    key: ApiKey
    credential: Secret


class Demo(NamedTuple):
    """The demonstration organisation; `created` is its first key when it was made just now."""

    organisation: Organisation
    project: Project
    created: CreatedKey | None

"""Who calls: what the request path must know about the bearer of a key.

The values come from an in-memory snapshot; nothing here waits. One `Caller` is shared by all
requests of a key until the facts behind it change.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from bailee.custody.recorder.sharing import Shared
from bailee.custody.seal.part import Owner
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode


class CallLimits(NamedTuple):
    """What a key or a project may use in a minute; 0: no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0


class Caller(NamedTuple):
    """The bearer of a valid key, with the facts that stand for it now."""

    key_id: bytes
    """The key's public identifier, 8 bytes."""
    tenant: TenantId
    project: ProjectId
    region: Region
    scope_generation: int
    """Of the project's key pairs."""
    service: str = "api"
    retention_mode: RetentionMode = RetentionMode.DEFAULT
    sharing_consent: bool = False
    improvement_opt_out: bool = False
    shared: Shared | None = None
    """What lets a record serve training for as long as it stands, where the decision allows it."""
    protected_health: bool = False
    reject_store: bool = False
    key_limits: CallLimits = CallLimits()
    project_limits: CallLimits = CallLimits()
    model_limits: Mapping[str, CallLimits] = MappingProxyType({})
    """The project's limits for single models, which count beside the others."""
    client_certificates: tuple[bytes, ...] = ()
    """The certificates (DER) of which its client must show one; empty: it need not."""
    archived: bool = False
    """Whether the project has ended: its keys may end what it keeps, and do nothing else."""

    @property
    def owner(self) -> Owner:
        """Whose content this caller's is."""
        return Owner(self.tenant, self.project, self.region)


class Authenticate(Protocol):
    """Finds the caller behind a key."""

    def __call__(self, credential: str, now: Instant) -> Caller:
        """The bearer of `credential`.

        Raises CallRefused: KEY_UNKNOWN, KEY_REVOKED, KEY_EXPIRED, or FACTS_STALE when what is
        known is older than the grace. Blocks for microseconds at most.
        """
        ...

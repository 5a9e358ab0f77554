"""Who calls: what the request path must know about the bearer of a key.

The values come from an in-memory snapshot; nothing here waits. One `Caller` is shared by all
requests of a key until the facts behind it change.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from bailee.custody.seal.part import Owner
from bailee.governance.tenancy import snapshot as tenancy
from bailee.governance.tenancy.errors import CredentialRefused, Refusal
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.serving.errors import Because, CallRefused


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
    protected_health: bool = False
    reject_store: bool = False
    key_limits: CallLimits = CallLimits()
    project_limits: CallLimits = CallLimits()
    model_limits: Mapping[str, CallLimits] = MappingProxyType({})
    """The project's limits for single models, which count beside the others."""
    client_certificates: tuple[bytes, ...] = ()
    """The certificates (DER) of which its client must show one; empty: it need not."""

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


_REFUSED: Final = {
    Refusal.MALFORMED: Because.KEY_UNKNOWN,
    Refusal.UNKNOWN: Because.KEY_UNKNOWN,
    Refusal.REVOKED: Because.KEY_REVOKED,
    Refusal.EXPIRED: Because.KEY_EXPIRED,
    Refusal.SUSPENDED: Because.SUSPENDED,
    Refusal.ARCHIVED: Because.SUSPENDED,
}
_REMEMBERED: Final = 1 << 16


class SnapshotAuthenticate:
    """`Authenticate` from the tenancy snapshot."""

    def __init__(self, find: Callable[[bytes, Instant], tenancy.Caller]) -> None:
        """`find` is the snapshot's `authenticate`."""
        self._find = find
        self._callers: dict[str, tuple[tenancy.Caller, Caller]] = {}

    def __call__(self, credential: str, now: Instant) -> Caller:
        """The bearer of `credential`. Raises CallRefused."""
        try:
            found = self._find(credential.encode("utf-8", "replace"), now)
        except CredentialRefused as refused:
            raise CallRefused(_REFUSED[refused.refusal], str(refused)) from None
        except Unavailable as stale:
            raise CallRefused(Because.FACTS_STALE, str(stale), retry_after_ms=1000) from None
        known = self._callers.get(found.public_id)
        if known is not None and known[0] is found:
            return known[1]
        return self._remember(found)

    def _remember(self, found: tenancy.Caller) -> Caller:
        caller = Caller(
            key_id=bytes.fromhex(found.public_id),
            tenant=found.tenant,
            project=found.project,
            region=found.region,
            scope_generation=found.scope_generation,
            retention_mode=found.retention_mode,
            key_limits=CallLimits(*found.key_limits),
            project_limits=CallLimits(*found.project_limits),
            model_limits={m: CallLimits(*limits) for m, limits in found.model_limits.items()},
            reject_store=found.reject_store,
            client_certificates=found.client_certificates,
        )
        if len(self._callers) >= _REMEMBERED:
            self._callers.clear()
        self._callers[found.public_id] = (found, caller)
        return caller

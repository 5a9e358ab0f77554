"""The policy as values: clauses, endpoint rules, versions, and the history that they make.

Made by `parse` from data files. A `PolicyVersion` carries what a decision needs in a form that
costs nothing to read: typed `Rules`, and its reasons with their texts already filled in.
Deliberately does not check a history: that is `parse` and `lint`.
"""

import enum
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from bailee.kernel.instants import Instant
from bailee.policy.model import Feature, Reason
from bailee.policy.texts import ReasonText, fill

CLAUSE_IDS: Final = tuple(f"C{number:02d}" for number in range(1, 21))
"""The twenty clauses."""
NEEDED_CLAUSES: Final = ("C01", "C02", "C04", "C05", "C08", "C09", "C10", "C11", "C15", "C16")
"""What a version must have, because decisions cite it."""

Parameter = int | str | bool
"""A clause parameter. Instants are written as text, RFC 3339."""


class Improvement(enum.Enum):
    """When content may serve to improve the service (C02)."""

    OPT_IN = "opt_in"
    UNLESS_OPTED_OUT = "unless_opted_out"


class Coverage(enum.Enum):
    """What a business associate agreement covers (C16)."""

    ZERO_RETENTION_ENDPOINTS = "zero_retention_endpoints"
    ALL_ENDPOINTS = "all_endpoints"


class State(enum.Enum):
    """What an endpoint keeps for the application itself (C10)."""

    NONE = "none"
    WHEN_STORED = "when_stored"
    UNTIL_DELETED = "until_deleted"


class ZeroRetention(enum.Enum):
    """What becomes of an endpoint under zero data retention (C08)."""

    ALLOWED = "allowed"
    STORE_OFF = "store_off"
    """Allowed, `store` treated as false."""
    REFUSED = "refused"
    NOTHING_STORED = "nothing_stored"
    """Allowed; it reads or ends what was stored, and there is nothing."""


class EndpointRule(NamedTuple):
    """What one endpoint keeps."""

    endpoint: str
    abuse_monitoring: bool
    state: State
    store_default: bool
    """What a missing `store` means; False where the endpoint has no `store`."""
    zero_retention: ZeroRetention
    classified: tuple[str, ...]
    """Which of `input`, `output` there is to classify."""
    sharing: bool
    """Whether shared content may be learned from; never for files and fine-tuning (C03)."""


class Text(NamedTuple):
    """The same statement in both languages. English governs the meaning."""

    english: str
    korean: str


class Clause(NamedTuple):
    """One clause as one version has it."""

    id: str
    effective: Instant
    """Since when it reads like this: the beginning of the version that wrote it."""
    written_in: str
    """That version."""
    parameters: Mapping[str, Parameter]
    title: Text
    text: Text
    """With the parameters filled in."""
    assumption: Text | None = None
    """What is assumed rather than known, if anything."""


class Rules(NamedTuple):
    """What decisions read of a version's clause parameters."""

    abuse_monitoring_days: int
    improvement: Improvement
    improvement_days: int
    stored_days: int
    classify_input: bool
    classify_output: bool
    protected_health_covers: Coverage
    protected_health_stores: bool
    protected_health_features: frozenset[Feature] = frozenset()
    """Those that a business associate agreement covers."""


class PolicyVersion(NamedTuple):
    """One version of one service's policy. Made by `assemble`."""

    id: str
    service: str
    effective: Instant
    summary: Text
    clauses: Mapping[str, Clause]
    endpoint_table: int
    endpoints: Mapping[str, EndpointRule]
    rules: Rules
    reasons: Mapping[str, Reason]
    """By name, for every reason text that depends on the version alone."""
    handling_clauses: Mapping[str, tuple[str, ...]]
    """By purpose: what a handling cites."""


class ServicePolicy(NamedTuple):
    """All versions of one service's policy, by effective instant."""

    effective: tuple[Instant, ...]
    versions: tuple[PolicyVersion, ...]


class PolicyHistory(NamedTuple):
    """Every version of every service."""

    services: Mapping[str, ServicePolicy]

    def version_at(self, service: str, instant: Instant) -> PolicyVersion | None:
        """The version in force; None where no policy governs the service at `instant`."""
        policy = self.services.get(service)
        if policy is None:
            return None
        place = bisect_right(policy.effective, instant)
        return policy.versions[place - 1] if place else None

    def version(self, version_id: str) -> PolicyVersion | None:
        """The version with this id; ids are unique across services."""
        for policy in self.services.values():
            for version in policy.versions:
                if version.id == version_id:
                    return version
        return None


def history(versions: list[PolicyVersion]) -> PolicyHistory:
    """Put versions in the order in which they took effect, by service."""
    services: dict[str, ServicePolicy] = {}
    for service in sorted({version.service for version in versions}):
        ordered = sorted(
            (version for version in versions if version.service == service),
            key=lambda version: version.effective,
        )
        services[service] = ServicePolicy(
            tuple(version.effective for version in ordered), tuple(ordered)
        )
    return PolicyHistory(services)


_HANDLING_CLAUSES: Final = {
    "abuse_monitoring": ("C05", "C06", "C15"),
    "application_state": ("C10", "C06", "C15"),
    "training": ("C02", "C06", "C15"),
}


def assemble(
    *,
    version_id: str,
    service: str,
    effective: Instant,
    summary: Text,
    clauses: Mapping[str, Clause],
    endpoint_table: int,
    endpoints: Mapping[str, EndpointRule],
    rules: Rules,
    texts: Mapping[str, ReasonText],
) -> PolicyVersion:
    """Make a version, filling in the reasons that depend on nothing else."""
    values: dict[str, object] = {
        "version": version_id,
        "service": service,
        "abuse_monitoring_days": rules.abuse_monitoring_days,
        "improvement_days": rules.improvement_days,
        "stored_days": rules.stored_days,
    }
    reasons = {
        name: fill(text, version_id, values)
        for name, text in texts.items()
        if text.parameters <= values.keys()
    }
    handling_clauses = {
        purpose: tuple(clause for clause in cited if clause in clauses)
        for purpose, cited in _HANDLING_CLAUSES.items()
    }
    return PolicyVersion(
        version_id,
        service,
        effective,
        summary,
        clauses,
        endpoint_table,
        endpoints,
        rules,
        reasons,
        handling_clauses,
    )

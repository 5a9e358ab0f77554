"""A version of the policy as a document, and the history that it stands in.

What `bailee policy show`, `GET /bailee/v1/policy/versions` and the plain page give out, and what
the log's policy_published entry commits to by `digest`. Texts are the clauses', parameters filled
in; nothing is added.
"""

import hashlib

import msgspec
import rfc8785
from msgspec import Struct

from bailee.kernel.errors import NotFound
from bailee.kernel.instants import Instant, to_rfc3339
from bailee.policy.history import Clause, EndpointRule, PolicyHistory, PolicyVersion, Text, history


class BothLanguages(Struct, frozen=True):
    """A text in English, which governs the meaning, and in Korean."""

    english: str
    korean: str


class ShownClause(Struct, frozen=True):
    """One clause as a version has it."""

    id: str
    effective: str
    """RFC 3339: since when it reads like this."""
    written_in: str
    parameters: dict[str, int | str | bool]
    title: BothLanguages
    text: BothLanguages
    assumption: BothLanguages | None


class ShownEndpoint(Struct, frozen=True):
    """What one endpoint keeps."""

    endpoint: str
    abuse_monitoring: bool
    state: str
    store_default: bool
    zero_retention: str
    classified: list[str]
    sharing: bool


class ShownVersion(Struct, frozen=True):
    """One version in full."""

    id: str
    service: str
    effective: str
    superseded: str | None
    """RFC 3339: when the next version takes effect; null if none is known."""
    summary: BothLanguages
    clauses: list[ShownClause]
    endpoint_table: int
    endpoints: list[ShownEndpoint]


def show(policies: PolicyHistory, version_id: str) -> ShownVersion:
    """The version with this id.

    Raises:
        NotFound: naming the versions that there are.
    """
    version = policies.version(version_id)
    if version is None:
        raise NotFound(f"there is no such policy version; there are: {', '.join(ids(policies))}")
    following = None
    for other in policies.services[version.service].versions:
        if other.effective > version.effective:
            following = to_rfc3339(other.effective)
            break
    return ShownVersion(
        id=version.id,
        service=version.service,
        effective=to_rfc3339(version.effective),
        superseded=following,
        summary=_both(version.summary),
        clauses=[_clause(clause) for clause in version.clauses.values()],
        endpoint_table=version.endpoint_table,
        endpoints=[_endpoint(rule) for rule in version.endpoints.values()],
    )


def show_at(policies: PolicyHistory, service: str, instant: Instant) -> ShownVersion:
    """The version of a service's policy that is in force at `instant`.

    Raises:
        NotFound: if none is.
    """
    version = policies.version_at(service, instant)
    if version is None:
        raise NotFound(
            "no policy governs this service at this instant; "
            f"services: {', '.join(policies.services)}"
        )
    return show(policies, version.id)


def ids(policies: PolicyHistory) -> list[str]:
    """The ids of all versions, service by service, oldest first."""
    return [version.id for policy in policies.services.values() for version in policy.versions]


def digest(version: PolicyVersion) -> bytes:
    """SHA-256 of the version's canonical JSON (RFC 8785).

    Covers everything that `show` gives but `superseded`, which is not the version's own.
    """
    alone = show(history([version]), version.id)
    built = msgspec.to_builtins(alone)
    del built["superseded"]
    return hashlib.sha256(rfc8785.dumps(built)).digest()


def _both(text: Text) -> BothLanguages:
    return BothLanguages(text.english, text.korean)


def _clause(clause: Clause) -> ShownClause:
    return ShownClause(
        id=clause.id,
        effective=to_rfc3339(clause.effective),
        written_in=clause.written_in,
        parameters=dict(clause.parameters),
        title=_both(clause.title),
        text=_both(clause.text),
        assumption=None if clause.assumption is None else _both(clause.assumption),
    )


def _endpoint(rule: EndpointRule) -> ShownEndpoint:
    return ShownEndpoint(
        endpoint=rule.endpoint,
        abuse_monitoring=rule.abuse_monitoring,
        state=rule.state.value,
        store_default=rule.store_default,
        zero_retention=rule.zero_retention.value,
        classified=list(rule.classified),
        sharing=rule.sharing,
    )

"""What the audit log holds, and how it is asked."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bailee.kernel.ids import ProjectId
from bailee.kernel.instants import Instant

OPERATOR: Final = "operator"
"""The actor of commands that the operator gives on the machine."""

INSTALLATION: Final = "installation"
"""The actor of what Bailee does by itself, because its time has come."""

EVENT_TYPES: Final = frozenset(
    {
        "agreement.accepted",
        "agreement.countersigned",
        "agreement.declined",
        "agreement.drafted",
        "agreement.executed",
        "agreement.filled",
        "agreement.notice_given",
        "agreement.review_begun",
        "agreement.signed",
        "agreement.submitted",
        "agreement.superseded",
        "agreement.terminated",
        "agreement.termination_noticed",
        "api_key.created",
        "api_key.deleted",
        "certificate.created",
        "certificate.deleted",
        "certificate.updated",
        "certificates.activated",
        "certificates.deactivated",
        "consent.given",
        "consent.withdrawn",
        "enrolment.created",
        "enrolment.used",
        "invite.accepted",
        "invite.deleted",
        "invite.sent",
        "login.failed",
        "login.succeeded",
        "logout.succeeded",
        "organization.domain_verified",
        "organization.updated",
        "policy.published",
        "policy_draft.approved",
        "policy_draft.created",
        "policy_draft.submitted",
        "policy_draft.updated",
        "policy_draft.withdrawn",
        "project.archived",
        "project.created",
        "project.updated",
        "rate_limit.updated",
        "records.imported",
        "role.assignment.created",
        "role.assignment.deleted",
        "role.recertified",
        "service.registered",
        "service_account.created",
        "service_account.deleted",
        "user.added",
        "user.deleted",
        "user.updated",
        "webhook.created",
        "webhook.deleted",
        "webhook.disabled",
        "webhook.replayed",
        "webhook.secret_rotated",
        "webhook.tested",
        "webhook.updated",
        "zero_retention.approved",
        "zero_retention.assessed",
        "zero_retention.declined",
        "zero_retention.review_due",
        "zero_retention.reviewed",
        "zero_retention.revoked",
        "zero_retention.started",
        "zero_retention.submitted",
        "zero_retention.withdrawn",
    }
)
"""The types that Bailee writes: those that OpenAI names, and Bailee's own."""


class Recorded(NamedTuple):
    """One event of the log."""

    event: bytes
    """16 random bytes."""
    effective_at: Instant
    type: str
    actor: str
    """The identifier of an admin key as people see it, `OPERATOR` or `INSTALLATION`."""
    project: ProjectId | None
    project_name: str | None
    """What the project is called now."""
    details: Mapping[str, Any]


class Wanted(NamedTuple):
    """Which events are asked for; what is empty or None does not restrict."""

    after_ms: int = 0
    """Not before this instant."""
    before_ms: int = 1 << 62
    """Before this instant."""
    projects: tuple[ProjectId, ...] = ()
    types: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

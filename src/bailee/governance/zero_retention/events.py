"""Audit events about applications: identifiers, modes and dates; no use cases, no reasons.

What people wrote in an application stays in it, where the same people may read it.
"""

from typing import Final

from bailee.governance.zero_retention.model import APPLICATION, Application
from bailee.kernel.ids import ProjectId, TenantId, handle_text, project_text, tenant_text
from bailee.kernel.instants import to_rfc3339
from bailee.policy.model import RetentionMode
from bailee.ports.audit import AuditEvent

_INSTANTS: Final = ("since", "review_at")


def event(verb: str, row: Application, **more: object) -> AuditEvent:
    """`zero_retention.<verb>`."""
    name = handle_text(APPLICATION, row.application)
    details: dict[str, object] = {"id": name, "scope": row.scope, "mode": row.mode.value}
    if row.assessment is not None:
        details["likelihood"] = row.assessment.likelihood.value
    for field in _INSTANTS:
        instant = getattr(row, field)
        if instant is not None:
            details[field] = to_rfc3339(instant)
    return AuditEvent(f"zero_retention.{verb}", row.tenant, name, {**details, **more}, row.project)


def mode_set(tenant: TenantId, project: ProjectId | None, mode: RetentionMode | None) -> AuditEvent:
    """A project or the organisation has another mode; as `governance.tenancy` says it."""
    name = tenant_text(tenant) if project is None else project_text(project)
    value = "organization_default" if mode is None else mode.value
    kind = "organization.updated" if project is None else "project.updated"
    details = {"id": name, "changes_requested": {"data_retention": value}}
    return AuditEvent(kind, tenant, name, details, project)


def domain_verified(tenant: TenantId, domain: str) -> AuditEvent:
    """The operator has seen that a domain is the organisation's."""
    name = tenant_text(tenant)
    return AuditEvent("organization.domain_verified", tenant, name, {"id": name, "domain": domain})

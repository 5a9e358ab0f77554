"""What the audit trail hears of agreements: identifiers and states, nothing of what a form says."""

from typing import Final

from bailee.governance.agreements.model import Agreement
from bailee.kernel.ids import ProjectId, handle_text, project_text
from bailee.ports.audit import AuditEvent

AGREEMENT: Final = "agreement_"
"""How identifiers begin."""


def event(what: str, row: Agreement, **more: object) -> AuditEvent:
    """`agreement.<what>` about one agreement."""
    name = handle_text(AGREEMENT, row.agreement)
    details = {
        "id": name,
        "kind": row.kind.value,
        "version": row.version,
        "state": row.state.value,
        **more,
    }
    return AuditEvent(f"agreement.{what}", row.tenant, name, details)


def protected(row: Agreement, project: ProjectId) -> AuditEvent:
    """A project came under a business associate agreement."""
    name = project_text(project)
    agreement = handle_text(AGREEMENT, row.agreement)
    details = {
        "id": name,
        "changes_requested": {"protected_health": True, "agreement": agreement},
    }
    return AuditEvent("project.updated", row.tenant, name, details, project)

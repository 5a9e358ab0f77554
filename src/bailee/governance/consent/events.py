"""What the audit log says about consent: identifiers, kinds and instants."""

from bailee.governance.consent.model import Statement
from bailee.kernel.ids import handle_text, project_text
from bailee.ports.audit import AuditEvent

STATEMENT = "consent_"
GIVEN = "consent.given"
WITHDRAWN = "consent.withdrawn"


def event_of(row: Statement) -> AuditEvent:
    """The event of a new statement."""
    name = handle_text(STATEMENT, row.statement)
    details: dict[str, object] = {
        "id": name,
        "kind": row.kind.value,
        "scope": "organisation" if row.project is None else project_text(row.project),
        "valid_from": row.valid_from // 1000,
    }
    if row.text is not None:
        details["text"] = row.text
    return AuditEvent(
        GIVEN if row.stands else WITHDRAWN, row.tenant, name, details, project=row.project
    )

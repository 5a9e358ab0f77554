"""Audit events about endpoints. Addresses stay out: they may hold a token of the receiver's."""

from bailee.governance.webhooks.model import ENDPOINT, Endpoint
from bailee.kernel.ids import handle_text
from bailee.ports.audit import AuditEvent


def event(verb: str, row: Endpoint, **more: object) -> AuditEvent:
    """`webhook.<verb>`."""
    name = handle_text(ENDPOINT, row.endpoint)
    return AuditEvent(f"webhook.{verb}", row.tenant, name, {"id": name, **more})

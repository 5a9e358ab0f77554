"""Messages and their signatures, as https://www.standardwebhooks.com describes them. Pure.

Secrets are not stored: each follows from a key of the installation, the endpoint and the
generation, so that a copy of the database signs nothing.
"""

import base64
import hmac
from collections.abc import Iterable, Mapping

import msgspec

from bailee.governance.webhooks.model import EVENT, Message
from bailee.kernel.encoding import fields
from bailee.kernel.ids import TenantId, handle_text, project_text, tenant_text
from bailee.kernel.instants import Instant, to_rfc3339
from bailee.kernel.redacted import Secret


def secret_of(key: bytes, endpoint: bytes, generation: int) -> Secret:
    """The 32 bytes that sign an endpoint's messages."""
    info = fields("bailee/1/webhook", endpoint, generation.to_bytes(4, "big"))
    return Secret(hmac.digest(key, info, "sha256"))


def secret_text(secret: bytes) -> Secret:
    """A secret as receivers take it: `whsec_` and base64."""
    return Secret(b"whsec_" + base64.b64encode(secret))


def body_of(tenant: TenantId, message: Message) -> bytes:
    """The message's JSON: type, timestamp and identifiers."""
    return msgspec.json.encode(
        {
            "type": message.type,
            "timestamp": to_rfc3339(message.effective_at),
            "data": {
                "id": handle_text(EVENT, message.event),
                "organization_id": tenant_text(tenant),
                "project_id": None if message.project is None else project_text(message.project),
                "resource_id": message.resource,
                "actor_id": message.actor,
            },
        }
    )


def headers_of(
    message: Message, body: bytes, secrets: Iterable[bytes], now: Instant
) -> Mapping[str, str]:
    """The three headers, with a signature for each secret."""
    name, at = handle_text(EVENT, message.event), str(now // 1000)
    signed = b".".join((name.encode(), at.encode(), body))
    signatures = [
        "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": name,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(signatures),
    }

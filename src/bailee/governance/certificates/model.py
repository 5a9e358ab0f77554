"""What is known of an uploaded certificate."""

from typing import NamedTuple

from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant


class Read(NamedTuple):
    """A certificate that may be uploaded."""

    content: bytes
    """DER."""
    valid_at: Instant
    expires_at: Instant


class Certificate(NamedTuple):
    """An uploaded certificate. Whether it is active is said where, not here."""

    certificate: bytes
    """16 random bytes."""
    tenant: TenantId
    name: str | None
    content: bytes
    """DER. It never changes."""
    created_at: Instant
    valid_at: Instant
    expires_at: Instant


class Listed(NamedTuple):
    """A certificate, and whether it is active where the list was asked for."""

    known: Certificate
    active: bool

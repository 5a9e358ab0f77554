"""Admin keys: their states and the text that is shown once.

`sk-admin-<16 hexadecimal digits>-<43 characters>`, made and hashed as API keys are. One that is
*pending* is not known to the keeper yet and lets nobody in.
"""

import base64
import re
from typing import Final, NamedTuple

from bailee.kernel.ids import Region, TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.kernel.regions import MARK_BYTES, region_mark
from bailee.ports.randomness import Randomness

PREFIX: Final = "sk-admin-"
_ID_BYTES: Final = 8
_SHAPE: Final = re.compile(rf"{PREFIX}([0-9a-f]{{16}})-[A-Za-z0-9_-]{{43}}".encode())


class AdminKey(NamedTuple):
    """What is known about an admin key. Neither its text nor its hash."""

    public_id: str
    """16 hexadecimal digits, part of the key's text."""
    tenant: TenantId
    name: str
    created_at: Instant
    registered_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None
    withdrawn_at: Instant | None
    """When the keeper confirmed that it no longer knows the revoked key."""
    last_used_at: Instant | None
    """To within a minute."""

    def active(self, now: Instant) -> bool:
        """Whether the key lets its bearer in at `now`."""
        return (
            self.registered_at is not None
            and self.revoked_at is None
            and (self.expires_at is None or now < self.expires_at)
        )


class CreatedAdminKey(NamedTuple):
    """A new admin key and its text, which exists nowhere else and is shown once."""

    key: AdminKey
    credential: Secret


def new_admin_key(randomness: Randomness, region: Region) -> tuple[str, Secret]:
    """A new key's public identifier, which begins with the region's mark, and its text."""
    public_id = (region_mark(region) + randomness.random_bytes(_ID_BYTES - MARK_BYTES)).hex()
    secret = base64.urlsafe_b64encode(randomness.random_bytes(32)).rstrip(b"=")
    return public_id, Secret(f"{PREFIX}{public_id}-".encode() + secret)


def is_admin_key(text: bytes) -> bool:
    """Whether `text` has the shape of an admin key."""
    return _SHAPE.fullmatch(text) is not None

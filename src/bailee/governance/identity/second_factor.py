"""Codes of a second factor: TOTP (RFC 6238) with HMAC-SHA-1, six digits, thirty seconds.

SHA-1 is what every authenticator speaks; HMAC does not rest on its collision resistance. A code is
taken for its own time step and the one on either side, and a step's code is taken once.
"""

import base64
import hmac
from typing import Final
from urllib.parse import quote

from bailee.kernel.instants import SECOND_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.ports.randomness import Randomness

STEP_MS: Final = 30 * SECOND_MS
SECRET_BYTES: Final = 20
_DIGITS: Final = 6


def new_secret(randomness: Randomness) -> Secret:
    """A new shared secret: 160 bits, as RFC 4226 recommends."""
    return Secret(randomness.random_bytes(SECRET_BYTES))


def code_at(secret: bytes, step: int, digits: int = _DIGITS) -> str:
    """The code of a time step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(secret: bytes, code: str, now: Instant) -> int | None:
    """The time step whose code this is, if it is one that is taken at `now`."""
    present = now // STEP_MS
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode("utf-8", "replace")):
            found = step
    return found


def base32(secret: bytes) -> str:
    """The secret as people type it into an authenticator."""
    return base64.b32encode(secret).decode().rstrip("=")


def address(secret: bytes, account: str, issuer: str) -> str:
    """The `otpauth://` address that authenticators scan."""
    label = quote(f"{issuer}:{account}", safe="")
    return f"otpauth://totp/{label}?secret={base32(secret)}&issuer={quote(issuer, safe='')}"

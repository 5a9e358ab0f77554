"""Sessions, and what is kept of how people sign in.

A session's token is `sess-<16 hexadecimal digits>-<43 characters>`, made and recognised as API keys
are. It ends after `IDLE_MS` without use, after `LONGEST_MS` in any case, or when it is revoked.
"""

import base64
import enum
import re
from typing import Final, NamedTuple

from bailee.kernel.ids import TenantId
from bailee.kernel.instants import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import Role
from bailee.ports.randomness import Randomness

IDLE_MS: Final = 2 * HOUR_MS
"""How long a session lasts without being used."""
LONGEST_MS: Final = 12 * HOUR_MS
"""How long a session lasts at most."""
ENROLMENT_MS: Final = 3 * DAY_MS
"""How long an enrolment's token can be used."""
ATTEMPT_MS: Final = 10 * MINUTE_MS
"""How long a sign-in that began may take."""
CODE_TRIES: Final = 5
"""How often a second factor that was shown may be answered with a code of it."""
RECOVERY_CODES: Final = 8
PREFIX: Final = "sess-"
_SHAPE: Final = re.compile(rb"sess-([0-9a-f]{16})-[A-Za-z0-9_-]{43}")
_PUBLIC_ID: Final = re.compile(r"[0-9a-f]{16}")


class Method(enum.Enum):
    """What a person signed in with. The value is stable: it is stored."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    PASSKEY = "passkey"
    OPENID = "openid"


class PersonSession(NamedTuple):
    """A signed-in person's session, without its token."""

    public_id: str
    """16 hexadecimal digits, part of the token."""
    tenant: TenantId
    """The person's own organisation."""
    person: bytes
    method: Method
    created_at: Instant
    signed_in_at: Instant
    """When the person last proved who they are."""
    last_used_at: Instant
    """To within a minute."""
    expires_at: Instant
    revoked_at: Instant | None

    def active(self, now: Instant) -> bool:
        """Whether the session lets its bearer in at `now`."""
        idle_until = self.last_used_at + IDLE_MS
        return self.revoked_at is None and now < self.expires_at and now < idle_until


class Bearer(NamedTuple):
    """Who bears a session: the person with the roles that they hold at this moment."""

    session: PersonSession
    name: str
    email: str
    organisation_name: str
    house: bool
    """Whether the organisation is the operator's own."""
    roles: frozenset[Role]
    """House roles of the house alone."""


class OpenedSession(NamedTuple):
    """A new session and its token, which exists nowhere else and is given out this once."""

    session: PersonSession
    token: Secret


class Enrolment(NamedTuple):
    """For whom an enrolment's token is."""

    tenant: TenantId
    person: bytes
    name: str
    email: str
    organisation_name: str


class Password(NamedTuple):
    """What a person's password and second factor are checked against."""

    tenant: TenantId
    person: bytes
    verifier: Secret
    second_factor: bytes
    """Sealed."""


class Passkey(NamedTuple):
    """A registered authenticator."""

    passkey: bytes
    tenant: TenantId
    person: bytes
    public_key: bytes
    sign_count: int


def new_session_token(randomness: Randomness) -> tuple[str, Secret]:
    """A new session's public identifier and token."""
    public_id = randomness.random_bytes(8).hex()
    return public_id, Secret(f"{PREFIX}{public_id}-".encode() + random_text(randomness))


def is_session_token(text: bytes) -> bool:
    """Whether `text` has the shape of a session's token."""
    return _SHAPE.fullmatch(text) is not None


def session_id(text: str) -> str | None:
    """The public identifier in `session_<16 digits>`; None if it is none."""
    digits = text.removeprefix("session_")
    return digits if digits != text and _PUBLIC_ID.fullmatch(digits) else None


def random_text(randomness: Randomness) -> bytes:
    """256 random bits as 43 characters."""
    return base64.urlsafe_b64encode(randomness.random_bytes(32)).rstrip(b"=")


def recovery_code(randomness: Randomness) -> str:
    """80 random bits as people write them: four groups of four."""
    text = base64.b32encode(randomness.random_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))

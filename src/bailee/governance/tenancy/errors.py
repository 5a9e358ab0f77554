"""Why a credential is refused. Told apart inside; a caller outside learns less."""

import enum

from bailee.kernel.errors import Forbidden


class Refusal(enum.Enum):
    """What is wrong with a credential."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"


_MESSAGES = {
    Refusal.MALFORMED: "This is not an API key of Bailee. Send the whole key, as it was shown.",
    Refusal.UNKNOWN: "There is no such API key. Check for a key of another installation.",
    Refusal.REVOKED: "The API key has been revoked. Use another or ask for a new one.",
    Refusal.EXPIRED: "The API key has expired. Ask for a new one.",
    Refusal.SUSPENDED: "The project is suspended. Ask the organisation's owner or the operator.",
    Refusal.ARCHIVED: "The project has been archived. Use a key of another project.",
}


class CredentialRefused(Forbidden):
    """The credential does not let its bearer call."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(_MESSAGES[refusal])
        self.refusal = refusal

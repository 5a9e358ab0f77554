"""Passwords: Argon2id with the parameters that OWASP recommends (19 MiB, two passes, one lane).

Checking takes tens of milliseconds on purpose and blocks: call it through `ports.offload`. Whoever
has no password is checked against a verifier that nothing fits, so that it takes as long.
"""

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bailee.kernel.errors import InvalidInput
from bailee.ports.randomness import Randomness

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""
_SALT_BYTES: Final = 16
_HASHER: Final = PasswordHasher(
    time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=_SALT_BYTES
)
NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$" + "A" * 22 + "$" + "A" * 43
"""A verifier that no known password fits."""


def check_new(password: str) -> None:
    """Return if a password may be set. Raises InvalidInput, never quoting it."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(
            f"A password has {SHORTEST} to {LONGEST} characters. A few words make a good one.",
            field="password",
        )


def verifier_of(password: str, randomness: Randomness) -> str:
    """What a password is checked against from now on (PHC string)."""
    return _HASHER.hash(password, salt=randomness.random_bytes(_SALT_BYTES))


def fits(verifier: str, password: str) -> bool:
    """Whether a password is the one that a verifier was made of."""
    try:
        return _HASHER.verify(verifier, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False

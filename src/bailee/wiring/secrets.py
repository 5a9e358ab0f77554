"""Secrets that lie in files: made once, readable by the installation's user alone.

A process is handed what it needs by its supervisor, and otherwise reads it here before it gives
up the folder.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bailee.kernel.errors import Unavailable
from bailee.kernel.redacted import Secret
from bailee.ports.randomness import Randomness

PEPPER: Final = "api-key-pepper"
LOG_KEY: Final = "log-signing-key"
DOCUMENT_SEAL: Final = "document-seal"
"""Key and certificates that seal signed documents, in PEM."""
WEBHOOK_KEY: Final = "webhook-key"
"""What the secrets of webhooks follow from."""
ROLES: Final = ("gateway", "clerk", "worker", "administrator")
SECRET_BYTES: Final = 32


def token_name(role: str) -> str:
    """The file of the token that proves a role to the keeper."""
    return f"keeper-token-{role}"


def make_secrets(folder: Path, randomness: Randomness) -> None:
    """Make every secret that is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (PEPPER, LOG_KEY, WEBHOOK_KEY, *(token_name(role) for role in ROLES)):
        if not (folder / name).exists():
            write_private(folder / name, randomness.random_bytes(SECRET_BYTES))


def read_secret(folder: Path, name: str, handed: Mapping[str, bytes]) -> Secret:
    """One secret, as handed over or from its file. Raises Unavailable."""
    if name in handed:
        return Secret(handed[name])
    try:
        return Secret((folder / name).read_bytes())
    except OSError:
        raise Unavailable(
            f"the secret {name} cannot be read in {folder}; start `bailee serve` once with this "
            "data folder, as the user that owns it"
        ) from None


def write_private(path: Path, data: bytes) -> None:
    """Write a file for this user alone, wholly or not at all."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)

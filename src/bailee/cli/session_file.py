"""Where `bailee login` keeps a session: one file of the user's, readable by them alone.

`$XDG_CONFIG_HOME/bailee/sessions.json`, else below `~/.config`. A token by the address that it is
for, so that it is never sent anywhere else.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path


def session_file(variables: Mapping[str, str]) -> Path:
    """The file's place."""
    folder = variables.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(folder) / "bailee" / "sessions.json"


def kept_token(file: Path, address: str) -> str | None:
    """The token for an address; None if there is none."""
    token = _read(file).get(address)
    return token if isinstance(token, str) else None


def keep_token(file: Path, address: str, token: str | None) -> None:
    """Keep a token for an address, or forget it (None)."""
    known = {name: value for name, value in _read(file).items() if name != address}
    if token is not None:
        known[address] = token
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(known, stream)
    temporary.replace(file)


def _read(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

"""Prefix caches of backends, kept apart by project.

A backend that remembers the beginnings of prompts answers sooner when it has seen one before: a
caller who could choose under which name it remembers would learn what others have asked. So the
name is Bailee's. `prompt_cache_key` reaches a backend as a hash that the project is part of, and
`cache_salt` (vLLM's) is never the caller's: a backend that is declared to know it gets the
project's own, any other none. What llama.cpp lets a request go on from, whoever left it there,
reaches no backend.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from bailee.kernel.ids import ProjectId

SaltOf = Callable[[ProjectId], str]
"""A project's salt: the same for all workers that share a secret, and nobody else's to guess."""

_SALT: Final = "cache_salt"
_NEVER: Final = (_SALT, "cache_prompt", "id_slot", "n_cache_reuse")
_KEY: Final = "prompt_cache_key"
_PERSON: Final = b"bailee/1/prefix"
_SIZE_BYTES: Final = 24


def salt_from(secret: bytes) -> SaltOf:
    """Salts that follow from a secret of 16 to 64 bytes."""

    def salt_of(project: ProjectId) -> str:
        return blake2b(
            project, key=secret[:64], person=_PERSON, digest_size=_SIZE_BYTES
        ).hexdigest()

    return salt_of


def salted(body: bytes, salt: str, *, adds: bool) -> bytes:
    """The body with the project's names in the place of the caller's.

    `adds`: the backend knows `cache_salt`.
    """
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for name in _NEVER:
        members.pop(name, None)
    if adds:
        members[_SALT] = msgspec.Raw(msgspec.json.encode(salt))
    key = members.get(_KEY)
    if key is not None:
        named = blake2b(bytes(key), key=salt.encode(), digest_size=_SIZE_BYTES).hexdigest()
        members[_KEY] = msgspec.Raw(msgspec.json.encode(named))
    return msgspec.json.encode(members)

"""API keys as the keeper verifies them itself: it believes no gateway about who is asking.

A key is `sk-bailee-<16 hexadecimal digits>-<43 characters>`: a public identifier, then a secret.
What is kept is a keyed hash of the whole; the key to the hash lies in the keyring.

An admin key is `sk-admin-…` and is kept beside them under `admin-` and its identifier, without a
project. It is an authority over its organisation's keys and opens nothing: what verifies an API
key does not even parse it.
"""

import hashlib
import hmac
import re
from typing import Final

from bailee.custody.keeper.state import Credential, KeyringState
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant

_KEY: Final = re.compile(rb"sk-bailee-([0-9a-f]{16})-[A-Za-z0-9_-]{43}")
_ADMIN_KEY: Final = re.compile(rb"sk-admin-([0-9a-f]{16})-[A-Za-z0-9_-]{43}")
_ADMIN: Final = "admin-"
_NO_PROJECT: Final = ProjectId(b"")
_IDENTIFIER: Final = re.compile(rb"(?:admin-)?[0-9a-f]{16}")
_NOBODY: Final = Credential(b"", TenantId(b""), ProjectId(b""), None, revoked=True)


def keyed_hash(pepper: bytes, credential: bytes) -> bytes:
    """BLAKE2b-256 of the key text under the keyring's pepper."""
    return hashlib.blake2b(credential, digest_size=32, key=pepper).digest()


def identifier_of(credential: bytes) -> str:
    """The public identifier inside a key. Raises InvalidInput, never quoting the key."""
    found = _KEY.fullmatch(credential)
    if found is None:
        raise InvalidInput("this is not an API key; take it whole, from `sk-bailee-` on")
    return found[1].decode()


def register(
    state: KeyringState,
    credential: bytes,
    tenant: TenantId,
    project: ProjectId,
    expires_at: Instant | None,
) -> None:
    """Let the bearer open what `project` owns. Registering the same again replaces the expiry.

    Raises Conflict for a revoked key and for a key that is another's, Forbidden for a project that
    is known as another organisation's.
    """
    for known in state.credentials.values():
        if known.project == project and known.tenant != tenant:
            raise Forbidden("this project is another organisation's; use one of its own")
    _add(state, identifier_of(credential), credential, tenant, project, expires_at)


def register_administrator(
    state: KeyringState, credential: bytes, tenant: TenantId, expires_at: Instant | None
) -> None:
    """Make an admin key an authority over `tenant`'s keys. Otherwise as `register`."""
    _add(state, _admin_identifier_of(credential), credential, tenant, _NO_PROJECT, expires_at)


def _admin_identifier_of(credential: bytes) -> str:
    found = _ADMIN_KEY.fullmatch(credential)
    if found is None:
        raise InvalidInput("this is not an admin key; take it whole, from `sk-admin-` on")
    return _ADMIN + found[1].decode()


def _add(
    state: KeyringState,
    identifier: str,
    credential: bytes,
    tenant: TenantId,
    project: ProjectId,
    expires_at: Instant | None,
) -> None:
    hashed = keyed_hash(state.pepper, credential)
    known = state.credentials.get(identifier)
    if known is not None:
        if known.revoked:
            raise Conflict("this API key was revoked; make a new one")
        if (known.keyed_hash, known.tenant, known.project) != (hashed, tenant, project):
            raise Conflict("an API key with this identifier is registered; make a new one")
    state.credentials[identifier] = Credential(hashed, tenant, project, expires_at)


def revoke(state: KeyringState, identifier: bytes) -> None:
    """Refuse the key from now on, also when it is registered later.

    Raises InvalidInput unless `identifier` is 16 hexadecimal digits, for an admin key after
    `admin-`.
    """
    if _IDENTIFIER.fullmatch(identifier) is None:
        raise InvalidInput("an API key's identifier is the 16 hexadecimal digits inside it")
    name = identifier.decode()
    known = state.credentials.get(name, _NOBODY)
    state.credentials[name] = Credential(
        known.keyed_hash, known.tenant, known.project, known.expires_at, revoked=True
    )


def owner_of(state: KeyringState, identifier: bytes) -> TenantId | None:
    """The organisation of a key that is registered, by its public identifier."""
    known = state.credentials.get(identifier.decode("latin-1"), _NOBODY)
    return known.tenant or None


def require(state: KeyringState, authority: bytes, tenant: TenantId, now: Instant) -> None:
    """Return if `authority` is a valid admin key of `tenant`. Raises Forbidden."""
    if verify_administrator(state, authority, now).tenant != tenant:
        raise Forbidden("this admin key is another organisation's; use one of its own")


def verify_administrator(state: KeyringState, authority: bytes, now: Instant) -> Credential:
    """Whose admin key this is. Raises Forbidden without saying which of the reasons it was."""
    refusal = Forbidden("this is not a valid admin key; use another, or ask an administrator")
    try:
        identifier = _admin_identifier_of(authority)
    except InvalidInput:
        raise refusal from None
    return _verified(state, identifier, authority, now, refusal)


def verify(state: KeyringState, credential: bytes, now: Instant) -> Credential:
    """Whose key this is. Raises Forbidden without saying which of the reasons it was."""
    refusal = Forbidden("this API key opens nothing here; use a valid key of the record's project")
    try:
        identifier = identifier_of(credential)
    except InvalidInput:
        raise refusal from None
    return _verified(state, identifier, credential, now, refusal)


def _verified(
    state: KeyringState, identifier: str, credential: bytes, now: Instant, refusal: Forbidden
) -> Credential:
    known = state.credentials.get(identifier, _NOBODY)
    hashed = keyed_hash(state.pepper, credential)
    if not hmac.compare_digest(hashed, known.keyed_hash) or known.revoked:
        raise refusal
    if known.expires_at is not None and now >= known.expires_at:
        raise refusal
    return known

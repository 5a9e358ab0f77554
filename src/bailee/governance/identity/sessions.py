"""Sessions of signed-in people: opening, recognising and ending them.

A token is looked up in the database with each request: a session is refused from the moment of its
revocation, and while the database is away nobody is let in.
"""

from typing import Final

from bailee.governance.identity import repository
from bailee.governance.identity.errors import SessionRefused
from bailee.governance.identity.model import (
    LONGEST_MS,
    Bearer,
    Method,
    OpenedSession,
    PersonSession,
    is_session_token,
    new_session_token,
)
from bailee.governance.identity.sealing import Vault
from bailee.kernel.errors import NotFound
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import DAY_MS, MINUTE_MS, Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

USER: Final = "user_"
SESSION: Final = "session_"
_KIND: Final = "session"
_KEPT_MS: Final = 30 * DAY_MS
"""How long after its end a session's row is kept."""


class SessionKeys:
    """Opens sessions and recognises their tokens, for whoever signs people in."""

    def __init__(
        self, database: Database, clock: Clock, randomness: Randomness, vault: Vault
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._vault = vault

    async def authenticate(self, token: bytes) -> Bearer:
        """Who bears a token; a use is noted, to within a minute.

        Raises:
            SessionRefused: it is no token, or its session has ended.
            Unavailable: the database is away.
        """
        if not is_session_token(token):
            raise SessionRefused
        async with self._database.platform_reading() as transaction:
            bearer = await repository.bearer(transaction, self._vault.digest(_KIND, token))
        now = self._clock.now()
        if bearer is None or not bearer.session.active(now):
            raise SessionRefused
        session = bearer.session
        if now - session.last_used_at >= MINUTE_MS:
            async with self._database.transaction(session.tenant) as transaction:
                await repository.mark_used(transaction, session.public_id, now)
        return bearer

    async def open_within(
        self, transaction: DatabaseTransaction, tenant: TenantId, person: bytes, method: Method
    ) -> OpenedSession:
        """Open a session within a command that knows who it is."""
        now = self._clock.now()
        public_id, token = new_session_token(self._randomness)
        expires_at = Instant(now + LONGEST_MS)
        session = PersonSession(public_id, tenant, person, method, now, now, now, expires_at, None)
        await repository.forget_sessions(transaction, person, Instant(now - _KEPT_MS))
        await repository.add_session(transaction, session, self._vault.digest(_KIND, token))
        return OpenedSession(session, token)


class Sessions:
    """Sessions of an organisation's people, on behalf of one actor."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, actor: Actor) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._actor = actor

    async def active(self, tenant: TenantId, person: bytes) -> list[PersonSession]:
        """A person's sessions that have not ended, newest first. One's own need no permission.

        Raises Forbidden for somebody else's.
        """
        self._require_own_or("people.read", tenant, person)
        async with self._database.transaction(tenant) as transaction:
            found = await repository.sessions_of(transaction, person)
        now = self._clock.now()
        return [session for session in found if session.active(now)]

    async def revoke(self, tenant: TenantId, person: bytes, public_id: str) -> None:
        """End one of a person's sessions: refused from return on.

        Raises Forbidden for somebody else's; NotFound.
        """
        self._require_own_or("people.administer", tenant, person)
        if not await self._revoke(tenant, person, [public_id]):
            raise NotFound("There is no such session. List the sessions.")

    async def revoke_all(self, tenant: TenantId, person: bytes) -> int:
        """End every session of a person; how many there were.

        Raises Forbidden for somebody else's; NotFound if there is no such person.
        """
        self._require_own_or("people.administer", tenant, person)
        async with self._database.transaction(tenant) as transaction:
            if await repository.roles_of(transaction, person) is None:
                raise NotFound("There is no such person. List the organisation's users.")
        public_ids = [session.public_id for session in await self.active(tenant, person)]
        return len(await self._revoke(tenant, person, public_ids))

    async def _revoke(self, tenant: TenantId, person: bytes, public_ids: list[str]) -> list[str]:
        async with self._database.transaction(tenant) as transaction:
            revoked = await repository.revoke_sessions(
                transaction, person, public_ids, self._clock.now()
            )
            for public_id in revoked:
                resource = handle_text(USER, person)
                details = {"id": resource, "session": SESSION + public_id}
                event = AuditEvent("logout.succeeded", tenant, resource, details)
                await self._audit.write(transaction, event)
        return revoked

    def _require_own_or(self, action: str, tenant: TenantId, person: bytes) -> None:
        own = self._actor.tenant == tenant
        if not own or self._actor.identifier != handle_text(USER, person):
            require(self._actor, action, tenant, self._clock.now())

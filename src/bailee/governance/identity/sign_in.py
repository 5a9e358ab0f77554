"""Signing in: a password with a second factor, a passkey, or an OpenID Connect provider.

Every failure has the same answer, and a password is checked whether or not there is such an
account. Tries are counted for each account and each address they come from; over the limit they
are not looked at. Signing in again during a session makes it fresh (`policy.access`).
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from bailee.governance.identity import passkeys, repository
from bailee.governance.identity.attempts import Attempts
from bailee.governance.identity.enrolment import RECOVERY, SECOND_FACTOR
from bailee.governance.identity.errors import SignInRefused, TooManyGuesses
from bailee.governance.identity.model import (
    Bearer,
    Method,
    OpenedSession,
    Password,
    PersonSession,
    random_text,
)
from bailee.governance.identity.passkeys import CHALLENGE_BYTES, Site
from bailee.governance.identity.passwords import NOBODY, fits
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.second_factor import step_of
from bailee.governance.identity.sessions import SESSION, USER, SessionKeys
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.redacted import HiddenStruct
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.identity_provider import IdentityProvider
from bailee.ports.offload import Offload
from bailee.ports.randomness import Randomness
from bailee.ports.rate_limit import RateLimit

GUESSES_PER_MINUTE: Final = 5
"""Of one account."""
GUESSES_OF_AN_ADDRESS_PER_MINUTE: Final = 30

Welcome = Callable[[str, str, TenantId | None], Awaitable[None]]
"""Accepts the invitation of an address that a provider has verified, if there is exactly one."""


class PasskeyAsked(HiddenStruct, frozen=True):
    """An attempt: the challenge that a passkey is to sign."""

    challenge: bytes


class OpenIdBegun(HiddenStruct, frozen=True):
    """An attempt: what a provider's answer is checked with."""

    nonce: str
    verifier: str


class SignIn:
    """Signs people in, and in again."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        vault: Vault,
        offload: Offload,
        rate_limit: RateLimit,
        site: Site,
        audit_of: Callable[[str], Audit],
        provider: IdentityProvider | None,
        welcome: Welcome,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._vault = vault
        self._offload = offload
        self._rate_limit = rate_limit
        self._site = site
        self._audit_of = audit_of
        self._provider = provider
        self._welcome = welcome
        self._attempts = Attempts(database, clock, randomness, vault)
        self._keys = SessionKeys(database, clock, randomness, vault)

    async def with_password(
        self, email: str, password: str, code: str, organisation: TenantId | None, source: str
    ) -> OpenedSession:
        """Open a session for whoever knows a password and has its second factor.

        `code` is the second factor's, or a recovery code; `source` the address it comes from.

        Raises:
            SignInRefused: whatever the reason.
            TooManyGuesses: see above.
        """
        email = email.strip().lower()
        self._count(email, source)
        async with self._database.platform_reading() as transaction:
            found = await repository.passwords_of(transaction, email, organisation)
        known = found[0] if len(found) == 1 else None
        proved = await self._proved(known, password)
        if known is None:
            # A row that nobody can take: this answer waits for the disk as any other does.
            await self._attempts.begin(PasskeyAsked(b""))
            raise SignInRefused
        async with self._database.transaction(known.tenant) as transaction:
            if proved and await self._second(transaction, known, code):
                return await self._opened(transaction, known.tenant, known.person, Method.PASSWORD)
            await self._write(transaction, "login.failed", known.tenant, known.person)
        raise SignInRefused

    async def begin_passkey(self) -> tuple[str, dict[str, Any]]:
        """An attempt, and what a browser is asked to sign."""
        challenge = self._randomness.random_bytes(CHALLENGE_BYTES)
        attempt = await self._attempts.begin(PasskeyAsked(challenge))
        return attempt, passkeys.sign_in_options(self._site, challenge)

    async def with_passkey(
        self, attempt: str, credential: dict[str, Any], source: str
    ) -> OpenedSession:
        """Open a session for whoever has a passkey. Raises as `with_password`."""
        tenant, person = await self._passkey_signed(attempt, credential, source)
        async with self._database.transaction(tenant) as transaction:
            return await self._opened(transaction, tenant, person, Method.PASSKEY)

    async def begin_openid(self) -> tuple[str, str]:
        """An attempt, which is the state too, and the address to send the browser to.

        Raises SignInRefused where there is no provider, Unavailable where it is away.
        """
        if self._provider is None:
            raise SignInRefused
        begun = OpenIdBegun(
            random_text(self._randomness).decode(), random_text(self._randomness).decode()
        )
        state = random_text(self._randomness).decode()
        address = await self._provider.address(state, begun.nonce, begun.verifier)
        return await self._attempts.begin(begun, state), address

    async def with_openid(
        self, state: str, code: str, organisation: TenantId | None, source: str
    ) -> OpenedSession:
        """Open a session for whom the provider says it is: a person or an invited one.

        Raises:
            SignInRefused: as `with_password`; the address is not verified or nobody's.
            TooManyGuesses: see above.
            Unavailable: the provider is away.
        """
        self._count("", source)
        begun = await self._attempts.take(state, OpenIdBegun)
        if begun is None or self._provider is None:
            raise SignInRefused
        proved = await self._provider.prove(code, begun.nonce, begun.verifier)
        if proved is None:
            raise SignInRefused
        email = proved.email.strip().lower()
        found = await self._people_of(email, organisation)
        if not found:
            await self._welcome(email, proved.name, organisation)
            found = await self._people_of(email, organisation)
        if len(found) != 1:
            raise SignInRefused
        ((tenant, person),) = found
        async with self._database.transaction(tenant) as transaction:
            return await self._opened(transaction, tenant, person, Method.OPENID)

    async def _people_of(
        self, email: str, organisation: TenantId | None
    ) -> list[tuple[TenantId, bytes]]:
        async with self._database.platform_reading() as transaction:
            return await repository.people_of(transaction, email, organisation)

    async def again_with_password(
        self, bearer: Bearer, password: str, code: str, source: str
    ) -> None:
        """Make a session fresh. Raises as `with_password`."""
        session = bearer.session
        self._count(bearer.email, source)
        async with self._database.transaction(session.tenant) as transaction:
            known = await repository.password_of(transaction, session.person)
        proved = await self._proved(known, password)
        async with self._database.transaction(session.tenant) as transaction:
            if known is None or not proved or not await self._second(transaction, known, code):
                raise SignInRefused
            await self._again(transaction, session)

    async def again_with_passkey(
        self, bearer: Bearer, attempt: str, credential: dict[str, Any], source: str
    ) -> None:
        """Make a session fresh. Raises as `with_password`."""
        session = bearer.session
        found = await self._passkey_signed(attempt, credential, source)
        if found != (session.tenant, session.person):
            raise SignInRefused
        async with self._database.transaction(session.tenant) as transaction:
            await self._again(transaction, session)

    async def _proved(self, known: Password | None, password: str) -> bool:
        """Whether a password fits; as long for nobody as for somebody."""
        verifier = NOBODY if known is None else known.verifier.decode()
        return await self._offload.run(lambda: fits(verifier, password)) and known is not None

    async def _second(self, transaction: DatabaseTransaction, known: Password, code: str) -> bool:
        secret = self._vault.open(SECOND_FACTOR, known.person, known.second_factor)
        step = step_of(secret, code.strip(), self._clock.now())
        if step is not None:
            return await repository.use_step(transaction, known.person, step)
        digest = self._vault.digest(RECOVERY, code.strip().lower().encode("utf-8", "replace"))
        return await repository.use_recovery_code(transaction, known.person, digest)

    async def _passkey_signed(
        self, attempt: str, credential: dict[str, Any], source: str
    ) -> tuple[TenantId, bytes]:
        self._count("", source)
        begun = await self._attempts.take(attempt, PasskeyAsked)
        async with self._database.platform_reading() as transaction:
            known = await repository.passkey(transaction, passkeys.name_in(credential))
        if begun is None or known is None:
            raise SignInRefused
        count = passkeys.signed_with(self._site, known, begun.challenge, credential)
        if count is None:
            raise SignInRefused
        async with self._database.transaction(known.tenant) as transaction:
            now = self._clock.now()
            await repository.use_passkey(transaction, known.passkey, count, now)
        return known.tenant, known.person

    async def _opened(
        self, transaction: DatabaseTransaction, tenant: TenantId, person: bytes, method: Method
    ) -> OpenedSession:
        opened = await self._keys.open_within(transaction, tenant, person, method)
        session = SESSION + opened.session.public_id
        more = {"method": method.value, "session": session}
        await self._write(transaction, "login.succeeded", tenant, person, more)
        return opened

    async def _again(self, transaction: DatabaseTransaction, session: PersonSession) -> None:
        now = self._clock.now()
        await repository.mark_signed_in(transaction, session.public_id, now)
        more = {"again": True, "session": SESSION + session.public_id}
        await self._write(transaction, "login.succeeded", session.tenant, session.person, more)

    async def _write(
        self,
        transaction: DatabaseTransaction,
        kind: str,
        tenant: TenantId,
        person: bytes,
        more: Mapping[str, object] | None = None,
    ) -> None:
        resource = handle_text(USER, person)
        event = AuditEvent(kind, tenant, resource, {"id": resource, **(more or {})})
        await self._audit_of(resource).write(transaction, event)

    def _count(self, account: str, source: str) -> None:
        """Count a try. Raises TooManyGuesses."""
        now = self._clock.now()
        limits = [("source", source, GUESSES_OF_AN_ADDRESS_PER_MINUTE)]
        if account:
            limits.append(("account", account, GUESSES_PER_MINUTE))
        for kind, subject, limit in limits:
            name = hashlib.blake2b(f"{kind} {subject}".encode(), digest_size=16).digest()
            left = self._rate_limit.take(b"i" + name, 1, limit, now)
            if not left.allowed:
                raise TooManyGuesses(left.reset_after_ms)

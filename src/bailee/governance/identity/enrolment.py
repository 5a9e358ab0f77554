"""Enrolment: how a person comes to have something to sign in with.

Whoever may says for whom (`Enrolments.make`) and passes the token on; the person sets a password
with a second factor, or registers a passkey, and the token is used up. A new password takes the
place of the former one and ends the person's sessions. Whoever makes a token for somebody could
use it in their name: for people with more than a developer's role it asks for `roles.assign`.
"""

from typing import Any, Final, NamedTuple

from msgspec import structs

from bailee.governance.identity import passkeys, repository
from bailee.governance.identity.attempts import Attempts
from bailee.governance.identity.errors import CodeRefused, EnrolmentRefused
from bailee.governance.identity.model import (
    ATTEMPT_MS,
    CODE_TRIES,
    ENROLMENT_MS,
    RECOVERY_CODES,
    Enrolment,
    Password,
    random_text,
    recovery_code,
)
from bailee.governance.identity.passkeys import CHALLENGE_BYTES, Site
from bailee.governance.identity.passwords import check_new, verifier_of
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.second_factor import address, base32, new_secret, step_of
from bailee.governance.identity.sessions import USER
from bailee.kernel.errors import Forbidden, NotFound
from bailee.kernel.ids import TenantId, handle_text
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import HiddenStruct, Secret
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor, Role
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.offload import Offload
from bailee.ports.randomness import Randomness

PREFIX: Final = "enrol-"
_KIND: Final = "enrolment"
SECOND_FACTOR: Final = "second factor"
RECOVERY: Final = "recovery code"


class SecondFactorBegun(HiddenStruct, frozen=True):
    """An attempt: the secret that the person is shown before a code of it comes back."""

    second_factor: bytes
    digest: bytes
    """Of the enrolment's token."""
    until: Instant
    tries: int
    """How many codes may still be given."""


class PasskeyBegun(HiddenStruct, frozen=True):
    """An attempt: the challenge that a browser is to answer."""

    register: bytes
    digest: bytes


class ShownSecondFactor(NamedTuple):
    """What the person puts into their authenticator, this once."""

    attempt: str
    secret: Secret
    """In base 32."""
    address: Secret


class Enrolments:
    """Makes tokens, on behalf of one actor."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        vault: Vault,
        audit: Audit,
        actor: Actor,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._vault = vault
        self._audit = audit
        self._actor = actor

    async def make(self, tenant: TenantId, person: bytes) -> Secret:
        """Make a token for a person, in place of an earlier one; it can be used for three days.

        Raises:
            Forbidden, SignInAgain: as `people.administer`; as `roles.assign` for somebody with
                more than a developer's role.
            NotFound: there is no such person.
        """
        now = self._clock.now()
        own = self._actor.tenant == tenant and self._actor.identifier == handle_text(USER, person)
        if not own:
            require(self._actor, "people.administer", tenant, now)
        token = Secret(PREFIX.encode() + random_text(self._randomness))
        async with self._database.transaction(tenant) as transaction:
            roles = await repository.roles_of(transaction, person)
            if roles is None:
                raise NotFound("There is no such person. List the organisation's users.")
            if roles - {Role.DEVELOPER} and not own:
                require(self._actor, "roles.assign", tenant, now)
            await repository.add_enrolment(
                transaction,
                self._vault.digest(_KIND, token),
                tenant,
                person,
                self._actor.identifier,
                now,
                Instant(now + ENROLMENT_MS),
            )
            await _write(self._audit, transaction, "enrolment.created", tenant, person)
        return token


class Enrolling:
    """What the bearer of a token does with it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        vault: Vault,
        offload: Offload,
        site: Site,
        audit: Audit,
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._vault = vault
        self._offload = offload
        self._site = site
        self._audit = audit
        self._attempts = Attempts(database, clock, randomness, vault)

    async def enrolment(self, token: str) -> Enrolment:
        """For whom a token is. Raises EnrolmentRefused."""
        async with self._database.platform_reading() as transaction:
            found = await repository.enrolment(transaction, self._digest(token), self._clock.now())
        if found is None:
            raise EnrolmentRefused
        return found

    async def begin_password(self, token: str) -> ShownSecondFactor:
        """A new second factor to show. Raises EnrolmentRefused."""
        enrolment = await self.enrolment(token)
        secret, until = new_secret(self._randomness), Instant(self._clock.now() + ATTEMPT_MS)
        begun = SecondFactorBegun(bytes(secret), self._digest(token), until, CODE_TRIES)
        attempt = await self._attempts.begin(begun, until=until)
        return ShownSecondFactor(
            attempt,
            Secret(base32(secret).encode()),
            Secret(address(secret, enrolment.email, self._site.name).encode()),
        )

    async def set_password(
        self, token: str, attempt: str, password: str, code: str
    ) -> list[Secret]:
        """Set password and second factor; gives recovery codes, which are shown this once.

        Raises:
            CodeRefused: the code is wrong, and there are tries left.
            EnrolmentRefused: the token or the attempt is none that lasts, or this was the last try.
            InvalidInput: the password may not be set.
        """
        check_new(password)
        enrolment, now = await self.enrolment(token), self._clock.now()
        begun = await self._attempts.take(attempt, SecondFactorBegun)
        if begun is None or begun.digest != self._digest(token):
            raise EnrolmentRefused
        step = step_of(begun.second_factor, code.strip(), now)
        if step is None:
            raise await self._wrong_code(attempt, begun)
        verifier = await self._offload.run(lambda: verifier_of(password, self._randomness))
        person = enrolment.person
        row = Password(
            enrolment.tenant,
            person,
            Secret(verifier.encode()),
            self._vault.seal(SECOND_FACTOR, person, begun.second_factor),
        )
        codes = [recovery_code(self._randomness) for _ in range(RECOVERY_CODES)]
        async with self._database.transaction(enrolment.tenant) as transaction:
            await self._use(transaction, begun.digest)
            await repository.put_password(transaction, row, step, now)
            digests = [self._vault.digest(RECOVERY, code.encode()) for code in codes]
            await repository.put_recovery_codes(transaction, enrolment.tenant, person, digests)
            found = await repository.sessions_of(transaction, person)
            await repository.revoke_sessions(
                transaction, person, [session.public_id for session in found], now
            )
            await _write(self._audit, transaction, "enrolment.used", enrolment.tenant, person)
        return [Secret(code.encode()) for code in codes]

    async def _wrong_code(self, attempt: str, begun: SecondFactorBegun) -> Forbidden:
        """Put an attempt back, with a try less."""
        if begun.tries <= 1:
            return EnrolmentRefused()
        again = structs.replace(begun, tries=begun.tries - 1)
        await self._attempts.begin(again, attempt, begun.until)
        return CodeRefused()

    async def begin_passkey(self, token: str) -> tuple[str, dict[str, Any]]:
        """An attempt, and what a browser is asked to register. Raises EnrolmentRefused."""
        enrolment = await self.enrolment(token)
        challenge = self._randomness.random_bytes(CHALLENGE_BYTES)
        attempt = await self._attempts.begin(PasskeyBegun(challenge, self._digest(token)))
        return attempt, passkeys.registration_options(self._site, enrolment, challenge)

    async def register_passkey(self, token: str, attempt: str, credential: dict[str, Any]) -> None:
        """Register a passkey beside what the person has. Raises EnrolmentRefused, Conflict."""
        enrolment = await self.enrolment(token)
        begun = await self._attempts.take(attempt, PasskeyBegun)
        if begun is None or begun.digest != self._digest(token):
            raise EnrolmentRefused
        tenant, person = enrolment.tenant, enrolment.person
        made = passkeys.registered(self._site, tenant, person, begun.register, credential)
        if made is None:
            raise EnrolmentRefused
        async with self._database.transaction(tenant) as transaction:
            await self._use(transaction, begun.digest)
            await repository.add_passkey(transaction, made, self._clock.now())
            await _write(self._audit, transaction, "enrolment.used", tenant, person)

    async def _use(self, transaction: DatabaseTransaction, digest: bytes) -> None:
        if not await repository.use_enrolment(transaction, digest):
            raise EnrolmentRefused

    def _digest(self, token: str) -> bytes:
        return self._vault.digest(_KIND, token.encode("utf-8", "replace"))


async def _write(
    audit: Audit, transaction: DatabaseTransaction, kind: str, tenant: TenantId, person: bytes
) -> None:
    resource = handle_text(USER, person)
    await audit.write(transaction, AuditEvent(kind, tenant, resource, {"id": resource}))

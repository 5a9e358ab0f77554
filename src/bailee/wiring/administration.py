"""An organisation's administration in a gateway worker: from who asks to what they command.

The worker acts in the database as `administrator`, and before the keeper on the authority of the
admin key that it was shown, which the keeper verifies itself. A person's session is no authority
there: with one, the keeper is asked for what gateways may ask anyway.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.api.administration.cookies import SESSION_COOKIE, check_same_site
from bailee.api.administration.session import Administration, Public, Session
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness
from bailee.governance.administrators.errors import AdminKeyRefused
from bailee.governance.administrators.model import AdminKey
from bailee.governance.identity.errors import AdminKeyNeeded
from bailee.governance.identity.model import PREFIX, Bearer
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.sessions import USER, SessionKeys
from bailee.governance.tenancy.errors import CredentialRefused
from bailee.governance.tenancy.model import Limits
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.governance.usage.model import Price
from bailee.governance.webhooks.service import Webhooks
from bailee.kernel.errors import NotFound, Unavailable
from bailee.kernel.ids import (
    ProjectId,
    Region,
    ScopeKeyName,
    TenantId,
    handle_text,
    key_text,
    parse_tenant,
    tenant_text,
)
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import HOUSE_ROLES, OPERATOR, Actor, ActorKind, Role
from bailee.ports.clock import Clock
from bailee.ports.keeper import DestructionStatement, Keeper, ScopePublicKey, TrainingScope
from bailee.ports.rate_limit import RateLimit
from bailee.serving.bearer import bearer_credential
from bailee.serving.errors import Because, CallRefused
from bailee.serving.residency import Residency
from bailee.settings import Settings
from bailee.wiring.identity import Identity, open_identity
from bailee.wiring.nouns import Nouns
from bailee.wiring.residency import hosts_of
from bailee.wiring.webhooks import WebhookTerms, webhooks_of


class AuthorisedKeeper:
    """`ports.keeper.CredentialKeeper` on the authority of an admin key."""

    def __init__(self, keeper: Keeper, authority: bytes) -> None:
        self._keeper = keeper
        self._authority = Secret(authority)

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._keeper.create_scope(name)

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """See the port. It only takes away: the keeper asks for no authority."""
        return await self._keeper.destroy_training(scopes)

    async def register_credential(
        self, credential: bytes, tenant: bytes, project: ProjectId, expires_at: Instant | None
    ) -> None:
        """See the port."""
        await self._keeper.register_credential(
            credential, tenant, project, expires_at, self._authority
        )

    async def register_administrator(
        self, credential: bytes, tenant: bytes, expires_at: Instant | None
    ) -> None:
        """See the port."""
        await self._keeper.register_administrator(credential, tenant, expires_at, self._authority)

    async def revoke_credential(self, credential_id: bytes) -> None:
        """See the port."""
        await self._keeper.revoke_credential(credential_id, self._authority)


class KeeperWithoutAuthority:
    """`ports.keeper.CredentialKeeper` for a person's session: projects, and no keys."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._keeper.create_scope(name)

    async def destroy_training(self, scopes: list[TrainingScope]) -> list[DestructionStatement]:
        """See the port."""
        return await self._keeper.destroy_training(scopes)

    async def register_credential(self, *_: object, **__: object) -> None:
        """Refuse. Raises AdminKeyNeeded."""
        raise AdminKeyNeeded

    async def register_administrator(self, *_: object, **__: object) -> None:
        """Refuse. Raises AdminKeyNeeded."""
        raise AdminKeyNeeded

    async def revoke_credential(self, *_: object, **__: object) -> None:
        """Refuse. Raises AdminKeyNeeded."""
        raise AdminKeyNeeded


class AdministrationDesk:
    """Opens sessions for whoever shows an admin key, or is signed in."""

    def __init__(
        self,
        engine: AsyncEngine,
        keeper: Keeper,
        clock: Clock,
        pepper: Secret,
        snapshot: FactsSnapshot,
        settings: Settings,
        webhooks: WebhookTerms,
        residency: Residency,
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._clock = clock
        self._pepper = pepper
        self._snapshot = snapshot
        self._settings = settings
        self._webhooks = webhooks
        self._residency = residency
        randomness = SystemRandomness()
        self._session_keys = SessionKeys(
            PostgresDatabase(engine), clock, randomness, Vault(pepper, randomness)
        )

    def identity(self, settings: Settings, rate_limit: RateLimit) -> Identity:
        """What signs people in."""
        return open_identity(self._engine, self._clock, self._pepper, settings, rate_limit)

    async def open(self, request: Any) -> Session:
        """See `api.administration.session.Administration.open`."""
        authorization: str = request.headers.get("authorization") or ""
        if not authorization and request.cookies.get(SESSION_COOKIE):
            check_same_site(request)
            token = request.cookies[SESSION_COOKIE].encode("utf-8", "replace")
            return await self._open_for_person(request, token)
        shown = bearer_credential(authorization)
        if shown is None:
            raise CallRefused(
                Because.KEY_MISSING,
                "You didn't provide an admin API key. You need to provide it in an Authorization "
                "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        credential = shown.encode("utf-8", "replace")
        if credential.startswith(PREFIX.encode()):
            return await self._open_for_person(request, credential)
        keeper = AuthorisedKeeper(self._keeper, credential)
        stranger = self._nouns(keeper, OPERATOR)
        try:
            key = await stranger.administrators.authenticate(credential)
        except AdminKeyRefused:
            raise self._refusal(credential) from None
        organisation = request.headers.get("openai-organization")
        if organisation and organisation != tenant_text(key.tenant):
            raise _other_organisation("API key")
        actor = Actor(
            ActorKind.ADMIN_KEY, key_text(key.public_id), key.tenant, frozenset({Role.OWNER})
        )
        nouns = self._nouns(keeper, actor)
        return _session(nouns, key.tenant, self._clock.now(), self._webhooks_of(actor), key=key)

    async def _open_for_person(self, request: Any, token: bytes) -> Session:
        bearer = await self._session_keys.authenticate(token)
        session = bearer.session
        actor = Actor(
            ActorKind.PERSON,
            handle_text(USER, session.person),
            session.tenant,
            bearer.roles,
            session.signed_in_at,
        )
        keeper = KeeperWithoutAuthority(self._keeper)
        nouns = self._nouns(keeper, actor)
        tenant = session.tenant
        asked = request.headers.get("openai-organization")
        if asked and asked != tenant_text(tenant):
            tenant = await _chosen(nouns, bearer, asked)
        return _session(nouns, tenant, self._clock.now(), self._webhooks_of(actor), bearer=bearer)

    def _webhooks_of(self, actor: Actor) -> Webhooks:
        return webhooks_of(PostgresDatabase(self._engine), self._clock, actor, self._webhooks)

    def public(self) -> Public:
        """What anybody may read, without a key."""
        nouns = self._nouns(KeeperWithoutAuthority(self._keeper), OPERATOR)
        return Public(nouns.policy_drafts, nouns.services)

    def now(self) -> Instant:
        """The present instant."""
        return self._clock.now()

    def _nouns(self, keeper: AuthorisedKeeper | KeeperWithoutAuthority, actor: Actor) -> Nouns:
        return Nouns(self._engine, keeper, self._clock, self._pepper, actor, self._settings)

    def _refusal(self, credential: bytes) -> CallRefused:
        """Raises CallRefused (WRONG_REGION) for a key of another region."""
        try:
            self._snapshot.authenticate(credential, self._clock.now())
        except (CredentialRefused, Unavailable):
            self._residency.check_unknown(credential.decode("ascii", "replace"))
            return CallRefused(
                Because.KEY_UNKNOWN,
                "Incorrect API key provided. An organisation's administration wants an admin key: "
                "the operator makes the first with `bailee admin bootstrap`.",
            )
        return CallRefused(
            Because.KEY_OTHER_KIND,
            "You have insufficient permissions for this operation. Missing scopes: "
            "api.management. A project's API key cannot administer; use an admin key.",
        )


async def _chosen(nouns: Nouns, bearer: Bearer, asked: str) -> TenantId:
    """Another organisation than one's own. Raises CallRefused unless a house role is held."""
    try:
        tenant = parse_tenant(asked)
        if bearer.roles & HOUSE_ROLES:
            return (await nouns.projects.organisation(tenant)).tenant
    except (ValueError, NotFound):
        pass
    raise _other_organisation("session")


def _session(
    nouns: Nouns,
    tenant: TenantId,
    now: Instant,
    webhooks: Webhooks,
    key: AdminKey | None = None,
    bearer: Bearer | None = None,
) -> Session:
    return Session(
        tenant=tenant,
        actor=nouns.actor,
        key=key,
        bearer=bearer,
        now=now,
        tenancy=nouns.tenancy,
        projects=nouns.projects,
        service_accounts=nouns.service_accounts,
        administrators=nouns.administrators,
        people=nouns.people,
        person_sessions=nouns.person_sessions,
        enrolments=nouns.enrolments,
        roles=nouns.roles,
        audit_log=nouns.audit_log,
        usage=nouns.usage,
        spend_alerts=nouns.spend_alerts,
        certificates=nouns.certificates,
        consents=nouns.consents,
        policy_drafts=nouns.policy_drafts,
        services=nouns.services,
        agreements=nouns.agreements,
        agreement_versions=nouns.agreement_versions,
        protection=nouns.protection,
        zero_retention=nouns.zero_retention,
        webhooks=webhooks,
    )


def _other_organisation(what: str) -> CallRefused:
    return CallRefused(
        Because.ORGANISATION_MISMATCH,
        f"OpenAI-Organization header should match organization for {what}.",
    )


def administration_of(
    desk: AdministrationDesk, settings: Settings, models: tuple[str, ...], rate_limit: RateLimit
) -> Administration:
    """What the API is given."""
    limits = settings.limits
    identity = desk.identity(settings, rate_limit)
    return Administration(
        open=desk.open,
        public=desk.public,
        now=desk.now,
        models=models,
        region=Region(settings.region),
        hosts=hosts_of(settings),
        default_limits=Limits(limits.project_requests_per_minute, limits.project_tokens_per_minute),
        prices={
            model: Price(price.input_usd, price.output_usd)
            for model, price in settings.prices.items()
        },
        asks_for_certificates=settings.server.client_certificate_port != 0,
        sign_in=identity.sign_in,
        enrolling=identity.enrolling,
        session_keys=identity.session_keys,
        origin=identity.origin,
        provider_name=identity.provider_name,
    )

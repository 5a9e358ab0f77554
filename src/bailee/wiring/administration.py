"""An organisation's administration in a gateway worker: from an admin key to what it commands.

The worker acts in the database as `administrator`, and before the keeper on the authority of the
key that it was shown, which the keeper verifies itself.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.api.administration.session import Administration, Public, Session
from bailee.governance.administrators.errors import AdminKeyRefused
from bailee.governance.tenancy.errors import CredentialRefused
from bailee.governance.tenancy.model import Limits
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.governance.usage.model import Price
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import ProjectId, Region, ScopeKeyName, key_text, tenant_text
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import OPERATOR, Actor, ActorKind, Role
from bailee.ports.clock import Clock
from bailee.ports.keeper import CredentialKeeper, Keeper, ScopePublicKey
from bailee.serving.bearer import bearer_credential
from bailee.serving.errors import Because, CallRefused
from bailee.settings import Settings
from bailee.wiring.nouns import Nouns


class AuthorisedKeeper:
    """`ports.keeper.CredentialKeeper` on the authority of an admin key."""

    def __init__(self, keeper: Keeper, authority: bytes) -> None:
        self._keeper = keeper
        self._authority = Secret(authority)

    async def create_scope(self, name: ScopeKeyName) -> ScopePublicKey:
        """See the port."""
        return await self._keeper.create_scope(name)

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


class AdministrationDesk:
    """Opens sessions for whoever shows an admin key."""

    def __init__(
        self,
        engine: AsyncEngine,
        keeper: Keeper,
        clock: Clock,
        pepper: Secret,
        snapshot: FactsSnapshot,
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._clock = clock
        self._pepper = pepper
        self._snapshot = snapshot

    async def open(self, request: Any) -> Session:
        """See `api.administration.session.Administration.open`."""
        shown = bearer_credential(request.headers.get("authorization"))
        if shown is None:
            raise CallRefused(
                Because.KEY_MISSING,
                "You didn't provide an admin API key. You need to provide it in an Authorization "
                "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        credential = shown.encode("utf-8", "replace")
        keeper = AuthorisedKeeper(self._keeper, credential)
        stranger = self._nouns(keeper, OPERATOR)
        try:
            key = await stranger.administrators.authenticate(credential)
        except AdminKeyRefused:
            raise self._refusal(credential) from None
        organisation = request.headers.get("openai-organization")
        if organisation and organisation != tenant_text(key.tenant):
            raise CallRefused(
                Because.ORGANISATION_MISMATCH,
                "OpenAI-Organization header should match organization for API key.",
            )
        actor = Actor(
            ActorKind.ADMIN_KEY, key_text(key.public_id), key.tenant, frozenset({Role.OWNER})
        )
        nouns = self._nouns(keeper, actor)
        return Session(
            tenant=key.tenant,
            actor=actor,
            key=key,
            now=self._clock.now(),
            tenancy=nouns.tenancy,
            projects=nouns.projects,
            service_accounts=nouns.service_accounts,
            administrators=nouns.administrators,
            people=nouns.people,
            roles=nouns.roles,
            audit_log=nouns.audit_log,
            usage=nouns.usage,
            spend_alerts=nouns.spend_alerts,
            certificates=nouns.certificates,
            policy_drafts=nouns.policy_drafts,
            services=nouns.services,
        )

    def public(self) -> Public:
        """What anybody may read, without a key."""
        nouns = self._nouns(self._keeper, OPERATOR)
        return Public(nouns.policy_drafts, nouns.services)

    def now(self) -> Instant:
        """The present instant."""
        return self._clock.now()

    def _nouns(self, keeper: CredentialKeeper, actor: Actor) -> Nouns:
        grace_ms = self._snapshot.grace_ms
        return Nouns(self._engine, keeper, self._clock, self._pepper, actor, grace_ms=grace_ms)

    def _refusal(self, credential: bytes) -> CallRefused:
        try:
            self._snapshot.authenticate(credential, self._clock.now())
        except (CredentialRefused, Unavailable):
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


def administration_of(
    desk: AdministrationDesk, settings: Settings, models: tuple[str, ...]
) -> Administration:
    """What the API is given."""
    limits = settings.limits
    return Administration(
        open=desk.open,
        public=desk.public,
        now=desk.now,
        models=models,
        region=Region(settings.region),
        default_limits=Limits(limits.project_requests_per_minute, limits.project_tokens_per_minute),
        prices={
            model: Price(price.input_usd, price.output_usd)
            for model, price in settings.prices.items()
        },
        asks_for_certificates=settings.server.client_certificate_port != 0,
    )

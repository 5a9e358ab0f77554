"""What signs people in, as a gateway worker has it."""

from pathlib import Path
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.api.pages import OPENID_RETURN
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness, ThreadOffload
from bailee.governance.audit.model import OPERATOR
from bailee.governance.audit.service import AuditTrail
from bailee.governance.identity.enrolment import Enrolling
from bailee.governance.identity.passkeys import Site
from bailee.governance.identity.sealing import Vault
from bailee.governance.identity.sessions import SessionKeys
from bailee.governance.identity.sign_in import SignIn
from bailee.governance.people.service import People
from bailee.kernel.ids import TenantId
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import OPERATOR as OPERATOR_ACTOR
from bailee.ports.clock import Clock
from bailee.ports.rate_limit import RateLimit
from bailee.settings import Settings

_THREADS = 2
"""Passwords that are checked at once: each takes 19 MiB for the time."""


class Identity(NamedTuple):
    """What the API is given."""

    sign_in: SignIn
    enrolling: Enrolling
    session_keys: SessionKeys
    origin: str
    provider_name: str


def origin_of(settings: Settings, announced: Path | None = None) -> str:
    """Where people reach the sign-in page.

    `announced` is the file in which a running installation says where it serves, for whoever does
    not know how it was started.
    """
    origin = settings.sign_in.origin
    if not origin and announced is not None and announced.exists():
        origin = announced.read_text().strip()
    return origin or f"https://localhost:{settings.server.port}"


def open_identity(
    engine: AsyncEngine, clock: Clock, pepper: Secret, settings: Settings, rate_limit: RateLimit
) -> Identity:
    """Everything, for one gateway worker."""
    database, randomness = PostgresDatabase(engine), SystemRandomness()
    vault, offload = Vault(pepper, randomness), ThreadOffload(_THREADS)
    site, openid = Site(origin_of(settings)), settings.sign_in.openid
    people = People(
        database, clock, randomness, AuditTrail(OPERATOR, clock, randomness), OPERATOR_ACTOR
    )

    async def welcome(email: str, name: str, tenant: TenantId | None) -> None:
        await people.welcome(email, name, tenant)

    provider = None
    if openid.issuer:
        from bailee.drivers.openid import OpenIdProvider

        secret = Secret(openid.client_secret.reveal().encode())
        redirect = f"{site.origin}{OPENID_RETURN}"
        provider = OpenIdProvider(openid.issuer, openid.client_id, secret, redirect, clock, offload)
    return Identity(
        SignIn(
            *(database, clock, randomness, vault, offload, rate_limit, site),
            lambda actor: AuditTrail(actor, clock, randomness),
            provider,
            welcome,
        ),
        Enrolling(
            *(database, clock, randomness, vault, offload, site),
            AuditTrail(OPERATOR, clock, randomness),
        ),
        SessionKeys(database, clock, randomness, vault),
        site.origin,
        openid.name if openid.issuer else "",
    )

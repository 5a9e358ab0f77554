"""An installation opened by an operator on its machine, in the administrator's role."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.custody.reading import Reading
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import check_schema, open_engine, server_version
from bailee.drivers.postgres.ledger import PostgresLedger
from bailee.drivers.system import SystemClock, ThreadOffload
from bailee.governance.policy_drafts.published import PolicyInForce
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.governance.tenancy.model import ApiKey, Limits, Status
from bailee.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable, UnknownKey
from bailee.kernel.ids import (
    Region,
    TenantId,
    parse_key,
    parse_project,
    parse_tenant,
    project_text,
    tenant_text,
)
from bailee.kernel.instants import (
    DAY_MS,
    Instant,
    to_rfc3339,
)
from bailee.policy.access.model import OPERATOR
from bailee.policy.history import PolicyHistory
from bailee.policy.model import RetentionMode
from bailee.policy.residency import MOVING_REFUSED
from bailee.ports.clock import Clock
from bailee.ports.database import Database
from bailee.ports.ledger import Ledger
from bailee.schema.roles import ADMINISTRATOR, CLERK
from bailee.settings import Settings
from bailee.wiring import organisations
from bailee.wiring.backends import open_backend, problem_of, terms_of
from bailee.wiring.database import database_url
from bailee.wiring.gateway_health import ask_health
from bailee.wiring.identity import origin_of
from bailee.wiring.inspecting import inspect_kept
from bailee.wiring.inspecting_records import inspect_epoch, inspect_keyring, inspect_record
from bailee.wiring.nouns import Nouns
from bailee.wiring.operating_people import accept_invite, enrol
from bailee.wiring.places import Places
from bailee.wiring.processes import open_clock
from bailee.wiring.secrets import PEPPER, read_secret, token_name, write_private
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import read_trust, region_of

Row = Mapping[str, Any]
_NOT_SERVED: Final = "the gateways do not know it yet; start the installation again"


class OpenInstallation:
    """See `cli.administration.Administration`."""

    def __init__(
        self,
        settings: Settings,
        nouns: Nouns,
        keeper: KeeperClient,
        ledger: Ledger,
        reading: Reading,
        clock: Clock,
        database: Database,
    ) -> None:
        self._settings = settings
        self.tenancy = nouns.tenancy
        self._nouns = nouns
        self._keeper = keeper
        self._ledger = ledger
        self._reading = reading
        self._clock = clock
        self.database = database

    async def create_key(
        self, *, project: str | None, name: str, expires_in_days: int | None
    ) -> Row:
        """Make an API key for a project, by default the demo project."""
        region = Region(self._settings.region)
        if project is None:
            demo = await self.tenancy.ensure_demo(region)
            tenant, owner = demo.project.tenant, demo.project.project
        else:
            try:
                owner = parse_project(project)
            except ValueError as error:
                raise InvalidInput(str(error), field="project") from None
            tenant = await self._tenant_of(project)
        expires_at = None
        if expires_in_days is not None:
            expires_at = Instant(self._clock.now() + expires_in_days * DAY_MS)
        created = await self.tenancy.create_key(tenant, owner, name, expires_at=expires_at)
        return {"key": created.credential.decode(), **_key_row(created.key)}

    async def create_project(self, *, organisation: str, name: str) -> Row:
        """Make a project, and its organisation if there is none of that name."""
        known = {found.name: found for found in await self.tenancy.organisations()}
        owner = known.get(organisation) or await self.tenancy.create_organisation(organisation)
        made = await self.tenancy.create_project(owner.tenant, name, Region(self._settings.region))
        return {
            "id": project_text(made.project),
            "name": made.name,
            "organisation": tenant_text(made.tenant),
            "region": made.region,
        }

    async def list_projects(self) -> list[Row]:
        """Every project with its organisation."""
        return [
            {
                "id": project_text(project.project),
                "name": project.name,
                "organisation": tenant_text(organisation.tenant),
                "organisation_name": organisation.name,
                "region": project.region,
                "retention": (project.retention_mode or organisation.retention_mode).value,
                "status": project.status.value,
            }
            for organisation in await self.tenancy.organisations()
            for project in await self.tenancy.projects(organisation.tenant)
        ]

    async def set_project(
        self,
        project: str,
        *,
        retention: str | None = None,
        store: str | None = None,
        status: str | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        model: str | None = None,
        region: str | None = None,
    ) -> Row:
        """Change what is given of a project, each by a command of its own.

        Raises InvalidInput for another region.
        """
        tenant, identifier = await self._tenant_of(project), parse_project(project)
        projects = self._nouns.projects
        if region is not None and region != (await projects.project(tenant, identifier)).region:
            raise InvalidInput(MOVING_REFUSED, field="region")
        if retention is not None:
            mode = None if retention == "organization_default" else RetentionMode(retention)
            await self._nouns.operators_retention.set_mode(tenant, identifier, mode)
        found = await projects.project(tenant, identifier)
        if store is not None:
            found = await projects.set_retention(
                tenant, identifier, found.retention_mode, reject_store=store == "reject"
            )
        if requests_per_minute is not None or tokens_per_minute is not None:
            before = found.model_limits.get(model, Limits()) if model else found.limits
            limits = Limits(
                before[0] if requests_per_minute is None else requests_per_minute,
                before[1] if tokens_per_minute is None else tokens_per_minute,
            )
            found = await projects.set_limits(tenant, identifier, limits, model)
        if status == Status.ARCHIVED.value:
            found = await projects.archive(tenant, identifier)
        elif status is not None:
            found = await projects.set_status(tenant, identifier, Status(status))
        organisation = await projects.organisation(tenant)
        return {
            "id": project,
            "name": found.name,
            "organisation": tenant_text(tenant),
            "retention": (found.retention_mode or organisation.retention_mode).value,
            "retention_inherited": found.retention_mode is None,
            "store": "reject" if found.reject_store else "coerce",
            "status": found.status.value,
            "requests_per_minute": found.limits.requests_per_minute,
            "tokens_per_minute": found.limits.tokens_per_minute,
            "models": {name: limits._asdict() for name, limits in found.model_limits.items()},
        }

    async def set_organisation(self, organisation: str, *, retention: str) -> Row:
        """Set what holds for an organisation's projects without a mode of their own."""
        tenant = await self._tenant_named(organisation)
        return await organisations.set_retention(self._nouns, tenant, retention)

    async def verify_domain(self, organisation: str, domain: str) -> Row:
        """Note that a domain is an organisation's, on the operator's word."""
        tenant = await self._tenant_named(organisation)
        return await organisations.verify_domain(self._nouns, tenant, domain)

    async def bootstrap_admin(self, *, organisation: str | None, name: str) -> Row:
        """Make an organisation's first admin key."""
        if organisation is None:
            demo = await self.tenancy.ensure_demo(Region(self._settings.region))
            if demo.created is not None:
                places = Places(self._settings.data_folder.absolute())
                write_private(places.demo_key, demo.created.credential)
            tenant = demo.organisation.tenant
        else:
            tenant = await self._tenant_named(organisation)
        made = await self._nouns.administrators.bootstrap(tenant, name)
        return {
            "key": made.credential.decode(),
            "id": made.key.public_id,
            "name": made.key.name,
            "organisation": tenant_text(tenant),
        }

    async def list_admin_keys(self) -> list[Row]:
        """Every admin key that is active."""
        return [
            {
                "id": key.public_id,
                "name": key.name,
                "organisation": tenant_text(key.tenant),
                "organisation_name": organisation.name,
                "created_at": to_rfc3339(key.created_at),
                "last_used_at": key.last_used_at and to_rfc3339(key.last_used_at),
            }
            for organisation in await self.tenancy.organisations()
            for key in await self._nouns.administrators.keys(organisation.tenant)
        ]

    async def revoke_admin_key(self, key_id: str) -> Row:
        """Revoke by public id."""
        for row in await self.list_admin_keys():
            if row["id"] == key_id.removeprefix("key_"):
                tenant = parse_tenant(row["organisation"])
                await self._nouns.administrators.revoke(tenant, parse_key(key_id))
                return row
        raise NotFound("there is no such admin key; `bailee admin list` shows them")

    async def accept_invite(self, invite: str, name: str) -> Row:
        """Make an invited person one of the organisation's, and let them enrol."""
        return await accept_invite(self._nouns, self._origin(), invite, name)

    async def enrol(self, person: str) -> Row:
        """Let a person of any organisation set anew what they sign in with."""
        return await enrol(self._nouns, self._origin(), person)

    def _origin(self) -> str:
        return origin_of(self._settings, Places(self._settings.data_folder.absolute()).address)

    async def policies(self) -> PolicyHistory:
        """Every version, as gateway workers have them."""
        return await PolicyInForce().present(self.database)

    async def house(self, organisation: str | None) -> Row:
        """The operator's own organisation."""
        if organisation is not None:
            await self._nouns.roles.set_house(await self._tenant_named(organisation))
        house = await self._nouns.roles.house()
        names = {known.tenant: known.name for known in await self.tenancy.organisations()}
        return {
            "organisation": None if house is None else tenant_text(house),
            "name": None if house is None else names[house],
        }

    async def overdue_roles(self) -> int:
        """Of every organisation."""
        return sum((await self._nouns.roles.overdue()).values())

    async def settle(self) -> None:
        """Finish what a crash left half done of keys."""
        await self.tenancy.settle()
        await self._nouns.administrators.settle()
        await self._nouns.policy_drafts.settle()

    async def list_keys(self) -> list[Row]:
        """Every key."""
        return [_key_row(key) for key in await self.tenancy.all_keys()]

    async def revoke_key(self, key_id: str) -> Row:
        """Revoke by public id."""
        tenant = await self.tenancy.tenant_of_key(key_id)
        return _key_row(await self.tenancy.revoke_key(tenant, key_id))

    async def set_credential(self, name: str, value: bytes) -> None:
        """Store a backend's credential in the keyring."""
        await self._keeper.store_secret(name, value)

    async def check_backends(self) -> list[Row]:
        """Whether each configured backend answers; gateways say so of those with a credential."""

        async def unread(name: str) -> bytes:
            raise UnknownKey(f"the credential {name} is read by gateways alone")

        said: Mapping[str, str | None] = {}
        if any(configured.credential is not None for configured in self._settings.backends):
            said = await asyncio.to_thread(
                ask_health, Places(self._settings.data_folder.absolute())
            )
        rows: list[Row] = []
        for configured in self._settings.backends:
            if configured.credential is not None:
                problem = said.get(f"backend {configured.name}", _NOT_SERVED)
            else:
                backend = open_backend(configured, unread)
                problem = await problem_of(backend)
                await backend.close()
            rows.append(
                {
                    "name": configured.name,
                    "base_url": configured.base_url,
                    "models": dict(configured.models),
                    "terms": terms_of(configured.terms)._asdict(),
                    "ok": problem is None,
                    "problem": problem,
                }
            )
        return rows

    async def inspect_record(self, record: str) -> Row:
        """What is held of a record; never content."""
        return await inspect_record(
            self._reading, await self._nouns.policy_drafts.policies(), record
        )

    async def inspect_kept(self, name: str) -> Row:
        """What is held of a thing that a project keeps; never content."""
        return await inspect_kept(self.database, name)

    async def inspect_epoch(self, epoch: str) -> list[Row]:
        """One half hour's keys and what is sealed to them."""
        return await inspect_epoch(self._ledger, Region(self._settings.region), epoch)

    async def inspect_keyring(self) -> Row:
        """The keyring by name."""
        return await inspect_keyring(self._keeper)

    async def _tenant_named(self, organisation: str) -> TenantId:
        """By identifier or by name."""
        found = [
            known.tenant
            for known in await self.tenancy.organisations()
            if organisation in (known.name, tenant_text(known.tenant))
        ]
        if len(found) > 1:
            raise Conflict("several organisations have this name; give its identifier (org_…)")
        if not found:
            raise NotFound("there is no such organisation; `bailee projects list` shows them")
        return found[0]

    async def _tenant_of(self, project: str) -> Any:
        for row in await self.list_projects():
            if row["id"] == project:
                return parse_tenant(row["organisation"])
        raise NotFound("there is no such project; `bailee projects list` shows them")


async def _check_there(settings: Settings, engine: AsyncEngine) -> None:
    try:
        await check_schema(engine)
    except Unavailable:
        if settings.database.url.reveal():
            raise
        raise Unavailable(
            f"the installation in {settings.data_folder} does not run, or its database is only"
            " starting: run `bailee serve`, and this command beside it"
        ) from None


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[OpenInstallation]:
    """Open an installation that is running."""
    places = Places(settings.data_folder.absolute())
    trust = read_trust(places)
    region_of(settings, trust)
    clock, real_clock = open_clock(places), SystemClock()
    token = read_secret(places.secrets, token_name("administrator"), {})
    keeper = KeeperClient(places.keeper_socket, "administrator", token, real_clock)
    engine = open_engine(database_url(settings, places, ADMINISTRATOR), ADMINISTRATOR)
    clerk_engine = open_engine(database_url(settings, places, CLERK), CLERK)
    try:
        await _check_there(settings, engine)
        ledger = PostgresLedger(clerk_engine)
        yield OpenInstallation(
            settings,
            Nouns(
                *(engine, keeper, clock, read_secret(places.secrets, PEPPER, {}), OPERATOR),
                settings,
            ),
            keeper,
            ledger,
            Reading(
                LocalFiles(places.data),
                ThreadOffload(2),
                objects_of(settings, places),
                ledger,
                node=trust.node,
                regions=(Region(settings.region),),
            ),
            clock,
            PostgresDatabase(engine),
        )
    finally:
        await keeper.close()
        await engine.dispose()
        await clerk_engine.dispose()


async def first_start(settings: Settings) -> str | None:
    """See `cli.administration.Wiring`."""
    places = Places(settings.data_folder.absolute())
    async with administration(settings) as installation:
        await installation.settle()
        demo = await installation.tenancy.ensure_demo(Region(settings.region))
        if demo.created is None:
            return None
        write_private(places.demo_key, demo.created.credential)
        # Whoever is shown the key may use it: every gateway worker knows it by then.
        everywhere = Acknowledgements(installation.database, SystemClock()).everywhere
        await everywhere(round(1000 * settings.snapshot.grace_s))
        return demo.created.credential.decode()


def probe_database(settings: Settings) -> str:
    """See `cli.administration.Wiring`."""
    places = Places(settings.data_folder.absolute())

    async def run() -> str:
        engine = open_engine(database_url(settings, places, ADMINISTRATOR), ADMINISTRATOR)
        try:
            await check_schema(engine)
            return f"PostgreSQL {await server_version(engine)}"
        finally:
            await engine.dispose()

    return asyncio.run(run())


def _key_row(key: ApiKey) -> dict[str, Any]:
    def shown(instant: Instant | None) -> str | None:
        return None if instant is None else to_rfc3339(instant)

    return {
        "id": key.public_id,
        "name": key.name,
        "project": project_text(key.project),
        "created_at": shown(key.created_at),
        "expires_at": shown(key.expires_at),
        "last_used_at": shown(key.last_used_at),
        "revoked_at": shown(key.revoked_at),
    }

"""Admin keys: made once as first, refused when they should be, and what a crash leaves."""

from typing import cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.postgres import FreshDatabase
from tests.unit.governance.conftest import PEPPER, Installation

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemRandomness
from bailee.governance.administrators.errors import AdminKeyRefused
from bailee.governance.administrators.model import is_admin_key
from bailee.governance.administrators.service import PENDING_MAX_MS, Administrators
from bailee.governance.audit.model import Wanted
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable
from bailee.kernel.ids import Region, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.keeper import CredentialKeeper

NOW = Instant(1_795_419_000_000)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def administrators(
    installation: Installation, administrator_engine: AsyncEngine, clock: ManualClock
) -> Administrators:
    return Administrators(
        PostgresDatabase(administrator_engine),
        cast("CredentialKeeper", installation.keeper),
        clock,
        SystemRandomness(),
        PEPPER,
        AuditTrail("operator", clock, SystemRandomness()),
        Region("us"),
    )


@pytest.fixture
async def tenant(installation: Installation) -> TenantId:
    return (await installation.tenancy.create_organisation("Acme")).tenant


async def test_the_first_key_is_made_once(administrators: Administrators, tenant: TenantId) -> None:
    first = await administrators.bootstrap(tenant, "first")
    assert is_admin_key(first.credential)
    with pytest.raises(Conflict):
        await administrators.bootstrap(tenant, "again")
    await administrators.revoke(tenant, first.key.public_id)
    assert await administrators.keys(tenant) == []
    await administrators.bootstrap(tenant, "again")
    with pytest.raises(NotFound):
        await administrators.bootstrap(TenantId(bytes(16)), "nobody")
    with pytest.raises(InvalidInput):
        await administrators.create(tenant, "")


async def test_who_is_let_in(
    administrators: Administrators, tenant: TenantId, clock: ManualClock
) -> None:
    made = await administrators.create(tenant, "short", Instant(NOW + 1000))
    assert (await administrators.authenticate(made.credential)).tenant == tenant
    assert (await administrators.key(tenant, made.key.public_id)).last_used_at == NOW
    for wrong in (b"", b"sk-admin-", made.credential[:-1], made.credential[:-1] + b"~"):
        with pytest.raises(AdminKeyRefused):
            await administrators.authenticate(wrong)
    clock.advance(1000)
    with pytest.raises(AdminKeyRefused):
        await administrators.authenticate(made.credential)


async def test_another_organisations_key_is_not_found(
    administrators: Administrators, tenant: TenantId, installation: Installation
) -> None:
    made = await administrators.create(tenant, "one")
    other = (await installation.tenancy.create_organisation("Other")).tenant
    with pytest.raises(NotFound):
        await administrators.revoke(other, made.key.public_id)
    assert await administrators.keys(other) == []
    await administrators.authenticate(made.credential)


async def test_a_key_that_the_keeper_did_not_take_is_nothing(
    administrators: Administrators, tenant: TenantId, installation: Installation
) -> None:
    installation.keeper.away = "register_administrator"
    with pytest.raises(Unavailable):
        await administrators.bootstrap(tenant, "first")
    assert await administrators.keys(tenant) == []
    installation.keeper.away = ""
    assert await administrators.settle() == 1
    assert await administrators.settle() == 0
    await administrators.bootstrap(tenant, "first")


async def test_a_revocation_that_missed_the_keeper_is_settled(
    administrators: Administrators, tenant: TenantId, installation: Installation
) -> None:
    made = await administrators.create(tenant, "one")
    installation.keeper.away = "revoke_credential"
    with pytest.raises(Unavailable):
        await administrators.revoke(tenant, made.key.public_id)
    with pytest.raises(AdminKeyRefused):
        await administrators.authenticate(made.credential)
    installation.keeper.away = ""
    assert await administrators.settle() == 1
    assert installation.keeper.revoked == {b"admin-" + made.key.public_id.encode()}


async def test_an_abandoned_pending_key_lets_nobody_in_and_is_settled(
    administrators: Administrators,
    tenant: TenantId,
    clock: ManualClock,
    postgres_database: FreshDatabase,
) -> None:
    made = await administrators.create(tenant, "one")
    await postgres_database.as_owner("UPDATE admin_api_keys SET registered_at = NULL")
    with pytest.raises(AdminKeyRefused):
        await administrators.authenticate(made.credential)
    assert await administrators.settle() == 0
    clock.advance(PENDING_MAX_MS + 1)
    assert await administrators.settle() == 1


async def test_each_command_and_its_event_are_one(
    administrators: Administrators,
    tenant: TenantId,
    installation: Installation,
    postgres_database: FreshDatabase,
) -> None:
    made = await administrators.create(tenant, "one")
    log = AuditLog(installation.database)
    (event,) = await log.events(tenant, Wanted(), 10)
    assert (event.type, event.details["id"]) == ("api_key.created", f"key_{made.key.public_id}")
    await postgres_database.as_owner("ALTER TABLE audit_events RENAME TO gone")
    with pytest.raises(Unavailable):
        await administrators.revoke(tenant, made.key.public_id)
    await postgres_database.as_owner("ALTER TABLE gone RENAME TO audit_events")
    assert len(await administrators.keys(tenant)) == 1
    await administrators.revoke(tenant, made.key.public_id)
    await administrators.revoke(tenant, made.key.public_id)
    events = await log.events(tenant, Wanted(), 10)
    assert [event.type for event in events] == ["api_key.deleted", "api_key.created"]


async def test_no_role_that_serves_changes_the_audit_log(
    administrators: Administrators, tenant: TenantId, installation: Installation
) -> None:
    await administrators.create(tenant, "one")
    for statement in ("DELETE FROM audit_events", "UPDATE audit_events SET actor = 'nobody'"):
        with pytest.raises(Exception, match="may not do that"):
            async with installation.database.transaction(tenant) as transaction:
                await transaction.rows(statement)

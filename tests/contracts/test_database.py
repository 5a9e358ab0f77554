"""The port `Database`: all or nothing, and never another organisation's rows."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.outbox import PostgresOutbox
from bailee.governance.tenancy import repository
from bailee.governance.tenancy.model import Limits, Organisation, Project, Status
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode

ONE, TWO = TenantId(b"1" * 16), TenantId(b"2" * 16)
SALTS = {ONE: b"salt one" * 4, TWO: b"salt two" * 4}


def organisation(tenant: TenantId) -> Organisation:
    return Organisation(tenant, "An organisation", Status.ACTIVE, Instant(1))


def project(tenant: TenantId, name: str = "p", number: int = 0) -> Project:
    return Project(
        ProjectId(tenant[:15] + bytes((number,))),
        tenant,
        name,
        Region("us"),
        RetentionMode.DEFAULT,
        0,
        Status.ACTIVE,
        Limits(),
        Instant(1),
    )


@pytest.fixture
async def filled(administrator_engine: AsyncEngine) -> PostgresDatabase:
    """Two organisations with a project each."""
    database = PostgresDatabase(administrator_engine)
    for tenant in (ONE, TWO):
        async with database.transaction(tenant) as transaction:
            assert await repository.add_organisation(
                transaction, organisation(tenant), SALTS[tenant]
            )
            assert await repository.add_project(transaction, project(tenant))
    return database


@pytest.mark.parametrize("table", ["organisations", "projects", "api_keys"])
async def test_forgotten_filter_gives_one_organisations_rows_or_none(
    filled: PostgresDatabase, table: str
) -> None:
    statements = {
        "organisations": "SELECT tenant FROM organisations",
        "projects": "SELECT tenant FROM projects",
        "api_keys": "SELECT tenant FROM api_keys",
    }
    async with filled.transaction(None) as transaction:
        assert await transaction.rows(statements[table]) == []
    async with filled.transaction(ONE) as transaction:
        seen = {row.tenant for row in await transaction.rows(statements[table])}
        assert seen == (set() if table == "api_keys" else {ONE})


async def test_forgotten_filter_changes_one_organisations_rows(filled: PostgresDatabase) -> None:
    async with filled.transaction(ONE) as transaction:
        await transaction.rows("UPDATE projects SET status = 'suspended'")
    async with filled.platform_reading() as transaction:
        states = {row.tenant: row.status for row in await repository.projects(transaction)}
    assert states == {ONE: Status.SUSPENDED, TWO: Status.ACTIVE}


async def test_rows_of_another_organisation_cannot_be_added(filled: PostgresDatabase) -> None:
    for tenant in (TWO, None):
        with pytest.raises(Forbidden):
            async with filled.transaction(tenant) as transaction:
                await repository.add_project(transaction, project(ONE, "another", 1))
    async with filled.transaction(ONE) as transaction:
        assert len(await repository.projects(transaction)) == 1


async def test_rows_cannot_be_moved_to_another_organisation(filled: PostgresDatabase) -> None:
    with pytest.raises(Forbidden):
        async with filled.transaction(ONE) as transaction:
            await transaction.rows("UPDATE projects SET tenant = :other", other=TWO)


async def test_organisation_of_one_transaction_is_unknown_to_the_next(
    filled: PostgresDatabase,
) -> None:
    """The engine's connections are used again and again: nothing is left on them."""
    for _ in range(20):
        async with filled.transaction(ONE) as transaction:
            assert len(await repository.projects(transaction)) == 1
        async with filled.platform_reading() as transaction:
            assert len(await repository.projects(transaction)) == 2
        async with filled.transaction(None) as transaction:
            assert await repository.projects(transaction) == []


async def test_platform_reading_cannot_write(filled: PostgresDatabase) -> None:
    with pytest.raises(Forbidden):
        async with filled.platform_reading() as transaction:
            await transaction.rows("UPDATE projects SET status = 'suspended'")


async def test_gateway_and_clerk_cannot_change_organisations(
    filled: PostgresDatabase, gateway_engine: AsyncEngine, clerk_engine: AsyncEngine
) -> None:
    for engine in (gateway_engine, clerk_engine):
        with pytest.raises(Forbidden):
            async with PostgresDatabase(engine).transaction(ONE) as transaction:
                await transaction.rows("UPDATE projects SET status = 'suspended'")


async def test_failure_undoes_rows_and_entries(
    filled: PostgresDatabase, clerk_engine: AsyncEngine
) -> None:
    async def fail() -> None:
        async with filled.transaction(ONE) as transaction:
            await repository.add_project(transaction, project(ONE, "undone", 1))
            await transaction.append_entry(b'{"undone":true}')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with filled.transaction(ONE) as transaction:
        await repository.add_project(transaction, project(ONE, "done", 2))
        await transaction.append_entry(b'{"done":true}')
    async with filled.transaction(ONE) as transaction:
        assert {row.name for row in await repository.projects(transaction)} == {"p", "done"}
    pending = await PostgresOutbox(clerk_engine).pending(10)
    assert [entry.leaf for entry in pending] == [b'{"done":true}']


async def test_failures_of_the_body_pass_untouched(filled: PostgresDatabase) -> None:
    with pytest.raises(FileNotFoundError):
        async with filled.transaction(ONE):
            raise FileNotFoundError


async def test_constraint_is_a_conflict_that_quotes_nothing(filled: PostgresDatabase) -> None:
    with pytest.raises(Conflict) as caught:
        async with filled.transaction(ONE) as transaction:
            await repository.add_project(transaction, project(ONE, "p", 1))
    assert "p" not in str(caught.value).split()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_entry_that_is_too_long_is_refused(filled: PostgresDatabase) -> None:
    with pytest.raises(InvalidInput, match="1024"):
        async with filled.transaction(None) as transaction:
            await transaction.append_entry(bytes(1025))


async def test_a_reference_is_an_organisations_own_and_dies_with_its_salt(
    filled: PostgresDatabase,
) -> None:
    async with filled.transaction(ONE) as transaction:
        mine = await transaction.reference(b"project", b"a")
        assert mine == await transaction.reference(b"project", b"a")
        assert mine != await transaction.reference(b"projecta", b"")
        assert len(mine) == 32
    async with filled.transaction(TWO) as transaction:
        assert await transaction.reference(b"project", b"a") != mine
    with pytest.raises(NotFound):
        async with filled.transaction(None) as transaction:
            await transaction.reference(b"project", b"a")
    async with filled.transaction(ONE) as transaction:
        await transaction.rows("UPDATE organisations SET log_salt = NULL")
    with pytest.raises(NotFound):
        async with filled.transaction(ONE) as transaction:
            await transaction.reference(b"project", b"a")

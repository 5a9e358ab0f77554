"""Migrations: from nothing, on data, never backwards, and equal to the model."""

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from tests.fixtures.postgres import FreshDatabase

import bailee.schema
from bailee.drivers.postgres.engine import check_schema, migrate, owner_engine
from bailee.drivers.postgres_embedded.initialise import OWNER_ROLE
from bailee.kernel.errors import Conflict
from bailee.schema import VERSION
from bailee.schema.roles import ADMINISTRATOR, GATEWAY, ROLES
from bailee.schema.tables import TENANT_TABLES, metadata


def _config() -> Config:
    config = Config()
    folder = Path(bailee.schema.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    return config


async def _as_of(database: FreshDatabase, revision: str) -> None:
    """Make an empty database as the code of an earlier revision left it."""

    def upgrade(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = owner_engine(database.url(OWNER_ROLE))
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()


def test_one_line_of_revisions_ends_at_the_version_of_the_code() -> None:
    scripts = ScriptDirectory.from_config(_config())
    assert scripts.get_heads() == [VERSION]
    assert [script.revision for script in scripts.walk_revisions()][-1] == "0001"


async def test_migrates_from_nothing_once(empty_database: FreshDatabase) -> None:
    url = empty_database.url(OWNER_ROLE)
    assert await migrate(url) is True
    assert await migrate(url) is False
    async with empty_database.engine(GATEWAY) as engine:
        await check_schema(engine)


async def test_model_equals_migrated_schema(postgres_database: FreshDatabase) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    async with postgres_database.engine(ADMINISTRATOR) as engine, engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_migration_keeps_the_rows_it_finds(empty_database: FreshDatabase) -> None:
    """Rows as the first revision's code wrote them survive every later migration."""
    await _as_of(empty_database, "0001")
    tenant, project = bytes(16), bytes(range(16))
    await empty_database.as_owner(
        "INSERT INTO organisations VALUES ($1, 'one', 'active', 1)", tenant
    )
    await empty_database.as_owner(
        "INSERT INTO projects (project, tenant, name, region, retention_mode, status, created_at)"
        " VALUES ($2, $1, 'one', 'us', 'default', 'active', 1),"
        " ($3, $1, 'two', 'us', 'zero_data_retention', 'active', 1)",
        tenant,
        project,
        bytes([1]) * 16,
    )
    await empty_database.as_owner(
        "INSERT INTO api_keys (public_id, digest, tenant, project, name, created_at)"
        " VALUES ('0011223344556677', $1, $1, $2, 'one', 1)",
        tenant,
        project,
    )
    assert await migrate(empty_database.url(OWNER_ROLE)) is True
    rows = await empty_database.as_owner(
        "SELECT o.name, p.region, k.public_id, c.version FROM organisations o"
        " JOIN projects p USING (tenant) JOIN api_keys k USING (project), changes c"
    )
    ((*kept, version),) = [tuple(row) for row in rows]
    assert kept == ["one", "us", "0011223344556677"]
    assert version >= 4, "each row that was written is a change that gateways read"
    rows = await empty_database.as_owner(
        "SELECT p.name, p.retention_mode, a.mode, a.approved FROM projects p"
        " LEFT JOIN zero_retention_applications a USING (project) ORDER BY p.name"
    )
    zero = "zero_data_retention"
    assert [tuple(row) for row in rows] == [("one", None, None, None), ("two", zero, zero, True)]


async def test_newer_database_is_refused_and_left_alone(postgres_database: FreshDatabase) -> None:
    await postgres_database.as_owner("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="version 9999, newer than this Bailee"):
        await migrate(postgres_database.url(OWNER_ROLE))
    async with postgres_database.engine(GATEWAY) as engine:
        with pytest.raises(Conflict, match="newer"):
            await check_schema(engine)
    rows = await postgres_database.as_owner("SELECT version_num FROM alembic_version")
    assert rows[0]["version_num"] == "9999"


async def test_database_without_schema_is_told_apart(empty_database: FreshDatabase) -> None:
    async with empty_database.engine(GATEWAY) as engine:
        with pytest.raises(Conflict, match=r"version none.*Run the migrations"):
            await check_schema(engine)


async def test_every_table_with_a_tenant_is_under_row_level_security(
    postgres_database: FreshDatabase,
) -> None:
    named = {table.name for table in metadata.sorted_tables if "tenant" in table.columns}
    assert named == {table.name for table in TENANT_TABLES}
    rows = await postgres_database.as_owner("SELECT relname FROM pg_class WHERE relrowsecurity")
    assert {row["relname"] for row in rows} == named
    policies = await postgres_database.as_owner(
        "SELECT tablename, policyname, cmd, qual FROM pg_policies ORDER BY 1, 2"
    )
    assert [tuple(row)[:3] for row in policies] == [
        (table, policy, command)
        for table in sorted(named)
        for policy, command in (("platform", "SELECT"), ("tenant", "ALL"))
    ]
    assert all(re.search(r"bailee\.(tenant|platform)", row["qual"]) for row in policies)


async def test_no_role_that_serves_owns_or_escapes(postgres_database: FreshDatabase) -> None:
    rows = await postgres_database.as_owner(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY($1)"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)",
        list(ROLES),
    )
    assert rows == []
    owners = await postgres_database.as_owner(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    )
    assert [row["tableowner"] for row in owners] == [OWNER_ROLE]


async def test_what_was_reckoned_of_a_termination_is_put_down(
    empty_database: FreshDatabase,
) -> None:
    days = 86_400_000
    await _as_of(empty_database, "0015")
    await empty_database.as_owner(
        "INSERT INTO organisations VALUES ($1, 'one', 'active', 1)", bytes(16)
    )
    wanted = {}
    for place, (kind, ended, before, after) in enumerate(
        (
            ("enterprise_agreement", 5, None, 5 + 60 * days),
            ("business_associate_agreement", 5, None, 5 + 30 * days),
            ("data_processing_addendum", 5, 7, 7),
            ("data_processing_addendum", None, None, None),
        )
    ):
        wanted[bytes([place])] = after
        await empty_database.as_owner(
            "INSERT INTO agreements (agreement, tenant, kind, version, text_digest, language,"
            " state, form, created_at, signed_at, countersigned_at, operator_name, executed_at,"
            " document, document_digest, ended_at, in_force_until) VALUES ($1, $2, $3, '1', $1,"
            " 'english', 'executed', '{}', 1, 1, 1, 'x', 1, $1, sha256($1), $4, $5)",
            bytes([place]),
            bytes(16),
            kind,
            ended,
            before,
        )
    assert await migrate(empty_database.url(OWNER_ROLE)) is True
    rows = await empty_database.as_owner("SELECT agreement, in_force_until FROM agreements")
    assert {bytes(row["agreement"]): row["in_force_until"] for row in rows} == wanted

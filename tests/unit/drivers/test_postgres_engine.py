"""Database URLs: what is safe is accepted, what is not is refused without being quoted."""

import asyncio

import pytest
from sqlalchemy import text
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.postgres.engine import connector, migrate, open_engine
from bailee.drivers.postgres.failures import kinds
from bailee.kernel.errors import Forbidden, InvalidInput, Unavailable
from bailee.schema.roles import GATEWAY


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@db.example/bailee?sslmode=disable",
        "postgresql://u:secret@db.example/bailee?sslmode=prefer",
        "postgresql://u:secret@db.example/bailee?sslmode=require",
        "postgresql://u:secret@10.0.0.8/bailee?sslmode=verify-ca",
        "postgresql://u:secret@/bailee?host=db.example&sslmode=disable",
        "postgresql://u:secret@localhost/bailee?host=/run/pg&host=db.example",
        "postgresql://u:secret@db.example/bailee?sslrootcert=/nowhere.pem",
        "postgresql://u:secret@db.example/bailee?target_session_attrs=any",
        "mysql://u:secret@db.example/bailee",
        "secret",
    ],
)
def test_unsafe_or_unreadable_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        connector(url, GATEWAY)
    assert "secret" not in str(caught.value)
    assert caught.value.field == "database.url"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db.example/bailee",
        "postgresql://u@db.example/bailee?sslmode=verify-full",
        "postgresql+asyncpg://u@localhost:5433/bailee",
        "postgresql://u@127.0.0.2/bailee",
        "postgresql://u@[::1]/bailee",
        "postgresql://u@/bailee?host=/run/postgresql",
    ],
)
def test_safe_urls_are_accepted(url: str) -> None:
    connector(url, GATEWAY)


def test_only_roles_that_row_level_security_binds() -> None:
    with pytest.raises(InvalidInput, match="bailee_gateway"):
        open_engine("postgresql://u@localhost/bailee", "postgres")


async def test_role_that_logs_in_itself(postgres_database: FreshDatabase) -> None:
    connection = await connector(postgres_database.url(GATEWAY), GATEWAY)()
    assert await connection.fetchval("SELECT current_user") == GATEWAY
    await connection.close()


async def test_absent_database_is_unavailable() -> None:
    engine = open_engine("postgresql://u@/bailee?host=/nowhere", GATEWAY)
    with pytest.raises(Unavailable), kinds():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()


async def test_server_without_tls_is_not_spoken_to_in_plain() -> None:
    heard, ended = bytearray(), asyncio.Event()

    async def refuse_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readexactly(8))
        writer.write(b"N")
        heard.extend(await reader.read())
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(refuse_tls, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    engine = open_engine(f"postgresql://u:pw@localhost:{port}/b?sslmode=verify-full", GATEWAY)
    with pytest.raises(Unavailable), kinds():
        await engine.connect()
    await engine.dispose()
    await ended.wait()
    server.close()
    # PostgreSQL's SSLRequest and nothing after the refusal.
    assert bytes(heard) == bytes.fromhex("0000000804d2162f")


async def test_user_who_may_not_migrate_is_told_what_is_needed(
    empty_database: FreshDatabase,
) -> None:
    with pytest.raises(Forbidden, match="CREATEROLE"):
        await migrate(empty_database.url(GATEWAY))

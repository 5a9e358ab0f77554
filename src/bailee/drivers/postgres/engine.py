"""Connections to PostgreSQL: always in a role that row-level security binds, never plain afar.

A URL is `postgresql://user:password@host:port/database`, or with `?host=/folder` for a Unix
socket. Whatever is not this machine is reached over TLS 1.2 or newer with the server's name
verified, against the system's roots or those in `?sslrootcert=`; nothing weaker can be asked for.
"""

import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bailee.drivers.postgres.failures import kinds
from bailee.kernel.errors import Forbidden, InvalidInput
from bailee.schema import check_version
from bailee.schema import migrate as migrate_schema
from bailee.schema.roles import ROLES

_CONNECT_TIMEOUT_S: Final = 5.0
_STATEMENT_TIMEOUT_S: Final = 15.0
_KNOWN_QUERY: Final = frozenset({"host", "port", "sslmode", "sslrootcert"})

Connect = Callable[[], Awaitable[Any]]
"""Opens one asyncpg connection."""


def connector(url: str | URL, role: str | None) -> Connect:
    """How to open connections to `url` that act as `role` (None: as the URL's user, the owner).

    Raises:
        InvalidInput: the URL is not one of PostgreSQL's or asks for something unsafe.
    """
    arguments = _arguments(_parsed(url))
    settings = {"application_name": "bailee", "idle_in_transaction_session_timeout": "60s"}
    if role is not None:
        if role not in ROLES:
            raise InvalidInput(f"there is no database role {role}; use one of {', '.join(ROLES)}")
        settings["role"] = role
    root_certificates, tls = arguments.pop("sslrootcert"), arguments.pop("tls")
    context = _tls(root_certificates) if tls else False

    async def connect() -> Any:
        return await asyncpg.connect(
            **arguments,
            ssl=context,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_STATEMENT_TIMEOUT_S,
            server_settings=settings,
        )

    return connect


def open_engine(url: str | URL, role: str, *, connections: int = 4) -> AsyncEngine:
    """A pool of at most `connections` connections that act as `role`. Connects when first used.

    Raises:
        InvalidInput: as `connector`.
    """
    return _engine(connector(url, role), connections)


def owner_engine(url: str | URL) -> AsyncEngine:
    """One connection as the URL's user, who owns the tables. Connects when first used.

    Raises:
        InvalidInput: as `connector`.
    """
    return _engine(connector(url, None), 1)


async def migrate(url: str | URL) -> bool:
    """Bring the database's schema up to date, as its owner. True if anything had to be done.

    Raises:
        InvalidInput: as `connector`.
        Conflict: the schema is newer than this code.
        Forbidden: the URL's user may not make the tables or the roles.
        Unavailable: the database is away.
    """
    engine = owner_engine(url)
    try:
        with kinds():
            async with engine.connect() as connection:
                return await migrate_schema(connection)
    except Forbidden:
        raise Forbidden(
            "The user in the database's URL may not migrate it. It needs to own the database and"
            f" to have CREATEROLE, or the roles {', '.join(ROLES)} made beforehand."
        ) from None
    finally:
        await engine.dispose()


async def check_schema(engine: AsyncEngine) -> None:
    """Return if the database has exactly this code's schema.

    Raises:
        Conflict: it has another, or none.
        Unavailable: the database is away.
    """
    with kinds():
        async with engine.connect() as connection:
            await check_version(connection)


async def server_version(engine: AsyncEngine) -> str:
    """As in 16.4. Raises Unavailable."""
    with kinds():
        async with engine.connect() as connection:
            found = await connection.scalar(text("SHOW server_version"))
    return str(found).partition(" ")[0]


def _engine(connect: Connect, connections: int) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(
            "The database's URL cannot be read. Write postgresql://user:password@host/database.",
            field="database.url",
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise InvalidInput(
            "The database's URL does not begin with postgresql://. Bailee needs PostgreSQL.",
            field="database.url",
        )
    unknown = set(parsed.query) - _KNOWN_QUERY
    if unknown:
        raise InvalidInput(
            "The database's URL has parameters that are not known; these are:"
            f" {', '.join(sorted(_KNOWN_QUERY))}.",
            field="database.url",
        )
    return parsed


def _arguments(url: URL) -> dict[str, Any]:
    host = _one(url, "host") or url.host or "localhost"
    remote = not host.startswith("/") and not _is_loopback(host)
    mode = _one(url, "sslmode")
    if remote and mode not in (None, "verify-full"):
        raise InvalidInput(
            f"The database at another machine is asked for with sslmode={mode}, which can be"
            " overheard or impersonated. Leave sslmode out (it is verify-full) and name a private"
            " authority by sslrootcert.",
            field="database.url",
        )
    return {
        "host": host,
        "port": int(_one(url, "port") or url.port or 5432),
        "user": url.username,
        "password": url.password,
        "database": url.database,
        "tls": remote or mode == "verify-full",
        "sslrootcert": _one(url, "sslrootcert"),
    }


def _one(url: URL, name: str) -> str | None:
    value = url.query.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidInput(
        f"The database's URL names {name} more than once. Name it once.", field="database.url"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(root_certificates: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=root_certificates)
    except OSError as error:
        raise InvalidInput(
            "The certificates that sslrootcert names cannot be read. Name a PEM file.",
            field="database.url",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

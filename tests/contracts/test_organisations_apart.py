"""Two walls between organisations, each tried while the other is down.

Row-level security, with statements that filter nothing: every table, every role. The filter in
every statement of the governance nouns' repositories, on a connection that row-level security does
not bind: nothing is different, and nobody else's row changes.
"""

import asyncio
import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import pytest
from tests.fixtures.installation import CHAT
from tests.fixtures.organisation_rows import Row, fill
from tests.fixtures.postgres import FreshDatabase, fresh_databases

import bailee.governance
from bailee.custody.seal.part import Owner
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import connector, open_engine, owner_engine
from bailee.drivers.postgres_embedded import EmbeddedPostgres
from bailee.drivers.postgres_embedded.initialise import OWNER_ROLE
from bailee.governance.agreements.model import Kind, State
from bailee.governance.audit.model import Wanted as WantedEvents
from bailee.governance.consent.model import Kind as Consented
from bailee.governance.imports.model import Imported, ImportedProject, Outcome
from bailee.governance.people.model import Member, ProjectRole
from bailee.governance.usage.model import Wanted as WantedUsage
from bailee.governance.webhooks.model import Disabled
from bailee.governance.zero_retention.model import VerifiedDomain
from bailee.kernel.errors import BaileeError
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.ports.audit import AuditEvent
from bailee.schema.roles import ADMINISTRATOR, CLERK, GATEWAY, ROLES
from bailee.schema.tables import TENANT_TABLES

ONE, TWO, NOBODY = (TenantId(bytes([number]) * 16) for number in (1, 2, 3))
TABLES: Final = sorted(table.name for table in TENANT_TABLES)
ACROSS: Final = "Across organisations"
"""How the docstring begins of what reads every organisation's rows on purpose."""


class Filled(NamedTuple):
    """A database with two organisations that have a row in every table."""

    database: FreshDatabase
    two: dict[str, Row]


@pytest.fixture(scope="module")
def databases(postgres_server: EmbeddedPostgres) -> Iterator[Callable[[], FreshDatabase]]:
    with fresh_databases(postgres_server) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def filled(databases: Callable[[], FreshDatabase]) -> Filled:
    database = databases()
    asyncio.run(fill(database, ONE))
    return Filled(database, asyncio.run(fill(database, TWO)))


# ------------------------------------------------------------------ the filter is off


class Asked:
    """A connection that acts as a role for an organisation; whatever it does is undone."""

    def __init__(self, connection: Any, role: str) -> None:
        self._connection = connection
        self._role = role

    async def rows(self, statement: str, *values: object, **settings: str) -> list[Any]:
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            for name, value in settings.items():
                await self._connection.execute(
                    "SELECT set_config($1, $2, true)", f"bailee.{name}", value
                )
            return list(await self._connection.fetch(statement, *values))
        finally:
            await transaction.rollback()

    async def may(self, table: str, privilege: str) -> list[str]:
        """The columns of a table that the role may read or write."""
        found = await self._connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
            " AND NOT attisdropped AND attidentity = ''"
            " AND has_column_privilege($2, attrelid, attnum, $3)",
            *(table, self._role, privilege),
        )
        return [row["attname"] for row in found]

    async def may_delete(self, table: str) -> bool:
        """Whether the role may delete rows of a table."""
        statement = "SELECT has_table_privilege($1, $2, 'DELETE')"
        return bool(await self._connection.fetchval(statement, self._role, table))


@pytest.fixture(params=ROLES)
async def asked(filled: Filled, request: pytest.FixtureRequest) -> AsyncIterator[Asked]:
    role: str = request.param
    connection = await connector(filled.database.url(role), role)()
    try:
        yield Asked(connection, role)
    finally:
        await connection.close()


async def test_a_role_reads_one_organisations_rows_alone(asked: Asked) -> None:
    seen = {}
    for table in TABLES:
        if "tenant" not in await asked.may(table, "SELECT"):
            continue
        statement = f"SELECT tenant FROM {table} WHERE true OR tenant = $1"  # noqa: S608
        assert await asked.rows(statement, TWO) == [], table
        assert await asked.rows(statement, TWO, tenant=NOBODY.hex()) == [], table
        found = await asked.rows(statement, TWO, tenant=ONE.hex())
        every = await asked.rows(statement, TWO, platform="read")
        assert {row["tenant"] for row in every} == {ONE, TWO}, table
        seen[table] = {row["tenant"] for row in found}
    assert {table for table, tenants in seen.items() if tenants != {ONE}} == set()
    assert seen


async def test_a_role_changes_no_other_organisations_rows(asked: Asked, filled: Filled) -> None:
    """Also one that may read them all, and also by a statement that filters nothing."""
    tried = 0
    for table in TABLES:
        readable = "tenant" in await asked.may(table, "SELECT")
        for column in await asked.may(table, "UPDATE"):
            tried += 1
            changing = f"UPDATE {table} SET {column} = DEFAULT RETURNING 1"  # noqa: S608
            assert await asked.rows(changing, tenant=NOBODY.hex()) == [], (table, column)
            assert await asked.rows(changing, platform="read") == [], (table, column)
            if readable:
                changing = f"UPDATE {table} SET {column} = {column} RETURNING tenant"  # noqa: S608
                found = await asked.rows(changing, tenant=ONE.hex())
                assert {row["tenant"] for row in found} <= {ONE}, (table, column)
        if await asked.may_delete(table):
            tried += 1
            deleting = f"DELETE FROM {table} RETURNING 1"  # noqa: S608
            assert await asked.rows(deleting, tenant=NOBODY.hex()) == [], table
            assert await asked.rows(deleting, platform="read") == [], table
    assert tried or asked._role == GATEWAY


async def test_a_role_adds_no_row_to_another_organisation(asked: Asked, filled: Filled) -> None:
    tried = 0
    for table in TABLES:
        row = filled.two[table]
        columns = [column for column in await asked.may(table, "INSERT") if column in row]
        if "tenant" not in columns:
            assert columns == [], table
            continue
        tried += 1
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        adding = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
        values = [row[column] for column in columns]
        for settings in ({"tenant": ONE.hex()}, {"platform": "read"}, {}):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await asked.rows(adding, *values, **settings)
    assert tried or asked._role in (GATEWAY, CLERK)


# ------------------------------------------------------------------ row-level security is off


def functions() -> dict[str, Callable[..., Any]]:
    """Everything with SQL of organisations' rows that works on one organisation, by name."""
    found = {}
    for file in sorted(Path(bailee.governance.__path__[0]).glob("*/repository.py")):
        noun = file.parent.name
        module = importlib.import_module(f"bailee.governance.{noun}.repository")
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            own = function.__module__ == module.__name__
            if own and not (inspect.getdoc(function) or "").startswith(ACROSS):
                found[f"{noun}.{name}"] = function
    return found


class Walls(NamedTuple):
    """The same database over connections that row-level security binds, and that it does not."""

    bound: PostgresDatabase
    unbound: PostgresDatabase
    clerks: PostgresDatabase
    """Bound, in the clerk's role."""
    arguments: dict[str, Any]
    """By `noun.parameter` or by parameter: what is the other organisation's."""


@pytest.fixture
async def walls(filled: Filled) -> AsyncIterator[Walls]:
    async with AsyncExitStack() as stack:
        engines = [
            open_engine(filled.database.url(ADMINISTRATOR), ADMINISTRATOR),
            owner_engine(filled.database.url(OWNER_ROLE)),
            open_engine(filled.database.url(CLERK), CLERK),
        ]
        for engine in engines:
            stack.push_async_callback(engine.dispose)
        bound, unbound, clerks = map(PostgresDatabase, engines)
        yield Walls(bound, unbound, clerks, await _arguments(bound, filled.two))


async def _arguments(database: PostgresDatabase, two: dict[str, Row]) -> dict[str, Any]:
    known = functions()

    async def own(name: str, **arguments: Any) -> Any:
        async with database.transaction(TWO) as transaction:
            found = await known[name](transaction, **arguments)
        return found[0] if isinstance(found, list) else found

    person, project = two["people"]["person"], two["projects"]["project"]
    async with database.platform_reading() as reading:
        passkey = await importlib.import_module("bailee.governance.identity.repository").passkey(
            reading, two["passkeys"]["passkey"]
        )
    somebody = await own("people.person", identifier=person)
    endpoint = await own("webhooks.endpoints")
    delivery = await own("webhooks.deliveries", endpoint=endpoint.endpoint, limit=1)
    return {
        **_plain(),
        "tenant": TWO,
        "person": person,
        "project": project,
        "email": two["people"]["email"],
        "digests": [bytes(16)],
        "active": [two["certificates"]["certificate"]],
        "public_ids": [two["sessions"]["public_id"]],
        "resource": two["audit_events"]["resource"],
        "people.identifier": person,
        "people.member": Member(somebody, ProjectRole.OWNER, Instant(2)),
        "audit.identifier": two["audit_events"]["event"],
        "audit.event": AuditEvent("project.updated", TWO, "x", {}, None),
        "webhooks.event": two["audit_events"]["event"],
        "identity.public_id": two["sessions"]["public_id"],
        "identity.name": two["passkeys"]["passkey"],
        "identity.use_enrolment.digest": two["enrolments"]["digest"],
        "identity.use_recovery_code.digest": two["recovery_codes"]["digest"],
        "administrators.public_id": two["admin_api_keys"]["public_id"],
        "tenancy.public_id": two["api_keys"]["public_id"],
        "tenancy.project_named.name": two["projects"]["name"],
        "agreement": two["agreements"]["agreement"],
        "consent.kind": Consented.SHARING,
        "consent.row": await own("consent.ledger"),
        "consent.statement": two["consents"]["statement"],
        "imports.endpoint": CHAT,
        "imports.project": ImportedProject(
            Owner(TWO, ProjectId(project), Region("us")), 0, "api", RetentionMode.DEFAULT, True
        ),
        "policy_drafts.version": two["policy_versions"]["version"],
        "service": two["projects"]["service"],
        "alert": two["spend_alerts"]["alert"],
        "application": two["zero_retention_applications"]["application"],
        "assignment": two["role_assignments"]["assignment"],
        "certificate": two["certificates"]["certificate"],
        "endpoint": two["webhook_endpoints"]["endpoint"],
        "service_account": two["service_accounts"]["service_account"],
        "people.invite.identifier": two["invites"]["invite"],
        "people.mark_accepted.identifier": two["invites"]["invite"],
        "people.remove_invite.identifier": two["invites"]["invite"],
        "administrators.row": await own("administrators.keys"),
        "agreements.row": await own("agreements.all_of"),
        "budgets.row": await own("budgets.alerts"),
        "certificates.row": await own("certificates.certificates"),
        "identity.row": await own("identity.sessions_of", person=person),
        "identity.put_password.row": await own("identity.password_of", person=person),
        "identity.add_passkey.row": passkey,
        "people.row": await own("people.assignments"),
        "people.add.row": somebody,
        "people.add_invite.row": await own("people.invites"),
        "tenancy.row": await own("tenancy.projects"),
        "tenancy.add_organisation.row": await own("tenancy.organisations"),
        "tenancy.add_service_account.row": await own("tenancy.service_accounts", project=project),
        "tenancy.add_key.row": await own("tenancy.keys"),
        "webhooks.row": endpoint,
        "webhooks.note.row": delivery._replace(attempts=7),
        "zero_retention.row": (await own("zero_retention.applications"))._replace(
            submitted_by="somebody"
        ),
        "zero_retention.add_domain.row": VerifiedDomain(TWO, "x.example", Instant(2), "x"),
    }


def _plain() -> dict[str, Any]:
    """What says nothing about whose it is."""
    instants = (
        "accepted_at at before created_at decided_at deleted_at ended_at expires_at"
        " failing_since installed_at now registered_at revoked_at set_at signed_in_at until"
        " since used_at withdrawn_at"
    )
    return {
        **dict.fromkeys(instants.split(), Instant(5)),
        **dict.fromkeys(("actor", "decided_by", "ended_by", "made_by", "name"), "somebody"),
        **dict.fromkeys(("digest", "log_salt", "confirmation", "document", "details"), bytes(16)),
        **dict.fromkeys(("early", "house", "kept"), True),
        **dict.fromkeys(("limit", "position", "step", "sign_count", "month"), 1 << 40),
        "minute": 0,
        "day": 1,
        "generation": 1,
        "imported": Imported(Outcome.SEALED, "2026-11-23", "api", None, None),
        "turns": [1],
        "kind": Kind.ENTERPRISE_AGREEMENT,
        "webhooks.kind": "project.updated",
        "mode": RetentionMode.DEFAULT,
        "states": set(State),
        "audit.wanted": WantedEvents(),
        "audit.newer.position": -1,
        "usage.wanted": WantedUsage(0, 1 << 40, 1 << 20),
        "why": Disabled.GONE,
    }


CLERKS: Final = frozenset({"agreements.execute", "agreements.give_notice", "webhooks.forget"})
"""What the clerk's role alone may."""
ORGANISATIONLESS: Final = frozenset(
    {
        *("agreements.publications", "agreements.publish"),
        *("consent.add_receipt", "consent.has_receipt"),
        *("policy_drafts.add_approval", "policy_drafts.add_published", "policy_drafts.drafts"),
        *("policy_drafts.clear_approvals", "policy_drafts.lock", "policy_drafts.mark_announced"),
        *("policy_drafts.published", "policy_drafts.put", "policy_drafts.services"),
        *("services.add", "services.services"),
        *("identity.add_attempt", "identity.take_attempt"),
        *("tenancy.installation_id", "tenancy.set_installation_id", "tenancy.version"),
        "tenancy.write_uses",
    }
)
"""What touches no organisation's rows, or only by a function of the database's own."""


async def test_the_filter_alone_keeps_organisations_apart(walls: Walls) -> None:
    """Whatever is asked in one organisation for something of the other."""
    wrong = {}
    for name, function in functions().items():
        if name in ORGANISATIONLESS:
            continue
        arguments = _given(name, function, walls.arguments)
        whose = walls.clerks if name in CLERKS else walls.bound
        bound = await _result(whose, function, arguments)
        rows: list[list[Any]] = []
        unbound = await _result(walls.unbound, function, arguments, rows)
        assert len(rows[0]) == len(TABLES), "row-level security does not bind this one"
        if unbound != bound or rows[0] != rows[-1]:
            wrong[name] = (bound, unbound)
    assert sorted(wrong) == []


def _given(name: str, function: Callable[..., Any], known: dict[str, Any]) -> dict[str, Any]:
    noun, arguments = name.split(".", 1)[0], {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        keys = (f"{name}.{parameter.name}", f"{noun}.{parameter.name}", parameter.name)
        key = next((key for key in keys if key in known), None)
        if key is None and parameter.default is not inspect.Parameter.empty:
            continue
        assert key is not None, f"say what {keys[0]} is for somebody else's row"
        arguments[parameter.name] = known[key]
    return arguments


class _Undo(Exception):
    """Whatever was done is not to stay."""


async def _result(
    database: PostgresDatabase,
    function: Callable[..., Any],
    arguments: dict[str, Any],
    rows: list[list[Any]] | None = None,
) -> Any:
    """What a call in `ONE` comes to; `rows` gets `TWO`'s before it and after it."""
    result: Any = None
    try:
        async with database.transaction(ONE) as transaction:
            if rows is not None:
                rows.append(await _others(transaction))
            result = await function(transaction, **arguments)
            if rows is not None:
                rows.append(await _others(transaction))
            raise _Undo
    except _Undo:
        return result
    except (BaileeError, IndexError) as error:
        return type(error)


async def _others(transaction: Any) -> list[Any]:
    statement = " UNION ALL ".join(
        f"SELECT '{table}' AS name, CAST(t AS text) AS row FROM {table} t WHERE tenant = :other"  # noqa: S608
        for table in TABLES
    )
    return sorted(tuple(row) for row in await transaction.rows(statement, other=TWO))
